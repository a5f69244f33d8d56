"""SMTP users in the console."""

import re

import msgspec
import pytest

from postroad.accounts.smtp_user_changes import SmtpUserChange
from postroad.httpd.console.console import Console
from postroad.model.actor import SYSTEM
from postroad.model.client_fault import ClientFault, FaultKind
from postroad.model.credential import CredentialKind, Secret, SmtpUser, Use
from postroad.model.domain import DomainState, SendingDomain
from postroad.net.clock import now_ms
from postroad.policy.lockout import CREDENTIAL, LockoutRule
from postroad.storage import audit, client_faults, domains, lockouts, smtp_users
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.storage.lockouts import Failures

from .conftest import NOW, Client, SignIn, World, shown_in

LIST = "/credentials/smtp-users"
PASSWORD = "Quiet-harbour-41"
DIALOG = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
async def smtp_user(console: Console, world: World) -> SmtpUser:
    choices = SmtpUserChange(note="the <b>shop</b>")
    added = await console.smtp_users.add(SYSTEM, f"app@{world.domain.name}", password=Secret(PASSWORD), choices=choices)
    return added.user


async def test_an_empty_list_says_what_to_do_next_with_a_line_that_sends(
    admin: Client, user: Client, world: World
) -> None:
    text = (await admin.get(LIST)).text

    assert "No SMTP user yet" in text
    assert f"{LIST}/new" in text
    assert f"--auth-user app@{world.domain.name} --auth-password PASSWORD" in text
    looking = (await user.get(LIST)).text
    assert "An admin of this account can add one" in looking
    assert f"{LIST}/new" not in looking


async def test_the_credentials_begin_with_the_smtp_users(admin: Client) -> None:
    assert (await admin.get("/credentials")).headers["location"] == LIST


async def test_an_account_without_a_domain_is_sent_to_make_one(operator: Client, console: Console) -> None:
    account = await console.accounts.add(SYSTEM, "initech")
    await operator.send_form("/switch-account", account=str(account.id))

    assert 'href="/domains"' in (await operator.get(LIST)).text
    assert "add one</a> first" in (await operator.get(f"{LIST}/new")).text


async def test_a_new_user_and_its_password_are_shown_once(
    admin: Client, console: Console, world: World, database: Database
) -> None:
    dialog = (await admin.get(f"{LIST}/new", headers=DIALOG)).text
    assert f'value="app@{world.domain.name}"' in dialog
    assert 'data-do="generate"' in dialog
    reply = await admin.send_form(
        f"{LIST}/new", domain=world.domain.name, username="App@News.acme.example", password=PASSWORD, note="Shop"
    )

    assert reply.status_code == 200
    assert f'data-copy="{PASSWORD}"' in reply.text
    assert "it is not shown again" in reply.text
    assert f"client.login(&#39;app@news.acme.example&#39;, &#39;{PASSWORD}&#39;)" in reply.text
    assert reply.headers["cache-control"] == "no-store"
    (added,) = await console.smtp_users.all(SYSTEM)
    assert (added.username, added.note, added.account_id) == ("app@news.acme.example", "Shop", world.ours.id)
    assert PASSWORD not in (await admin.get(LIST)).text
    assert f'value="app2@{world.domain.name}"' in (await admin.get(f"{LIST}/new", headers=DIALOG)).text
    entries = await database.read(audit.search, AuditSelector(action="smtp_user"), 5)
    assert [(entry.action, entry.actor_name, entry.client_address) for entry in entries] == [
        ("smtp_user.added", "ada@acme.example", "127.0.0.1")
    ]
    assert PASSWORD not in msgspec.json.encode(entries).decode()


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"password": "short"}, "password", "at least 8 characters (it has 5), a capital letter and a special"),
        ({"username": "app"}, "username", "in the form of an address"),
        ({"hourly_limit": "many"}, "hourly_limit", "use a whole number from 0"),
        ({"hourly_limit": "99999999999"}, "hourly_limit", "from 1 to 2147483647"),
        ({"hourly_limit": "9" * 5_000}, "hourly_limit", "The number is too large."),
        ({"daily_limit": "0"}, "daily_limit", "from 1 to 2147483647"),
        ({"networks": "192.0.2.1/24"}, "networks", "did you mean 192.0.2.0/24, or 192.0.2.1 alone?"),
        ({"allowed_from": "ceo@bank.example"}, "allowed_from", "can never be in From"),
        ({"domain": "news.globex.example"}, "domain", "There is no sending domain news.globex.example"),
        ({"domain": ""}, "domain", "Choose the sending domain"),
    ],
)
async def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(
    admin: Client, world: World, fields: dict[str, str], field: str, sentence: str
) -> None:
    typed = {"domain": world.domain.name, "username": "app@news.acme.example", "note": "N-1", "password": PASSWORD}
    reply = await admin.send_form(f"{LIST}/new", **typed | fields)

    assert reply.status_code == 422
    wrong = re.search(rf'id="{field}-error"[^>]*>(.*?)</p>', reply.text, re.DOTALL)
    assert wrong is not None
    assert sentence in wrong[1].replace("&#39;", "'")
    assert 'value="N-1"' in reply.text
    assert PASSWORD not in reply.text
    assert "No SMTP user yet" in (await admin.get(LIST)).text


