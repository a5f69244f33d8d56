"""One thing of an account for every name that the paths of pages have; a new name needs a line here."""

from postroad.accounts.logins.login_guard import LoginGuard, claimant_of
from postroad.accounts.settings import LockoutSettings
from postroad.httpd.console.console import Console
from postroad.model.account import Account
from postroad.model.actor import SYSTEM
from postroad.model.credential import Secret
from postroad.model.domain import SendingDomain
from postroad.model.event import EventType
from postroad.model.identity import Passkey
from postroad.model.ids import from_text, text_of
from postroad.model.suppression import SuppressionKind
from postroad.model.template import TemplateSource
from postroad.model.user import Role, User
from postroad.net.clock import now_ms
from postroad.storage import messages, passkeys, rendered
from postroad.storage.database import Database
from postroad.storage.suppressions import place_of
from postroad.suppressions.list_checking import ListChecking
from postroad.suppressions.suppressions import place_text

from .conftest import message_of
from .webhook_things import call_of, event_of, webhook_of

_CONTENT = b"Subject: hello\r\nContent-Type: text/html\r\n\r\n<p>Hi</p>\r\n"


async def things_of(
    console: Console,
    database: Database,
    domain: SendingDomain,
    account: Account,
    *,
    person: User,
    other: User | None = None,
) -> dict[str, object]:
    """Make them and return what stands for each name; ``other`` is whom the admins of the account see, if not ``person``."""
    await console.sessions.open(person, None, method="password", client_address="", user_agent="")
    invited = await console.invitations.invite(SYSTEM, account.id, f"new@{domain.name}", Role.USER)
    template = await console.templates.add(SYSTEM, domain.name, "welcome", TemplateSource(html="<p>Hi</p>"))
    smtp_user = await console.smtp_users.add(SYSTEM, f"app@{domain.name}", password=Secret("Quiet-harbour-41"))
    await _lock(database, smtp_user.user.username, account)
    suppression = await console.suppressions.add(SYSTEM, domain.name, "a@r.example", SuppressionKind.BLOCK)
    route = await console.inbound_routes.add(SYSTEM, domain.name, mail_to="^help@", forward_to="desk@r.example")
    upload = await console.imports.begin(SYSTEM, domain, SuppressionKind.BLOCK, b"b@r.example", "list.csv")
    checked = await console.list_checks.begin(SYSTEM, account.id, "spring", b"a@r.example", "spring.csv")
    await ListChecking(database, console.address_checks, now_ms).work()
    return {
        "user_id": (other or person).id,
        "person_id": (other or person).id,
        "session_id": (await console.sessions.of(person))[0].id,
        "invitation_id": invited.invitation.id,
        "name": account.name,
        "domain": domain.name,
        "template_id": template.id,
        "version_number": 1,
        "smtp_user_id": smtp_user.user.id,
        "passkey_id": (await database.write(passkeys.add, _a_passkey(person))).id,
        "place": place_text(place_of(suppression)),
        "import_id": upload.id,
        "list_id": checked.id,
        "number": route.position,
        "api_key_id": (await console.api_keys.add_for_account(SYSTEM, account.id)).key.id,
    } | await _mail_of(console, database, domain, account)


async def _lock(database: Database, username: str, account: Account) -> None:
    guard = LoginGuard(database, now_ms, LockoutSettings(failures=5))
    for host in range(5):
        address = f"198.51.100.{host}"
        guard.failed(claimant_of(username, address), address, credential_id=1, account_id=account.id)
    await guard.write()


async def _mail_of(console: Console, database: Database, domain: SendingDomain, account: Account) -> dict[str, object]:
    message_id = await message_of(database, account, domain, content=_CONTENT)
    story = await database.read(messages.show, from_text(message_id))
    assert story is not None
    [delivery] = story.deliveries
    await database.write(rendered.store, [rendered.Rendered(delivery.id, from_text(message_id), _CONTENT)])
    webhook = await webhook_of(console, domain)
    call = await call_of(database, webhook, await event_of(database, domain, message_id, EventType.DELIVERED))
    return {
        "message_id": message_id,
        "delivery_id": text_of(delivery.id),
        "webhook_id": webhook.id,
        "call_id": text_of(call.call_id),
    }


def _a_passkey(user: User) -> Passkey:
    return Passkey(
        id=0, user_id=user.id, credential_id=b"of a device", public_key=b"", sign_count=0, name="Phone", created_at=1
    )
