"""Counters, retention and searching of events."""

import asyncio
from typing import Any

import msgspec
import sqlalchemy

from postroad.model.event import EventType
from postroad.storage import bodies, counters, events, messages, statistics
from postroad.storage.counters import FURTHER, MOST_TAGS, Count, Dimension, Period
from postroad.storage.database import Database
from postroad.storage.events import EventSelector
from postroad.storage.rows import HOUR_MS
from postroad.storage.statistics import Hours
from tests.storage.samples import (
    DATA_TABLES,
    DAY,
    NOW,
    accepted,
    claim,
    column,
    count_rows,
    event_of,
    rejected,
    settled,
)

HOUR = NOW // HOUR_MS


async def _count(database: Database, period: Period = Period.HOUR, domain_id: int | None = None) -> dict[str, int]:
    since, until = (HOUR, HOUR + 48) if period is Period.HOUR else (HOUR // 24, HOUR // 24 + 2)
    found = await database.read(counters.read, period, since, until, domain_id)
    return {count.type: count.count for count in found}


async def test_counts_are_right_before_while_and_after_folding(database: Database) -> None:
    for _ in range(30):
        await database.append_events([rejected()])
    steps = [await _count(database)]
    while await database.write(counters.fold, 7):
        steps.append(await _count(database))

    assert len(steps) == 6
    assert steps == [{"rejected": 30}] * 6
    assert await _count(database, Period.DAY) == {"rejected": 30}
    assert await database.read(column, "SELECT id FROM counter_deltas") == []


async def test_folding_at_the_same_time_as_writing_counts_once(database: Database) -> None:
    async def write() -> None:
        for _ in range(40):
            await database.append_events([rejected(), rejected(domain_id=2)])

    async def fold() -> None:
        for _ in range(30):
            await database.write(counters.fold, 5)

    await asyncio.gather(write(), fold(), write(), fold())

    assert await _count(database, domain_id=1) == {"rejected": 80}
    assert await _count(database, domain_id=2) == {"rejected": 80}
    while await database.write(counters.fold, 50):
        pass
    assert await _count(database, domain_id=2) == {"rejected": 80}


async def test_a_failed_fold_changes_no_count(database: Database) -> None:
    await database.append_events([rejected()])

    def fold_and_fail(connection: sqlalchemy.Connection) -> None:
        counters.fold(connection, 10)
        raise LookupError

    result = await asyncio.gather(database.write(fold_and_fail), return_exceptions=True)

    assert isinstance(result[0], LookupError)
    assert await _count(database) == {"rejected": 1}
    assert await database.read(column, "SELECT count FROM counter_deltas") == [1]


async def test_hours_and_days_are_kept_apart(database: Database) -> None:
    for at in (NOW, NOW + HOUR_MS, NOW + DAY):
        await database.append_events([rejected(at=at)])
    await database.write(counters.fold, 2)

    hourly = await database.read(counters.read, Period.HOUR, HOUR, HOUR + 25)
    daily = await database.read(counters.read, Period.DAY, HOUR // 24, HOUR // 24 + 2)

    assert [(count.period, count.count) for count in hourly] == [(HOUR, 1), (HOUR + 1, 1), (HOUR + 24, 1)]
    assert sum(count.count for count in daily) == 3
    assert hourly[0] == Count(domain_id=1, period=HOUR, dimension="all", key="", type="rejected", count=1)


async def _tagged(database: Database, *tags: str, domain_id: int = 1, times: int = 1) -> None:
    for _ in range(times):
        one = rejected(domain_id=domain_id)
        await database.append_events([msgspec.structs.replace(one, data=one.data | {"tags": tags})])


async def test_tags_are_counted_without_case_beside_all_the_rest(database: Database) -> None:
    await _tagged(database, "Orders", "spring")
    await _tagged(database, "ORDERS", domain_id=2)
    await database.append_events([rejected()])
    seen = []
    for _ in range(2):
        found = await database.read(counters.read, Period.HOUR, HOUR, HOUR + 1, tag="oRDERS")
        seen.append([(one.domain_id, one.key, one.type, one.count) for one in found])
        assert await database.read(counters.read, Period.HOUR, HOUR, HOUR + 1, tag="order") == []
        assert await _count(database, domain_id=1) == {"rejected": 2}
        await database.write(counters.fold, 100)

    assert seen == [[(1, "orders", "rejected", 1), (2, "orders", "rejected", 1)]] * 2


async def test_the_tags_of_most_events_come_first_within_domains_and_hours(database: Database) -> None:
    await _tagged(database, "often", times=3)
    await _tagged(database, "Rare")
    await database.write(counters.fold, 3)
    await _tagged(database, "RARE", "often")
    await _tagged(database, "theirs", domain_id=2, times=9)
    await database.append_events([rejected()])

    async def tags(since: int = HOUR, domain_ids: list[int] | None = None, limit: int = 9) -> list[tuple[str, Any]]:
        hours = Hours(since, HOUR + 2)
        return list((await database.read(statistics.read_keys, Dimension.TAG, hours, domain_ids, limit)).items())

    theirs, often, rare = [(tag, {"rejected": n}) for tag, n in (("theirs", 9), ("often", 4), ("rare", 2))]
    assert await tags() == [theirs, often, rare]
    assert await tags(limit=2) == [theirs, often]
    assert await tags(domain_ids=[1]) == [often, rare]
    assert await tags(domain_ids=[]) == []
    assert await tags(since=HOUR + 1) == []


async def test_content_goes_when_its_time_has_come_and_not_before(database: Database) -> None:
    kept, gone, waiting = accepted(keep_content_ms=DAY), accepted(content=b"x" * 300_000), accepted(due_at=NOW + 1)
    for one in (kept, gone, waiting):
        await database.accept(one)
    for delivery in await database.claim(claim()):
        await database.settle([settled(delivery)], {})

    assert await database.write(bodies.delete_due, NOW, 10) == 1
    assert await database.write(bodies.delete_due, NOW, 10) == 0
    left = await database.read(bodies.read_many, [one.message.id for one in (kept, gone, waiting)])
    assert left == {one.message.id: one.content for one in (kept, waiting)}
    assert await database.write(bodies.delete_due, NOW + DAY, 10) == 1


async def test_finished_messages_go_in_slices_and_open_ones_stay(database: Database) -> None:
    finished = [accepted("a@example.net", "b@example.net") for _ in range(5)]
    still_open = accepted(due_at=NOW + 30 * DAY)
    for one in [*finished, still_open]:
        await database.accept(one)
    await database.settle([settled(delivery) for delivery in await database.claim(claim())], {})

    assert await database.write(messages.delete_finished_before, NOW, 3) == 0
    later = NOW + DAY
    assert [await database.write(messages.delete_finished_before, later, 3) for _ in range(3)] == [3, 2, 0]

    counts = await database.read(count_rows, DATA_TABLES)
    assert (counts["messages"], counts["deliveries"], counts["bodies"]) == (1, 1, 1)


async def test_old_events_go_in_slices(database: Database) -> None:
    await database.append_events([rejected() for _ in range(5)])

    assert await database.write(events.delete_before, NOW, 10) == 0
    assert [await database.write(events.delete_before, NOW + DAY, 3) for _ in range(3)] == [3, 2, 0]


async def test_events_are_searched_page_by_page(database: Database) -> None:
    offered = accepted("a@example.net", "b@example.net")
    await database.accept(offered)
    await database.append_events([rejected(domain_id=2), rejected()])

    async def found(limit: int = 10, after: int = 0, **wanted: object) -> list[tuple[EventType, int]]:
        selector = EventSelector(**wanted)  # type: ignore[arg-type]
        return [(event.type, event.domain_id) for event in await database.read(events.search, selector, limit, after)]

    first_page = await database.read(events.search, EventSelector(), 2)
    assert first_page == list(offered.events)
    assert await found(after=first_page[-1].id) == [(EventType.REJECTED, 2), (EventType.REJECTED, 1)]
    assert await found(types=(EventType.REJECTED,), domain_id=1) == [(EventType.REJECTED, 1)]
    assert await found(message_id=offered.message.id, account_id=1) == [(EventType.ACCEPTED, 1)] * 2
    assert await found(until=NOW) == []
    assert len(await found(since=NOW, until=NOW + 1000)) == 4


async def test_an_hour_has_room_for_so_many_tags_and_counts_the_others_together(database: Database) -> None:
    one = accepted().deliveries[0]
    for kind in (EventType.ACCEPTED, EventType.DELIVERED):
        for number in range(MOST_TAGS + 30):
            await database.append_events([event_of(one, kind, tags=["Orders", f"order {number}"])])
        while await database.write(counters.fold, 50):
            pass
    other = accepted(domain_id=2).deliveries[0]
    await database.append_events([event_of(other, EventType.ACCEPTED, tags=["order 229"])])
    await database.append_events([event_of(one, EventType.ACCEPTED, at=NOW + HOUR_MS, tags=["order 229"])])
    while await database.write(counters.fold, 50):
        pass

    tags = await database.read(statistics.read_keys, Dimension.TAG, Hours(HOUR, HOUR + 1), [1], 1_000)
    assert len(tags) == MOST_TAGS + 1
    assert tags["orders"] == {"accepted": 230, "delivered": 230}
    assert tags["order 198"] == {"accepted": 1, "delivered": 1}
    assert "order 199" not in tags
    assert tags[FURTHER] == {"accepted": 31, "delivered": 31}
    kept = await database.read(column, "SELECT count(DISTINCT key) FROM counters_daily WHERE dimension = 'tag'")
    # One more: the next hour had room for it.
    assert kept == [MOST_TAGS + 2]
    for domain_ids, hour in (([2], HOUR), ([1], HOUR + 1)):
        tags = await database.read(statistics.read_keys, Dimension.TAG, Hours(hour, hour + 1), domain_ids, 9)
        assert tags == {"order 229": {"accepted": 1}}