async def test_a_name_elsewhere_is_taken_with_a_warning(admin: Client, world: World) -> None:
    reply = await admin.send_form(
        f"{LIST}/new", domain=world.domain.name, username="app@elsewhere.example", password=PASSWORD
    )

    assert "elsewhere.example is not a sending domain of this account" in reply.text


async def test_a_user_that_is_proven_by_address_is_shown_with_a_warning(
    admin: Client, operator: Client, console: Console, world: World
) -> None:
    await operator.send_form("/switch-account", account=str(world.ours.id))
    typed = {"domain": world.domain.name, "username": "printer@news.acme.example", "kind": "address"}
    assert 'name="kind"' in (await operator.get(f"{LIST}/new")).text
    wrong = await operator.send_form(f"{LIST}/new", **typed, networks="")
    assert (wrong.status_code, "needs the networks that prove it" in wrong.text) == (422, True)

    reply = await operator.send_form(f"{LIST}/new", **typed, networks="192.0.2.7, 2001:db8::/64")

    assert reply.headers["location"] == LIST
    (added,) = await console.smtp_users.all(SYSTEM)
    assert added.kind is CredentialKind.ADDRESS
    text = (await admin.get(LIST)).text
    assert "Address, no password" in text
    assert "192.0.2.7/32, 2001:db8::/64" in text
    assert f"{LIST}/{added.id}/password" not in text
    assert "The operator of this installation adds these" in text
    assert "This user has no password" in (await admin.get(f"{LIST}/{added.id}/edit")).text
    assert 'name="networks"' in (await operator.get(f"{LIST}/{added.id}/edit")).text
    assert (await operator.send_form(f"{LIST}/{added.id}/edit", networks="192.0.2.8")).headers["location"] == LIST
    assert (await console.smtp_users.get(SYSTEM, added.id)).networks == ("192.0.2.8/32",)


async def test_an_admin_can_end_a_user_that_is_proven_by_address_but_claim_no_network(
    admin: Client, console: Console, world: World
) -> None:
    assert 'name="kind"' not in (await admin.get(f"{LIST}/new")).text
    typed = {"domain": world.domain.name, "username": "printer@news.acme.example", "kind": "address"}
    assert (await admin.send_form(f"{LIST}/new", **typed, networks="192.0.2.7")).status_code == 403
    assert await console.smtp_users.all(SYSTEM) == []
    choices = SmtpUserChange(networks=["192.0.2.7"])
    added = await console.smtp_users.add(SYSTEM, typed["username"], kind=CredentialKind.ADDRESS, choices=choices)
    one = f"{LIST}/{added.user.id}"

    shown = (await admin.get(f"{one}/edit")).text
    assert 'name="networks"' not in shown
    assert "192.0.2.7/32" in shown
    assert "The operator of this installation adds such users" in shown
    assert (await admin.send_form(f"{one}/edit", networks="192.0.2.8")).status_code == 403
    assert (await admin.send_form(f"{one}/edit", note="Printer")).headers["location"] == LIST
    kept = await console.smtp_users.get(SYSTEM, added.user.id)
    assert (kept.note, kept.networks) == ("Printer", ("192.0.2.7/32",))
    await admin.send_form(f"{one}/disable")
    assert (await console.smtp_users.get(SYSTEM, added.user.id)).disabled_at is not None
    await admin.send_form(f"{one}/remove")
    assert await console.smtp_users.all(SYSTEM) == []


