"""Lock-outs in the console: an account's own names, everything for operators, and releasing them."""

import pytest

from postroad.accounts.logins.login_guard import LoginGuard, claimant_of
from postroad.accounts.settings import LockoutSettings
from postroad.httpd.console.console import Console
from postroad.model.actor import SYSTEM
from postroad.net.clock import now_ms
from postroad.storage import audit
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database

from .conftest import Client, World

OWN = "/credentials/lockouts"
ALL = "/lockouts"
NAME, THEIRS = "app@news.acme.example", "app@news.globex.example"


@pytest.fixture
async def guessed(database: Database, world: World) -> None:
    """Two accounts' users are locked, one was tried once, and so are the guesser's address and a made-up name."""
    guard = LoginGuard(database, now_ms, LockoutSettings(failures=5, network_failures=15))
    for name, account_id, times in (
        (NAME, world.ours.id, 5),
        ("once@news.acme.example", world.ours.id, 1),
        (THEIRS, world.theirs.id, 5),
        ("<b>nobody</b>@example.net", None, 5),
    ):
        for host in range(times):
            address = f"198.51.100.{host}"
            guard.failed(claimant_of(name, address), address, credential_id=1, account_id=account_id)
    await guard.write()


async def test_nothing_locked_says_what_would_be_here(admin: Client, operator: Client) -> None:
    assert "Nothing is locked" in (await admin.get(OWN)).text
    assert "Nothing is locked" in (await operator.get(ALL)).text


@pytest.mark.usefixtures("guessed")
async def test_account_sees_its_own_names_with_where_the_guesses_came_from(admin: Client, user: Client) -> None:
    text = (await admin.get(OWN)).text

    assert "Locked now" in text
    assert 'aria-label="Release app@news.acme.example"' in text
    assert "once@" in text
    assert "198.51.100.4" in text
    assert "globex" not in text
    assert "nobody" not in text
    assert "198.51.100.0/24" not in text
    assert "Release" not in (await user.get(OWN)).text


@pytest.mark.usefixtures("guessed")
async def test_operator_sees_addresses_networks_and_names_that_nobody_has(operator: Client) -> None:
    text = (await operator.get(ALL)).text

    for subject in (NAME, THEIRS, "198.51.100.0/24", "&lt;b&gt;nobody&lt;/b&gt;@example.net"):
        assert f'aria-label="Release {subject}"' in text
    assert "<b>nobody" not in text


@pytest.mark.usefixtures("guessed")
async def test_release_lets_go_and_is_recorded(
    admin: Client, database: Database, world: World, console: Console
) -> None:
    reply = await admin.send_form(f"{OWN}/release", subject=NAME)

    assert (reply.status_code, reply.headers["location"]) == (303, OWN)
    assert "Nothing is locked" in (await admin.get(OWN)).text
    (entry,) = await database.read(audit.search, AuditSelector(account_id=world.ours.id, action="lockout"), 10)
    assert (entry.actor_name, entry.client_address) == ("ada@acme.example", "127.0.0.1")
    assert {one.subject for one in await console.lockouts.all(SYSTEM)} >= {THEIRS, "198.51.100.0/24"}


@pytest.mark.usefixtures("guessed")
@pytest.mark.parametrize("subject", [THEIRS, "198.51.100.0/24", "nobody@example.net", ""])
async def test_what_is_not_the_account_s_own_cannot_be_released(admin: Client, console: Console, subject: str) -> None:
    reply = await admin.send_form(f"{OWN}/release", subject=subject)

    assert reply.status_code == 404
    assert "There is no lock-out of" in reply.text
    assert len(await console.lockouts.all(SYSTEM)) == 4


@pytest.mark.usefixtures("guessed")
async def test_operator_releases_a_network(operator: Client) -> None:
    reply = await operator.send_form(f"{ALL}/release", subject="198.51.100.0/24")

    assert reply.headers["location"] == ALL
    assert 'aria-label="Release 198.51.100.0/24"' not in (await operator.get(ALL)).text
