"""Lock-outs and the networks of good log-ins, on both engines."""

import asyncio
from collections.abc import Mapping

import pytest

from postroad.policy.lockout import LockoutRule, Standing
from postroad.storage import lockouts
from postroad.storage.database import Database
from postroad.storage.lockouts import Counted, Failures, Lockout, LoginNetwork, Noted, Selector
from tests.storage.samples import DAY, MINUTE, NOW

RULE = LockoutRule(
    failures=5,
    locks_ms=(MINUTE, 5 * MINUTE),
    failures_forgotten_after_ms=60 * MINUTE,
    locks_forgotten_after_ms=DAY,
)
RULES = {"client": RULE, "credential": RULE, "console_email": RULE}
NAME = "app@news.example.com"


def _failures(times: int = 1, scope: str = "credential", subject: str = NAME, **facts: object) -> Failures:
    given = {"address": "192.0.2.1", "username": NAME, "account_id": 7} | facts
    return Failures(scope=scope, subject=subject, times=times, **given)  # type: ignore[arg-type]


async def _note(database: Database, *batch: Failures, now: int = NOW) -> list[Noted]:
    return await database.write(lockouts.note_failures, batch, RULES, now)


async def _lock(database: Database, subject: str = NAME, scope: str = "credential", now: int = NOW) -> Lockout:
    (noted,) = await _note(database, _failures(5, scope, subject), now=now)
    assert noted.has_just_locked
    return noted.lockout


async def test_failures_of_several_batches_add_up_to_a_lock_that_one_writer_hears_of(database: Database) -> None:
    first = await _note(database, _failures(2))
    second = await _note(database, _failures(3), now=NOW + 1)
    third = await _note(database, _failures(1), now=NOW + 2)

    assert [one.has_just_locked for one in first + second + third] == [False, True, False]
    assert await database.read(lockouts.get, "credential", NAME) == Lockout(
        scope="credential",
        subject=NAME,
        account_id=7,
        failures=5,
        times_locked=1,
        last_failed_at=NOW + 1,
        locked_until=NOW + 1 + MINUTE,
        last_address="192.0.2.1",
        last_username=NAME,
    )


async def test_writers_at_the_same_time_lose_no_failure_and_one_of_them_locks(database: Database) -> None:
    noted = await asyncio.gather(
        *(_note(database, _failures(), _failures(scope="client", subject="192.0.2.1")) for _ in range(5))
    )

    locks = [(one.lockout.scope, one.has_just_locked) for batch in noted for one in batch if one.has_just_locked]
    assert sorted(locks) == [("client", True), ("credential", True)]


async def _count(database: Database, now: int = NOW) -> Counted:
    def until(standings: Mapping[str, Standing]) -> int | None:
        return max((one.locked_until or 0 for one in standings.values() if one.is_locked(now)), default=None)

    batch = [_failures(), _failures(scope="client", subject="192.0.2.1")]
    return await database.write(lockouts.count_unless_locked, batch, RULES, now, until)


async def test_of_many_tries_at_once_no_more_are_let_through_than_the_rule_allows(database: Database) -> None:
    counted = await asyncio.gather(*(_count(database) for _ in range(20)))

    assert sorted(one.locked_until or 0 for one in counted) == [0] * 5 + [NOW + MINUTE] * 15
    assert sum(len(one.noted) for one in counted) == 5 * 2


async def test_a_try_that_is_taken_back_leaves_neither_a_failure_nor_its_lock(database: Database) -> None:
    await _note(database, _failures(4))
    counted = await _count(database)
    assert [(one.lockout.scope, one.has_just_locked) for one in counted.noted] == [
        ("client", False),
        ("credential", True),
    ]

    await database.write(lockouts.take_back, counted.noted, NOW + 1)

    standings = [await database.read(lockouts.get, *key) for key in (("client", "192.0.2.1"), ("credential", NAME))]
    assert [one and one.standing for one in standings] == [
        Standing(last_failed_at=NOW + 1),
        Standing(failures=4, last_failed_at=NOW + 1),
    ]


async def test_taking_a_try_back_leaves_the_lock_that_another_one_brought(database: Database) -> None:
    counted = await _count(database)
    await _lock(database)

    await database.write(lockouts.take_back, counted.noted, NOW + 1)

    assert (await _count(database, NOW + 1)).locked_until == NOW + MINUTE


async def test_subjects_of_different_scopes_do_not_mix(database: Database) -> None:
    await _lock(database, scope="console_email")

    assert await database.read(lockouts.get, "credential", NAME) is None


async def test_names_that_a_database_cannot_hold_are_counted_all_the_same(database: Database) -> None:
    (noted,) = await _note(database, _failures(5, subject="a\0b\ud800", username="a\0b\ud800"))

    assert noted.has_just_locked
    assert await database.write(lockouts.release, [("credential", "a\0b\ud800")], NOW) == 1