async def test_the_list_shows_state_use_and_restrictions_and_html_as_text(
    admin: Client, console: Console, smtp_user: SmtpUser, database: Database
) -> None:
    change = SmtpUserChange(
        requires_tls=True, hourly_limit=1_500, networks=["192.0.2.1"], allowed_from=["@acme.example"]
    )
    await console.smtp_users.edit(SYSTEM, smtp_user.id, change)
    await database.write(smtp_users.touch, {smtp_user.id: Use(NOW, "2001:db8::9", over_tls=True)})
    text = (await admin.get(LIST)).text

    assert "the &lt;b&gt;shop&lt;/b&gt;" in text
    assert "from 2001:db8::9, TLS" in text
    assert "TLS only · 192.0.2.1 · 1,500 an hour · From @acme.example" in text
    assert ">Active<" in text


def _fault_of(smtp_user: SmtpUser) -> ClientFault:
    return ClientFault(
        credential_id=smtp_user.id,
        account_id=smtp_user.account_id,
        kind=FaultKind.AFTER_REFUSAL,
        count=12,
        first_at=NOW,
        last_at=now_ms(),
        client_address="192.0.2.7",
        subject="<i>Menu</i>",
        recipient="you@example.net",
        recipient_count=3,
        reply="5.7.1 Not yours.",
    )


async def test_a_client_that_repeats_is_told_of_with_an_example_and_what_to_change(
    admin: Client, sign_in: SignIn, world: World, database: Database, smtp_user: SmtpUser
) -> None:
    await database.write(client_faults.note, [_fault_of(smtp_user)])
    text = (await admin.get(LIST)).text

    for told in (
        "Repeats what was refused",
        "12 times",
        "&lt;i&gt;Menu",
        "and 2 others",
        "5.7.1 Not yours.",
        "give it up",
    ):
        assert told in text, told
    assert f"send as {smtp_user.username} repeat" in (await admin.get("/")).text
    foreign = await sign_in(world.stranger)
    assert "repeat refused" not in (await foreign.get("/")).text
    assert "12 times" not in (await foreign.get(LIST)).text


async def test_the_overview_of_a_domain_tells_of_its_own_repeating_clients_only(
    admin: Client, world: World, database: Database, smtp_user: SmtpUser
) -> None:
    other = await database.write(
        domains.add,
        SendingDomain(id=0, account_id=world.ours.id, name="shop.acme.example", state=DomainState.ACTIVE, created_at=0),
    )
    await database.write(client_faults.note, [_fault_of(smtp_user)])

    told = f"send as {smtp_user.username} repeat"
    await admin.send_form("/choose-domain", domain=str(world.domain.id))
    assert told in (await admin.get("/")).text
    await admin.send_form("/choose-domain", domain=str(other.id))
    assert told not in (await admin.get("/")).text


async def test_a_user_is_edited_with_what_it_has_filled_in(
    admin: Client, console: Console, smtp_user: SmtpUser
) -> None:
    one = f"{LIST}/{smtp_user.id}/edit"
    fields = {
        "note": "Shop",
        "networks": "192.0.2.1\n2001:db8::/32",
        "requires_tls": "on",
        "hourly_limit": "10",
        "daily_limit": "100",
        "allowed_from": "shop@news.acme.example, @acme.example",
    }
    reply = await admin.send_form(one, **fields)

    assert reply.headers["location"] == LIST
    stored = await console.smtp_users.get(SYSTEM, smtp_user.id)
    assert (stored.note, stored.networks, stored.requires_tls, stored.hourly_limit, stored.daily_limit) == (
        "Shop",
        ("192.0.2.1/32", "2001:db8::/32"),
        True,
        10,
        100,
    )
    assert stored.allowed_from == ("shop@news.acme.example", "@acme.example")
    shown = (await admin.get(one)).text
    assert "192.0.2.1\n2001:db8::/32</textarea>" in shown
    assert 'name="requires_tls" checked' in shown
    assert 'value="10"' in shown
    assert "0 recipients of 10" in shown
    wrong = await admin.send_form(one, **fields | {"networks": "office", "note": "typed"})
    assert wrong.status_code == 422
    assert 'value="typed"' in wrong.text
    await admin.send_form(one, note="")
    freed = await console.smtp_users.get(SYSTEM, smtp_user.id)
    assert freed == msgspec.structs.replace(smtp_user, note="")


