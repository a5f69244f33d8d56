"""Quotas are taken whole or not at all, by however many at once."""

import asyncio

from postroad.policy.quota import Demand, Period
from postroad.storage import quotas
from postroad.storage.database import Database
from tests.storage.samples import DAY, NOW

HOUR_MS = 3_600_000


def hour(limit: int, subject: str = "smtp_user:1", starts_at: int = NOW) -> Demand:
    return Demand(subject, Period.HOUR, starts_at, limit)


def day(limit: int) -> Demand:
    return Demand("smtp_user:1", Period.DAY, NOW, limit)


async def test_a_limit_is_taken_to_its_last_and_not_beyond(database: Database) -> None:
    assert await database.write(quotas.take, [hour(10)], 6) is None
    assert await database.write(quotas.take, [hour(10)], 5) == hour(10)
    assert await database.write(quotas.take, [hour(10)], 4) is None
    assert await database.write(quotas.take, [hour(10)], 1) == hour(10)
    assert await database.read(quotas.used, [hour(10)]) == [10]


async def test_more_than_a_limit_at_once_is_never_taken(database: Database) -> None:
    assert await database.write(quotas.take, [hour(10)], 11) == hour(10)
    assert await database.read(quotas.used, [hour(10)]) == [0]


async def test_what_one_limit_has_no_room_for_is_taken_of_none(database: Database) -> None:
    assert await database.write(quotas.take, [hour(10), day(5)], 6) == day(5)
    assert await database.read(quotas.used, [hour(10), day(5)]) == [0, 0]


async def test_a_limit_that_is_lowered_holds_at_once_and_one_that_is_raised_too(database: Database) -> None:
    await database.write(quotas.take, [hour(10)], 8)

    assert await database.write(quotas.take, [hour(5)], 1) == hour(5)
    assert await database.write(quotas.take, [hour(20)], 12) is None


async def test_what_was_given_back_may_be_taken_again(database: Database) -> None:
    await database.write(quotas.take, [hour(10), day(10)], 10)
    await database.write(quotas.give_back, [hour(10), day(10)], 4)

    assert await database.read(quotas.used, [hour(10), day(10)]) == [6, 6]
    assert await database.write(quotas.take, [hour(10), day(10)], 4) is None


async def test_another_subject_and_another_hour_are_counted_apart(database: Database) -> None:
    for demand in (hour(1), hour(1, "smtp_user:2"), hour(1, "domain:1"), hour(1, starts_at=NOW + HOUR_MS)):
        assert await database.write(quotas.take, [demand], 1) is None


async def test_those_who_take_at_once_do_not_get_more_than_there_is(database: Database) -> None:
    results = await asyncio.gather(*(database.write(quotas.take, [hour(25), day(100)], 3) for _ in range(20)))

    assert (results.count(None), results.count(hour(25))) == (8, 12)
    assert await database.read(quotas.used, [hour(25), day(100)]) == [24, 24]


async def test_periods_of_long_ago_are_removed_slice_by_slice(database: Database) -> None:
    for number in range(5):
        await database.write(quotas.take, [hour(1, f"smtp_user:{number}", NOW - 3 * DAY)], 1)
    await database.write(quotas.take, [hour(1)], 1)

    removed = [await database.write(quotas.delete_before, NOW - 2 * DAY, 2) for _ in range(4)]

    assert removed == [2, 2, 1, 0]
    assert await database.read(quotas.used, [hour(1)]) == [1]
