"""A worker's view of the SMTP users: what it costs, and that it keeps nothing of those that are gone or idle."""

from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, event

from postroad.accounts.logins.credentials import Credentials, KnownCredential
from postroad.accounts.smtp_user_changes import SmtpUserChange
from postroad.accounts.smtp_users import SmtpUsers
from postroad.model.actor import SYSTEM
from postroad.model.credential import CredentialKind, Secret, SmtpUser
from postroad.model.domain import SendingDomain
from postroad.storage import smtp_users
from postroad.storage.database import Database
from tests.unit.accounts.conftest import ManualClock

CLIENT = "192.0.2.1"


@pytest.fixture
def users(database: Database, clock: ManualClock, domain: SendingDomain) -> SmtpUsers:
    return SmtpUsers(database, clock)


@pytest.fixture
def selects() -> Iterator[list[str]]:
    """Whatever is selected from the database, statement by statement."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        if statement.startswith("SELECT"):
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


async def _add_device(users: SmtpUsers, number: int) -> SmtpUser:
    choices = SmtpUserChange(networks=[f"192.0.2.{number}"])
    added = await users.add(SYSTEM, f"device{number}@news.example.com", kind=CredentialKind.ADDRESS, choices=choices)
    return added.user


async def _acts(credentials: Credentials, users: SmtpUsers, name: str) -> int:
    """Add a user that acts; returns its id."""
    await users.add(SYSTEM, name, password=Secret("Right-password"))
    known = await credentials.find(name)
    assert known is not None
    credentials.acts(known, CLIENT, over_tls=True)
    return known.user.id


async def test_a_removed_user_is_watched_no_longer(database: Database, clock: ManualClock, users: SmtpUsers) -> None:
    credentials = Credentials(database, clock)
    gone = await _acts(credentials, users, "gone@news.example.com")
    disabled = await _acts(credentials, users, "disabled@news.example.com")
    await users.disable(SYSTEM, disabled)
    await users.remove(SYSTEM, gone)
    await credentials.refresh()

    assert list(credentials._acted) == list(credentials._standing) == [disabled]


async def test_a_user_that_is_used_no_more_is_forgotten(
    database: Database, clock: ManualClock, users: SmtpUsers
) -> None:
    credentials = Credentials(database, clock)
    await _acts(credentials, users, "idle@news.example.com")
    clock.advance(60_000)
    busy = await _acts(credentials, users, "busy@news.example.com")
    await credentials.write_uses()

    assert list(credentials._touched) == [busy]


@pytest.mark.parametrize("name", ["app@news.example.com", "nobody@news.example.com"])
async def test_a_name_costs_one_statement_whether_it_is_known_or_not(
    database: Database, clock: ManualClock, users: SmtpUsers, selects: list[str], name: str
) -> None:
    await users.add(SYSTEM, "app@news.example.com", password=Secret("Right-password"))
    credentials = Credentials(database, clock)
    await credentials.refresh()
    selects.clear()

    found = [await credentials.find(name) for _ in range(2)]

    assert [known is not None for known in found] == [name.startswith("app")] * 2
    assert len(selects) == 1


async def test_a_look_at_changes_costs_as_much_however_many_are_proven_by_their_address(
    database: Database, clock: ManualClock, users: SmtpUsers, selects: list[str]
) -> None:
    credentials = Credentials(database, clock)
    costs = []
    for number in range(1, 4):
        await _add_device(users, number)
        selects.clear()
        await credentials.refresh()
        costs.append(len(selects))

    assert costs == [costs[0]] * 3
    assert credentials.in_network("192.0.2.3") is not None


async def test_every_worker_takes_a_client_for_the_same_user(
    database: Database, clock: ManualClock, users: SmtpUsers
) -> None:
    first, second = await _add_device(users, 1), await _add_device(users, 2)
    same = msgspec.structs.replace(second, networks=first.networks)
    await database.write(partial(smtp_users.change, chosen=["networks"]), same)
    fresh, busy = Credentials(database, clock), Credentials(database, clock)
    known = await busy.find(second.username)
    assert known is not None
    busy.acts(known, CLIENT, over_tls=False)

    for credentials in (fresh, busy):
        await credentials.refresh()
        taken_for = credentials.in_network(CLIENT)
        assert taken_for is not None
        assert taken_for.user.id == first.id


@pytest.mark.parametrize("is_removed", [False, True], ids=["disabled", "removed"])
async def test_a_device_that_connects_while_changes_are_read_goes_on_by_what_they_say(
    database: Database, clock: ManualClock, users: SmtpUsers, monkeypatch: pytest.MonkeyPatch, *, is_removed: bool
) -> None:
    device = await _add_device(users, 5)
    credentials = Credentials(database, clock)
    await credentials.refresh()
    look_at, connected = credentials._look_at, []

    async def with_a_connection_meanwhile(acted: Collection[int]) -> dict[int, KnownCredential]:
        known = credentials.in_network("192.0.2.5")
        assert known is not None
        found = await look_at(acted)
        credentials.acts(known, "192.0.2.5", over_tls=False)
        connected.append(known)
        return found

    monkeypatch.setattr(credentials, "_look_at", with_a_connection_meanwhile)
    await (users.remove(SYSTEM, device.id) if is_removed else users.disable(SYSTEM, device.id))
    await credentials.refresh()

    (known,) = connected
    assert credentials.standing(known.principal) is None
    assert (device.id in credentials._acted) == (not is_removed)