async def test_a_page_that_was_opened_earlier_takes_no_restriction_off(
    admin: Client, console: Console, smtp_user: SmtpUser
) -> None:
    one = f"{LIST}/{smtp_user.id}/edit"
    early = await admin.shown_by(one)
    choices = {"networks": "192.0.2.0/24", "requires_tls": "on", "hourly_limit": "10", "allowed_from": "@acme.example"}
    await admin.send_form(one, note=smtp_user.note, shown=early, **choices)

    untouched = {"networks": "", "hourly_limit": "", "daily_limit": "", "allowed_from": ""}
    reply = await admin.send_form(one, note="Till", shown=early, **untouched)

    assert reply.headers["location"] == LIST
    stored = await console.smtp_users.get(SYSTEM, smtp_user.id)
    assert (stored.note, stored.networks, stored.requires_tls) == ("Till", ("192.0.2.0/24",), True)
    assert (stored.hourly_limit, stored.allowed_from) == (10, ("@acme.example",))
    late = await admin.shown_by(one)
    await admin.send_form(one, note="Till", shown=late, **untouched)
    freed = await console.smtp_users.get(SYSTEM, smtp_user.id)
    assert freed == msgspec.structs.replace(smtp_user, note="Till")


async def test_a_restriction_that_two_pages_change_is_shown_before_it_is_replaced(
    admin: Client, console: Console, smtp_user: SmtpUser
) -> None:
    one = f"{LIST}/{smtp_user.id}/edit"
    early = await admin.shown_by(one)
    await admin.send_form(one, note="Shop", networks="192.0.2.0/24\r\n192.0.2.7", shown=early)

    fields = {"note": smtp_user.note, "networks": "198.51.100.7"}
    reply = await admin.send_form(one, shown=early, **fields)

    assert reply.status_code == 422
    assert "changed meanwhile and is now: 192.0.2.0/24, 192.0.2.7. Save again to replace that." in reply.text
    assert "198.51.100.7</textarea>" in reply.text
    assert (await console.smtp_users.get(SYSTEM, smtp_user.id)).networks == ("192.0.2.0/24", "192.0.2.7/32")
    assert (await admin.send_form(one, shown=shown_in(reply.text), **fields)).headers["location"] == LIST
    stored = await console.smtp_users.get(SYSTEM, smtp_user.id)
    assert (stored.note, stored.networks) == ("Shop", ("198.51.100.7/32",))


async def test_a_password_is_changed_and_shown_once(admin: Client, console: Console, smtp_user: SmtpUser) -> None:
    one = f"{LIST}/{smtp_user.id}/password"
    assert "New password for" in (await admin.get(one)).text
    wrong = await admin.send_form(one, password="weakweak")
    assert wrong.status_code == 422
    assert "a capital letter and a special character" in wrong.text
    assert "weakweak" not in wrong.text

    reply = await admin.send_form(one, password="Other-harbour-42")

    assert "Password changed" in reply.text
    assert 'data-copy="Other-harbour-42"' in reply.text
    assert (await console.smtp_users.get(SYSTEM, smtp_user.id)).password_hash != smtp_user.password_hash
    assert "Other-harbour-42" not in (await admin.get(LIST)).text


