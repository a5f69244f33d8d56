"""Log-ins under guessing: who is locked out, at which cost, and who goes on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from postroad.accounts.logins.authentication import Authenticator, AuthRefused
from postroad.accounts.password_hashing import Turn
from postroad.accounts.refusal_log import WINDOW_MS
from postroad.accounts.settings import AccountsSettings, LockoutSettings
from postroad.accounts.smtp_users import SmtpUsers
from postroad.model.actor import SYSTEM
from postroad.model.credential import Principal, Secret
from postroad.model.domain import SendingDomain
from postroad.storage.database import Database
from tests.unit.accounts.conftest import ManualClock

NAME = "app@news.example.com"
UNKNOWN = "nobody@news.example.com"
PASSWORD = "Right-password"
HOME = "192.0.2.1"
SETTINGS = AccountsSettings(hash_queue=4, lockout=LockoutSettings(failures=3, network_failures=6))


class CountingMeter:
    def __init__(self) -> None:
        self.results: Counter[str] = Counter()

    def login(self, result: str) -> None:
        self.results[result] += 1


@pytest.fixture
def meter() -> CountingMeter:
    return CountingMeter()


@pytest.fixture
async def authenticator(
    database: Database, clock: ManualClock, meter: CountingMeter, domain: SendingDomain
) -> AsyncIterator[Authenticator]:
    await SmtpUsers(database, clock).add(SYSTEM, NAME, password=Secret(PASSWORD))
    made = _authenticator(database, clock, meter)
    await made.refresh()
    yield made
    made.close()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stored forms that passwords are compared with."""
    found: list[str] = []
    matches = Turn._matches

    def noting(turn: Turn, stored: str, password: Secret) -> bool:
        found.append(stored)
        return matches(turn, stored, password)

    monkeypatch.setattr(Turn, "_matches", noting)
    return found


def _authenticator(database: Database, clock: ManualClock, meter: CountingMeter) -> Authenticator:
    return Authenticator(database, clock, settings=SETTINGS, meter=meter, process_key=b"k" * 32)


async def _try(
    authenticator: Authenticator, password: str = PASSWORD, address: str = HOME, name: str = NAME
) -> Principal | AuthRefused:
    return await authenticator.verify(name, password, address, over_tls=True, mechanism="PLAIN")


async def _guess(authenticator: Authenticator, address: str, times: int = 1, name: str = NAME) -> list[str]:
    reasons: list[str] = []
    for number in range(times):
        refused = await _try(authenticator, f"Guess-{number}", address, name)
        assert isinstance(refused, AuthRefused)
        reasons.append(refused.reason)
    return reasons


@pytest.mark.parametrize("name", [NAME, UNKNOWN])
async def test_guessing_locks_at_one_cost_whether_there_is_such_a_user_or_not(
    authenticator: Authenticator, hashed: list[str], meter: CountingMeter, name: str
) -> None:
    for host in range(3):
        assert await _guess(authenticator, f"198.51.{host}.1", 1, name) == ["wrong"]

    assert await _guess(authenticator, "198.51.9.1", 5, name) == ["locked"] * 5
    assert [stored[:31] for stored in hashed] == ["$argon2id$v=19$m=19456,t=2,p=1$"] * 3
    assert meter.results == {"wrong": 3, "credential_locked": 5}


async def test_locked_answer_needs_no_look_at_the_database(authenticator: Authenticator, database: Database) -> None:
    await _guess(authenticator, "198.51.100.1", 3, UNKNOWN)
    await database.close()

    assert await _guess(authenticator, "198.51.100.1", 1, "another@news.example.com") == ["locked"]


async def test_right_password_is_not_looked_at_either_while_locked_and_works_after(
    authenticator: Authenticator, clock: ManualClock
) -> None:
    await _guess(authenticator, "198.51.100.1", 3)

    refused = await _try(authenticator, address="198.51.100.1")
    clock.advance(60_000)
    after = await _try(authenticator, address="198.51.100.1")

    assert refused == AuthRefused("locked")
    assert isinstance(refused, AuthRefused)
    assert (refused.is_temporary, refused.is_locked) == (True, True)
    assert isinstance(after, Principal)


async def test_right_password_that_is_remembered_is_not_found_by_guessing_while_locked(
    authenticator: Authenticator,
) -> None:
    await _try(authenticator)
    await _guess(authenticator, "198.51.100.1", 3)

    assert await _try(authenticator, address="198.51.100.1") == AuthRefused("locked")
    assert await _try(authenticator, address="203.0.113.9") == AuthRefused("locked")


async def test_proven_credential_goes_on_where_it_was_proven_while_strangers_have_it_locked(
    authenticator: Authenticator,
) -> None:
    await _try(authenticator)
    for host in range(3):
        await _guess(authenticator, f"198.51.{host}.1")
    assert await _guess(authenticator, "203.0.113.9") == ["locked"]

    assert isinstance(await _try(authenticator), Principal)
    # And not from memory alone: its proof is over, its password is hashed again.
    authenticator._verified._until.clear()
    assert isinstance(await _try(authenticator), Principal)


