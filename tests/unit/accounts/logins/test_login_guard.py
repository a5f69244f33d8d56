"""Who may have a password compared, by what the workers know."""

import pytest

from postroad.accounts.logins import login_networks
from postroad.accounts.logins.login_guard import LoginGuard, claimant_of, rules_of
from postroad.accounts.settings import LockoutSettings
from postroad.policy.lockout import CLIENT, CREDENTIAL, NETWORK, Locked, MayTry
from postroad.storage import lockouts
from postroad.storage.database import Database
from postroad.storage.errors import StorageUnavailable
from postroad.storage.lockouts import LoginNetwork
from tests.unit.accounts.conftest import ManualClock

NAME = "app@news.example.com"
USER, ACCOUNT = 5, 7
HOME = "192.0.2.1"
SETTINGS = LockoutSettings(failures=4, network_failures=12)
HOUR = 3_600_000


@pytest.fixture
def guard(database: Database, clock: ManualClock) -> LoginGuard:
    return LoginGuard(database, clock, SETTINGS)


def _fail(guard: LoginGuard, address: str, times: int, name: str = NAME) -> None:
    for _ in range(times):
        guard.failed(claimant_of(name, address), address, credential_id=USER, account_id=ACCOUNT)


def _verdict(guard: LoginGuard, address: str, name: str = NAME, credential_id: int | None = USER) -> Locked | MayTry:
    return guard.verdict(claimant_of(name, address), credential_id)


def _scope(guard: LoginGuard, address: str, name: str = NAME) -> str | None:
    found = _verdict(guard, address, name)
    return found.scope if isinstance(found, Locked) else None


def test_rules_follow_the_settings() -> None:
    rules = rules_of(LockoutSettings())

    assert rules[CREDENTIAL] == rules[CLIENT]
    assert (rules[CLIENT].failures, rules[NETWORK].failures) == (10, 50)
    assert [ms // 60_000 for ms in rules[CLIENT].locks_ms] == [1, 5, 15, 60, 240, 1440]


def test_client_that_fails_too_often_is_locked_for_every_name(guard: LoginGuard) -> None:
    for number in range(4):
        _fail(guard, HOME, 1, f"{number}@example.net")

    assert _scope(guard, HOME) == CLIENT
    assert _scope(guard, "192.0.2.2") is None


def test_ipv6_host_is_locked_with_its_whole_64(guard: LoginGuard) -> None:
    for number in range(4):
        _fail(guard, f"2001:db8::{number}", 1, f"{number}@example.net")

    assert _scope(guard, "2001:db8::ffff") == CLIENT
    assert _scope(guard, "2001:db8:0:1::1") is None


def test_network_of_many_failing_clients_is_locked(guard: LoginGuard) -> None:
    for number in range(12):
        _fail(guard, f"192.0.2.{number}", 1, f"{number}@example.net")

    assert _scope(guard, "192.0.2.200") == NETWORK
    assert _scope(guard, "198.51.100.1") is None


def test_name_that_strangers_guess_at_is_locked_for_strangers_and_not_at_home(guard: LoginGuard) -> None:
    guard.succeeded(claimant_of(NAME, HOME), USER)
    for number in range(4):
        _fail(guard, f"198.51.100.{number}", 1)

    assert _scope(guard, "203.0.113.9") == CREDENTIAL
    assert _verdict(guard, HOME) == MayTry(is_preferred=True)
    # Whoever does not know which credential the name is, does not know that it is at home here.
    assert isinstance(_verdict(guard, HOME, credential_id=None), Locked)


def test_names_that_do_not_exist_are_locked_alike(guard: LoginGuard) -> None:
    for number in range(4):
        claimant = claimant_of("nobody@example.net", f"198.51.100.{number}")
        guard.failed(claimant, claimant.client)

    assert isinstance(guard.verdict(claimant_of("Nobody@Example.net", "203.0.113.9"), None), Locked)


def test_office_with_one_wrong_phone_is_never_locked_and_locks_nobody_out(
    guard: LoginGuard, clock: ManualClock
) -> None:
    guard.succeeded(claimant_of(NAME, HOME), USER)
    _fail(guard, HOME, 100)
    clock.advance(60_000)
    _fail(guard, HOME, 100)

    assert _scope(guard, HOME) is None
    assert _scope(guard, HOME, "colleague@news.example.com") is None
    assert _scope(guard, "192.0.2.2") is None
    assert _scope(guard, "203.0.113.9") is None
    # It goes behind those that fail less.
    assert _verdict(guard, HOME) == MayTry(is_preferred=False)


def test_good_log_in_spares_a_network_for_a_day_and_is_remembered_for_a_month(
    guard: LoginGuard, clock: ManualClock
) -> None:
    guard.succeeded(claimant_of(NAME, HOME), USER)
    clock.advance(24 * HOUR)
    _fail(guard, HOME, 3)
    assert _verdict(guard, HOME) == MayTry(is_preferred=True)
    _fail(guard, HOME, 1)
    assert _scope(guard, HOME) == CLIENT

    clock.advance(29 * 24 * HOUR)
    assert _verdict(guard, HOME) == MayTry(is_preferred=False)


async def test_workers_share_locks_and_good_networks(guard: LoginGuard, database: Database, clock: ManualClock) -> None:
    other = LoginGuard(database, clock, SETTINGS)
    await other.refresh()
    guard.succeeded(claimant_of(NAME, HOME), USER)
    for number in range(4):
        _fail(guard, f"198.51.100.{number}", 1)

    await guard.write()
    await other.refresh()

    assert _scope(other, "203.0.113.9") == CREDENTIAL
    assert _verdict(other, HOME) == MayTry(is_preferred=True)


async def test_success_is_written_once_in_ten_minutes_and_again_where_writing_failed(
    guard: LoginGuard, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> None:
        raise StorageUnavailable("gone for a moment")

    first = clock.now
    guard.succeeded(claimant_of(NAME, HOME), USER)
    with monkeypatch.context() as patched:
        patched.setattr(database, "write", lost)
        with pytest.raises(StorageUnavailable):
            await guard.write()
    clock.advance(599_999)
    guard.succeeded(claimant_of(NAME, HOME), USER)
    await guard.write()
    assert await database.read(lockouts.networks_since, 0, 10) == [LoginNetwork(HOME, USER, first)]

    clock.advance(1)
    guard.succeeded(claimant_of(NAME, HOME), USER)
    await guard.write()
    assert await database.read(lockouts.networks_since, 0, 10) == [LoginNetwork(HOME, USER, clock.now)]


def test_networks_in_memory_are_bounded(guard: LoginGuard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_networks, "_CAPACITY", 10)
    for number in range(100):
        guard.succeeded(claimant_of(NAME, f"192.0.2.{number}"), USER)

    assert _verdict(guard, "192.0.2.99") == MayTry(is_preferred=True)
    assert _verdict(guard, "192.0.2.1") == MayTry(is_preferred=False)
    assert len(guard._networks._pending) == 10