async def test_a_user_is_disabled_enabled_and_removed_after_a_question(
    admin: Client, console: Console, smtp_user: SmtpUser
) -> None:
    one = f"{LIST}/{smtp_user.id}"
    await admin.send_form(f"{one}/disable")
    text = (await admin.get(LIST)).text
    assert "is disabled; open sessions end" in text
    assert ">Disabled<" in text
    await admin.send_form(f"{one}/enable")
    assert ">Active<" in (await admin.get(LIST)).text

    assert "It cannot be brought back" in (await admin.get(f"{one}/remove")).text
    await admin.send_form(f"{one}/remove")
    assert await console.smtp_users.all(SYSTEM) == []
    assert (await admin.send_form(f"{one}/remove")).status_code == 404


async def test_a_locked_user_is_seen_and_unlocked(
    admin: Client, smtp_user: SmtpUser, database: Database, world: World
) -> None:
    failures = Failures(
        scope=CREDENTIAL,
        subject=smtp_user.username,
        account_id=world.ours.id,
        address="203.0.113.7",
        username=smtp_user.username,
    )
    await lock(database, failures)
    text = (await admin.get(LIST)).text
    assert ">Locked<" in text

    await admin.send_form(f"{LIST}/{smtp_user.id}/unlock")

    text = (await admin.get(LIST)).text
    assert ">Locked<" not in text
    assert "is not locked any more" in text
    assert (await admin.send_form(f"{LIST}/{smtp_user.id}/unlock")).status_code == 404


async def test_the_overview_of_a_domain_tells_of_its_own_locked_users_only(
    admin: Client, world: World, database: Database, smtp_user: SmtpUser
) -> None:
    other = await database.write(
        domains.add,
        SendingDomain(id=0, account_id=world.ours.id, name="shop.acme.example", state=DomainState.ACTIVE, created_at=0),
    )
    name = smtp_user.username
    failures = Failures(scope=CREDENTIAL, subject=name, account_id=world.ours.id, address="203.0.113.7", username=name)
    await lock(database, failures)

    told = f"{name} is locked after failed log-ins"
    assert told in (await admin.get("/")).text
    await admin.send_form("/choose-domain", domain=str(world.domain.id))
    assert told in (await admin.get("/")).text
    await admin.send_form("/choose-domain", domain=str(other.id))
    assert told not in (await admin.get("/")).text


async def test_users_are_found_by_name_and_note_and_by_the_chosen_domain(
    admin: Client, console: Console, world: World, smtp_user: SmtpUser
) -> None:
    other = await console.smtp_users.add(
        SYSTEM, "other@elsewhere.example", domain_name=world.domain.name, password=Secret(PASSWORD)
    )
    await console.smtp_users.add(SYSTEM, f"spy@{world.their_domain.name}", password=Secret(PASSWORD))
    abroad = await console.smtp_users.add(
        SYSTEM, "app@bücher.example", domain_name=world.domain.name, password=Secret(PASSWORD)
    )

    assert smtp_user.username.replace("@", "@<wbr>").replace(".", ".<wbr>") in (await admin.get(f"{LIST}?q=SHOP")).text
    by_note = (await admin.get(f"{LIST}?q=shop")).text
    assert "other@" not in by_note
    as_people_write_it = (await admin.get(LIST, params={"q": "app@Bücher.example"})).text
    assert f"{abroad.user.id}/edit" in as_people_write_it
    assert "other@" not in as_people_write_it
    assert "Nothing found" in (await admin.get(f"{LIST}?q=<script>")).text
    assert "<script>alert" not in (await admin.get(f"{LIST}?q=<script>alert")).text
    everything = (await admin.get(LIST)).text
    assert f"{other.user.id}/edit" in everything
    assert "spy@" not in everything


async def test_who_may_only_look_sees_the_users_without_buttons(user: Client, smtp_user: SmtpUser) -> None:
    text = (await user.get(LIST)).text

    assert "app@" in text
    for action in ("edit", "password", "disable", "remove"):
        assert f"{smtp_user.id}/{action}" not in text


async def lock(database: Database, failures: Failures) -> None:
    hour_ms = 3_600_000
    rule = LockoutRule(
        failures=1, locks_ms=(hour_ms,), failures_forgotten_after_ms=hour_ms, locks_forgotten_after_ms=hour_ms
    )
    await database.write(lockouts.note_failures, [failures], {CREDENTIAL: rule}, now_ms())