async def test_wrong_phone_in_the_office_locks_nobody(authenticator: Authenticator) -> None:
    await _try(authenticator)

    assert await _guess(authenticator, HOME, 10) == ["wrong"] * 10
    assert await _guess(authenticator, HOME, 1, "colleague@news.example.com") == ["wrong"]
    authenticator._verified._until.clear()
    assert isinstance(await _try(authenticator), Principal)


async def test_known_clients_are_served_while_strangers_fill_their_queue(
    authenticator: Authenticator, meter: CountingMeter
) -> None:
    await _try(authenticator)
    authenticator._verified._until.clear()

    flood = [
        asyncio.ensure_future(_try(authenticator, f"Guess-{number}", f"198.51.{number}.1", f"{number}@example.net"))
        for number in range(50)
    ]
    await asyncio.sleep(0)
    good = await _try(authenticator)
    answers = Counter(one.reason for one in await asyncio.gather(*flood) if isinstance(one, AuthRefused))

    assert isinstance(good, Principal)
    assert answers == {"wrong": 5, "shed": 45}
    assert meter.results == {"ok": 2, "wrong": 5, "shed": 45}


async def test_what_needs_no_password_is_refused_at_once_as_it_would_be_later(
    authenticator: Authenticator, meter: CountingMeter
) -> None:
    def at_once(address: str, name: str = UNKNOWN) -> Principal | AuthRefused | None:
        return authenticator.at_once(name, "Guess", address, over_tls=True, mechanism="PLAIN")

    assert isinstance(await _try(authenticator), Principal)
    assert at_once("198.51.100.1") is None
    await _guess(authenticator, "198.51.100.1", 3, "other@example.net")
    assert at_once("198.51.100.1") == AuthRefused("locked")
    flood = [
        asyncio.ensure_future(_try(authenticator, "Guess", f"198.51.{number}.1", f"{number}@example.net"))
        for number in range(5)
    ]
    while at_once("203.0.113.9") is None:
        await asyncio.sleep(0)

    assert at_once("203.0.113.9") == AuthRefused("shed")
    # Its password may be one that is remembered, or its client one that goes before.
    assert at_once("203.0.113.9", NAME) is None
    assert at_once(HOME) is None
    await asyncio.gather(*flood)
    assert at_once("203.0.113.9") is None
    assert (meter.results["client_locked"], meter.results["shed"]) == (1, 2)


async def test_guesses_that_wait_when_the_lock_falls_are_not_hashed(
    authenticator: Authenticator, hashed: list[str]
) -> None:
    await _guess(authenticator, "198.51.1.1", 2)
    waiting = [_try(authenticator, f"Other-{number}", f"198.51.{number}.1") for number in range(2, 6)]

    reasons = Counter(one.reason for one in await asyncio.gather(*waiting) if isinstance(one, AuthRefused))

    assert reasons == {"wrong": 1, "locked": 3}
    assert len(hashed) == 3


async def test_two_workers_share_a_lock_once_one_has_written_and_the_other_looked(
    authenticator: Authenticator, database: Database, clock: ManualClock, meter: CountingMeter
) -> None:
    other = _authenticator(database, clock, meter)
    await other.share()
    await _guess(authenticator, "198.51.100.1", 3)
    await authenticator.write()
    await other.share()

    assert await _guess(other, "198.51.100.1") == ["locked"]
    other.close()


async def test_failed_log_in_is_logged_with_address_name_mechanism_and_reason(authenticator: Authenticator) -> None:
    with capture_logs() as lines:
        await _guess(authenticator, "198.51.100.1")

    assert lines == [
        {
            "event": "login_refused",
            "log_level": "info",
            "username": NAME,
            "client_address": "198.51.100.1",
            "mechanism": "PLAIN",
            "over_tls": True,
            "reason": "wrong",
        }
    ]


async def test_listed_clients_are_logged_as_failed_log_ins_are(
    authenticator: Authenticator, clock: ManualClock
) -> None:
    with capture_logs() as lines:
        for number in range(50):
            authenticator.note_listed(NAME, f"198.51.100.{number}", over_tls=True, mechanism="PLAIN", zone="bad.test")
        clock.advance(WINDOW_MS)
        await authenticator.write()

    assert [(line["event"], line.get("count")) for line in lines] == [("login_refused", None), ("logins_refused", 49)]
    assert (lines[0]["reason"], lines[0]["zone"]) == ("listed", "bad.test")


async def test_name_that_did_not_exist_is_known_after_the_next_look(
    authenticator: Authenticator, database: Database, clock: ManualClock
) -> None:
    await _guess(authenticator, HOME, 1, "new@news.example.com")
    await SmtpUsers(database, clock).add(SYSTEM, "new@news.example.com", password=Secret(PASSWORD))
    await authenticator.refresh()

    assert isinstance(await _try(authenticator, name="new@news.example.com"), Principal)
