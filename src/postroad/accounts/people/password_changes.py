"""Setting passwords: by whoever is signed in, by a link, and by asking for a link in mail."""

import asyncio

import msgspec
import structlog

from postroad.accounts.notices import Notices
from postroad.accounts.people.links import PASSWORD, RESET_MS, Links, one_time_token
from postroad.accounts.people.own_password import OwnPassword
from postroad.accounts.people.person_passwords import PersonPasswords
from postroad.accounts.people.sessions import SignedIn
from postroad.accounts.people.tokens import hash_of
from postroad.model.actor import Actor, ActorKind, stranger
from postroad.model.audit import entry_of
from postroad.model.credential import Secret
from postroad.model.refused import MissingError, RefusedError
from postroad.model.user import User
from postroad.net.clock import Clock
from postroad.policy.permission import require_change
from postroad.storage import audit, one_time_tokens, people, users
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.errors import Conflict, StorageError

log = structlog.get_logger()

_MOST_WAITING = 100
_MAIL_AGAIN_MS = 5 * 60_000
"""A person gets one link in this time, however often strangers ask for it."""
_DAY_MS = 24 * 3_600_000
_MOST_A_DAY = 5
"""Links that a person is mailed in a day because somebody asked at the sign-in page; an admin can mail more."""
_ASKED = "user.password_link_asked_for"
_LINK_GONE = "This link was used already or has expired: ask for a new one."

_MAIL = """\
Hello,

somebody, most likely you, asked for a new password for {email} on the Postroad
installation at {base}.

Open this link to choose one. It works once and for one hour:

{link}

If it was not you, do nothing: your password stays as it is.
"""


class PasswordChanges:
    """Changes people's passwords; ``run`` mails the links that were asked for and must be running beside it."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        passwords: PersonPasswords,
        own_password: OwnPassword,
        notices: Notices,
        links: Links,
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._own_password = own_password
        self._notices = notices
        self._links = links
        self._asked: asyncio.Queue[tuple[str, str]] = asyncio.Queue(_MOST_WAITING)

    async def change(self, signed_in: SignedIn, current: Secret, new: Secret, client_address: str) -> None:
        """Change one's own password, or set the first one soon after signing in; all other sessions of the person end."""
        user = signed_in.user
        await self._own_password.prove(signed_in, current, client_address, field="current_password")
        stored = await self._passwords.hashed(new, user.email, field="new_password")
        entry = entry_of(
            signed_in.actor(client_address),
            "user.password_changed" if user.password_hash else "user.password_set",
            user.email,
            at=self._clock(),
            account_id=user.account_id,
        )
        await self._database.write(recorded, entry, people.set_password, user.id, stored, but=signed_in.session.id)

    async def person_of_link(self, token: str) -> User | None:
        """Return whose password a link would set; it is not used up."""
        found = await self._database.read(one_time_tokens.look, hash_of(token), PASSWORD, self._clock())
        return None if found is None or found.user_id is None else await self._database.read(users.get, found.user_id)

    async def set_by_link(self, token: str, new: Secret, client_address: str) -> User:
        """Use a link up and set the password; all the person's sessions end. Returns the person."""
        user = await self.person_of_link(token)
        if user is None:
            raise MissingError(_LINK_GONE)
        stored = await self._passwords.hashed(new, user.email)
        entry = entry_of(
            _person(user, client_address), "user.password_set", user.email, at=self._clock(), account_id=user.account_id
        )
        try:
            await self._database.write(
                recorded, entry, people.set_password_by_link, hash_of(token), PASSWORD, stored, self._clock()
            )
        except Conflict as error:
            raise MissingError(_LINK_GONE) from error
        return user

    def ask_for_link(self, email: str, client_address: str) -> None:
        """Take note that somebody wants a link in mail; known and unknown addresses are answered alike, at once."""
        try:
            self._asked.put_nowait((email.strip().lower(), client_address))
        except asyncio.QueueFull:
            log.warning("password_links_too_many", client_address=client_address)

    async def run(self) -> None:
        """Mail the links that were asked for, until cancelled."""
        while True:
            email, client_address = await self._asked.get()
            try:
                await self.mail_link(email, client_address)
            except StorageError as error:
                log.warning("password_link_not_made", why=str(error))
            finally:
                self._asked.task_done()

    async def all_mailed(self) -> None:
        """Wait until every link that was asked for has been dealt with."""
        await self._asked.join()

    async def mail_link(self, email: str, client_address: str) -> bool:
        """Mail a link to a person that asked for it at the console; returns whether one was mailed."""
        user = await self._database.read(users.by_email, email)
        if user is None or user.disabled_at is not None:
            log.info("password_link_not_made", email=email, client_address=client_address)
            return False
        recently = self._clock() - _MAIL_AGAIN_MS
        links = await self._database.read(one_time_tokens.of_user, user.id, PASSWORD)
        if any(one.data.get("is_mailed") and one.created_at > recently for one in links):
            return False
        asked = await self._database.read(audit.count, _ASKED, since=self._clock() - _DAY_MS, target=user.email)
        if asked >= _MOST_A_DAY:
            log.warning("password_links_too_many", email=email, client_address=client_address)
            return False
        # Whoever types an address is not its person: the entry must not say so.
        return await self._mail(stranger(client_address), user, _ASKED)

    async def mail_link_to(self, actor: Actor, user: User) -> None:
        """Mail a link to a person of the actor's account; raises RefusedError where it cannot be mailed."""
        require_change(actor, user.account_id, "such user")
        if user.disabled_at is not None:
            raise RefusedError(f"{user.email} is disabled: enable it first.")
        if not await self._mail(actor, user, "user.password_link_mailed"):
            raise RefusedError("The mail could not be sent: the operator finds out why in the log.")

    async def _mail(self, actor: Actor, user: User, action: str) -> bool:
        now = self._clock()
        made = one_time_token(PASSWORD, user.id, now=now, valid_ms=RESET_MS)
        entry = entry_of(actor, action, user.email, at=now, account_id=user.account_id)
        # Beside links made earlier: a stranger who asks for one must not void what an operator handed over.
        row = msgspec.structs.replace(made.row, data={"is_mailed": True})
        await self._database.write(recorded, entry, one_time_tokens.add, hash_of(made.token), row)
        link = self._links.to_set_password(made.token, made.row.expires_at)
        text = _MAIL.format(email=user.email, base=self._links.base, link=str(link.url))
        return await self._notices.send(to=user.email, subject="Choose a new password", text=text)


def _person(user: User, client_address: str) -> Actor:
    """Return the person as the actor of what its link does."""
    return Actor(
        kind=ActorKind.USER,
        id=user.id,
        name=user.email,
        client_address=client_address,
        account_id=user.account_id,
        is_operator=user.is_operator,
    )
