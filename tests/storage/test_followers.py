"""Whoever follows events misses none, however late it was written or however long that took, on both engines."""

import asyncio
import time

import asyncpg
import msgspec
import pytest

from postroad.events.live import Live
from postroad.events.tail import WATERMARK_MS, tail, watermark
from postroad.model.delivery import DeliveryState, Lease
from postroad.model.event import EventType
from postroad.model.ids import IdSource, lowest_at, made_at
from postroad.storage import events
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.events import EventSelector
from postroad.storage.outbox import Outbox
from tests.storage.samples import MINUTE, NOW, OWNER, Place, accepted, column, rejected, settled

WAITED_MS = 8_000
ALL = EventSelector()


class _Worker:
    """Gives a database the ids of a worker, whose clock goes on while storage is away."""

    def __init__(self, database: Database) -> None:
        self.now = NOW
        self._ids = IdSource(4)
        database.outbox = Outbox(lambda partition: self._ids.next(self.now, partition))

    def clock(self) -> int:
        return self.now


async def test_a_settlement_that_waited_for_storage_is_told_to_who_had_passed_its_time(database: Database) -> None:
    worker = _Worker(database)
    one = accepted("a@example.net", lease=Lease(OWNER, 1, NOW + MINUTE))
    report = accepted("sender@example.com")
    await database.accept(one)
    waiting = settled(one.deliveries[0], DeliveryState.BOUNCED)
    worker.now += WAITED_MS
    following = tail(database, ALL, worker.clock, poll_s=0.001)
    first = asyncio.ensure_future(anext(following))
    live = Live(database, ALL, worker.clock, await watermark(database, worker.clock) - 1)
    await asyncio.sleep(0.05)  # the tail has begun, and has passed the time of the settlement

    await database.settle([waiting], {waiting.delivery_id: report})
    # Another try of what was written, as its answer was lost, writes nothing.
    assert await database.settle([waiting], {waiting.delivery_id: report}) == frozenset()
    worker.now += WATERMARK_MS + 100

    told = [await first, await anext(following)]
    assert {(one.type, one.at) for one in told} == {(EventType.ACCEPTED, NOW), (EventType.BOUNCED, NOW)}
    assert {made_at(one.id) for one in told} == {NOW + WAITED_MS}
    assert list((await live.look()).found) == told
    await following.aclose()


async def test_events_that_are_written_at_once_keep_their_ids_and_late_ones_their_order(database: Database) -> None:
    worker = _Worker(database)
    soon = [rejected(), rejected()]
    worker.now += 900
    await database.append_events(soon)
    assert await database.read(events.search, ALL, 10) == soon

    late = [rejected(), msgspec.structs.replace(rejected(), id=IdSource(5).next(NOW + 5_000, 7))]
    worker.now = NOW + 5_000
    await database.append_events(late[::-1])
    told = (await database.read(events.search, ALL, 10))[2:]
    assert [msgspec.structs.replace(one, id=0) for one in told] == [msgspec.structs.replace(one, id=0) for one in late]
    assert all(made_at(one.id) == worker.now for one in told)


async def test_calls_name_the_events_that_were_written(database: Database) -> None:
    worker = _Worker(database)
    assert database.outbox is not None
    database.outbox.subscriptions = {1: {EventType.REJECTED: [9]}}
    worker.now += WAITED_MS
    await database.append_events([rejected()])

    written = await database.read(column, "SELECT id FROM events")
    assert await database.read(column, "SELECT event_id FROM webhook_calls") == written
    assert made_at(written[0]) == worker.now


async def test_with_nothing_under_way_followers_are_two_seconds_late(database: Database) -> None:
    assert await watermark(database, lambda: NOW) == lowest_at(NOW - WATERMARK_MS)


@pytest.mark.parametrize("way", ["commits late", "waits for a lock"])
async def test_what_takes_long_to_write_is_waited_for(postgres_place: Place, way: str) -> None:
    """The database of SQLite has no such question: its commits are one after another, of one machine."""
    database = await open_database(postgres_place.url, data_dir=postgres_place.data_dir, clock=lambda: NOW)
    other, third = await asyncpg.connect(postgres_place.url), await asyncpg.connect(postgres_place.url)
    try:
        _Worker(database)
        holding = other.transaction()
        await holding.start()
        await other.execute("SELECT pg_advisory_xact_lock(1)")
        waiting = None
        if way == "commits late":
            await other.execute("SELECT pg_current_xact_id()")
        else:
            waiting = asyncio.ensure_future(third.execute("SELECT pg_advisory_xact_lock(1)"))
        began = time.monotonic()
        await asyncio.sleep(0.3)
        waited_ms = int((time.monotonic() - began) * 1000)
        assert made_at(await watermark(database, lambda: NOW)) <= NOW - WATERMARK_MS - waited_ms + 50
        await holding.rollback()
        if waiting is not None:
            await waiting
        assert await watermark(database, lambda: NOW) == lowest_at(NOW - WATERMARK_MS)
    finally:
        await other.close()
        await third.close()
        await database.close()