async def test_full_table_takes_no_new_subject_and_counts_those_it_has(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _note(database, _failures(4))
    monkeypatch.setattr(lockouts, "MOST_ROWS", 1)

    noted = await _note(database, _failures(1), _failures(1, subject="made-up@example.net"))

    assert [(one.lockout.subject, one.has_just_locked) for one in noted] == [(NAME, True)]


async def test_a_flood_of_one_callers_subjects_keeps_no_lock_of_another_from_being_stored_and_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lockouts, "MOST_ROWS", 3)
    of_console, of_logins = {"console_email": RULE}, {"client": RULE, "credential": RULE}
    for number in range(5):
        flood = _failures(5, "console_email", f"{number}@example.net")
        await database.write(lockouts.note_failures, [flood], of_console, NOW + 1 + number)

    noted = await database.write(lockouts.note_failures, [_failures(5)], of_logins, NOW)

    assert [(one.lockout.subject, one.has_just_locked) for one in noted] == [(NAME, True)]
    assert len(await database.read(lockouts.search, Selector(scopes=("console_email",)), 10)) == 3
    assert await database.read(lockouts.locked_at, of_logins, NOW + 9, 1) == [noted[0].lockout]
    assert await database.read(lockouts.changed_since, of_logins, NOW, 1) == [noted[0].lockout]


async def test_search_shows_an_account_its_own_and_what_is_locked_now(database: Database) -> None:
    await _lock(database)
    await _lock(database, "192.0.2.1", "client", NOW + 1)
    await _note(database, _failures(1, subject="other@example.net", account_id=8), now=NOW + 2)

    async def subjects(**wish: object) -> list[str]:
        return [one.subject for one in await database.read(lockouts.search, Selector(**wish), 10)]  # type: ignore[arg-type]

    assert await subjects() == ["other@example.net", "192.0.2.1", NAME]
    assert await subjects(account_id=8) == ["other@example.net"]
    assert await subjects(locked_at=NOW + 2) == ["192.0.2.1", NAME]
    assert await subjects(locked_at=NOW + MINUTE) == ["192.0.2.1"]
    assert await subjects(scopes=("client",)) == ["192.0.2.1"]
    assert await subjects(subject=NAME) == [NAME]


async def test_other_workers_find_locks_and_releases_but_no_mere_counts(database: Database) -> None:
    await _note(database, _failures(1, subject="counted@example.net"))
    await _lock(database, "locked@example.net")
    await _lock(database, "released@example.net")
    assert await database.write(lockouts.release, [("credential", "released@example.net")], NOW + 5) == 1

    changed = await database.read(lockouts.changed_since, RULES, NOW, 10)
    later = await database.read(lockouts.changed_since, RULES, NOW + 1, 10)

    assert [(one.subject, one.locked_until is None) for one in changed] == [
        ("released@example.net", True),
        ("locked@example.net", False),
    ]
    assert [one.subject for one in later] == ["released@example.net"]
    assert [one.subject for one in await database.read(lockouts.locked_at, RULES, NOW, 10)] == ["locked@example.net"]


async def test_what_is_released_is_neither_shown_nor_released_again(database: Database) -> None:
    await _lock(database)

    assert await database.write(lockouts.release, [("credential", NAME), ("client", "192.0.2.1")], NOW) == 1
    assert await database.write(lockouts.release, [("credential", NAME)], NOW) == 0
    assert await database.write(lockouts.release, [], NOW) == 0
    assert await database.read(lockouts.search, Selector(), 10) == []


async def test_old_subjects_go_in_slices_and_locks_are_remembered_for_longer(database: Database) -> None:
    for number in range(3):
        await _note(database, _failures(1, subject=f"{number}@example.net"))
    await _lock(database)

    async def forget(counted_before: int, locked_before: int) -> int:
        return await database.write(lockouts.delete_before, counted_before, locked_before, 2)

    assert await forget(NOW, NOW) == 0
    assert [await forget(NOW + 1, NOW) for _ in range(3)] == [2, 1, 0]
    assert await forget(NOW + MINUTE, NOW + MINUTE) == 0
    assert await database.read(lockouts.get, "credential", NAME) is not None
    assert await forget(NOW + MINUTE, NOW + MINUTE + 1) == 1


async def test_networks_of_good_log_ins_keep_the_latest_and_go_in_slices(database: Database) -> None:
    await database.write(lockouts.note_successes, [LoginNetwork("192.0.2.1", 5, NOW), LoginNetwork("192.0.2.1", 6, 1)])
    await database.write(lockouts.note_successes, [LoginNetwork("192.0.2.1", 5, NOW - 1), LoginNetwork("::/64", 5, 2)])
    await database.write(lockouts.note_successes, [])

    assert await database.read(lockouts.networks_since, 2, 10) == [
        LoginNetwork("192.0.2.1", 5, NOW),
        LoginNetwork("::/64", 5, 2),
    ]
    assert len(await database.read(lockouts.networks_since, 0, 1)) == 1
    assert [await database.write(lockouts.delete_networks_before, NOW, 1) for _ in range(3)] == [1, 1, 0]
    assert await database.read(lockouts.networks_since, 0, 10) == [LoginNetwork("192.0.2.1", 5, NOW)]
