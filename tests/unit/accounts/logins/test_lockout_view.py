"""A worker's view of who is locked out."""

from collections.abc import Sequence

import pytest

from postroad.accounts.logins import lockout_view
from postroad.accounts.logins.lockout_view import LockoutView
from postroad.policy.lockout import CLEAN, LockoutRule
from postroad.storage import lockouts
from postroad.storage.database import Database
from postroad.storage.errors import StorageUnavailable
from postroad.storage.lockouts import Failures, Lockout
from tests.unit.accounts.conftest import ManualClock

MINUTE = 60_000
RULE = LockoutRule(
    failures=3, locks_ms=(MINUTE,), failures_forgotten_after_ms=60 * MINUTE, locks_forgotten_after_ms=60 * MINUTE
)
RULES = {"credential": RULE}
NAME = "app@news.example.com"
ONE = Failures(scope="credential", subject=NAME, address="192.0.2.1", username=NAME, account_id=7)


class Ears:
    def __init__(self) -> None:
        self.heard: list[str] = []

    async def locked(self, found: Sequence[Lockout]) -> None:
        self.heard += [one.subject for one in found]


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def view(database: Database, clock: ManualClock, ears: Ears) -> LockoutView:
    return LockoutView(database, clock, RULES, ears)


@pytest.fixture
def other(database: Database, clock: ManualClock) -> LockoutView:
    return LockoutView(database, clock, RULES)


def _is_locked(view: LockoutView, clock: ManualClock, subject: str = NAME) -> bool:
    return view.standing("credential", subject).is_locked(clock.now)


def _fail(view: LockoutView, times: int = 1) -> None:
    for _ in range(times):
        view.failed(ONE)


async def look(view: LockoutView) -> None:
    now = view._clock()
    view.learn(await view._database.read(view.read_news, now), now)


async def test_lock_holds_at_once_where_it_fell_and_elsewhere_after_a_look(
    view: LockoutView, other: LockoutView, clock: ManualClock
) -> None:
    await look(other)
    _fail(view, 3)
    assert _is_locked(view, clock)

    await view.write()
    assert not _is_locked(other, clock)
    await look(other)
    assert _is_locked(other, clock)


async def test_failures_in_two_workers_add_up(view: LockoutView, other: LockoutView, clock: ManualClock) -> None:
    _fail(view, 2)
    await view.write()
    _fail(other, 1)
    assert not _is_locked(other, clock)

    await other.write()

    assert _is_locked(other, clock)


async def test_worker_that_starts_knows_the_locks_that_hold(
    view: LockoutView, other: LockoutView, clock: ManualClock
) -> None:
    _fail(view, 3)
    await view.write()
    clock.advance(MINUTE - 1)

    await look(other)

    assert _is_locked(other, clock)


async def test_each_lock_is_told_once_however_many_failures_made_it(view: LockoutView, ears: Ears) -> None:
    _fail(view, 50)
    await view.write()
    _fail(view, 50)
    await view.write()

    assert ears.heard == [NAME]


async def test_release_reaches_every_worker_and_counting_begins_anew(
    view: LockoutView, other: LockoutView, database: Database, clock: ManualClock
) -> None:
    _fail(view, 3)
    await view.write()
    await look(other)
    await look(view)

    await database.write(lockouts.release, [("credential", NAME)], clock.now)
    await look(view)
    await look(other)

    assert view.standing("credential", NAME) == other.standing("credential", NAME) == CLEAN
    _fail(view, 2)
    await view.write()
    await look(view)
    assert not _is_locked(view, clock)
    assert view.standing("credential", NAME).failures == 2


async def test_failures_that_could_not_be_written_are_written_later(
    view: LockoutView, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> None:
        _fail(view)
        raise StorageUnavailable("gone for a moment")

    _fail(view)
    with monkeypatch.context() as patched:
        patched.setattr(database, "write", lost)
        with pytest.raises(StorageUnavailable):
            await view.write()
    await view.write()

    stored = await database.read(lockouts.get, "credential", NAME)
    assert stored is not None
    assert stored.failures == 2


async def test_other_scopes_in_the_table_are_not_learnt(
    view: LockoutView, database: Database, clock: ManualClock
) -> None:
    await database.write(
        lockouts.note_failures, [Failures(scope="console", subject="x", times=3)], {"console": RULE}, clock.now
    )
    await look(view)

    assert view.standing("console", "x") == CLEAN


async def test_memory_is_bounded_and_the_oldest_go_first(
    view: LockoutView, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lockout_view, "_CAPACITY", 10)
    monkeypatch.setattr(lockout_view, "_MOST_PENDING", 5)
    for number in range(100):
        view.failed(Failures(scope="credential", subject=str(number)))

    assert len(view._standings) == 10
    assert len(view._pending) == 5
    assert view.standing("credential", "99").failures == 1
