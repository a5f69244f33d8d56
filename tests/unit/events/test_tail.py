import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from postroad.events.tail import follow_message, tail
from postroad.model.delivery import DeliveryState, Lease
from postroad.model.event import Event, EventType
from postroad.model.ids import IdSource
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.events import EventSelector
from tests.storage import samples

START = 1_800_000_000_000


class ManualClock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Database]:
    shutil.copy(migrated_file, tmp_path)
    opened = await open_database("", data_dir=tmp_path, clock=clock, read_connections=1)
    yield opened
    await opened.close()


def _event(ids: IdSource, at: int) -> Event:
    return Event(id=ids.next(at, 7), type=EventType.REJECTED, at=at, account_id=1, domain_id=1, data={"rule": "size"})


async def test_events_come_in_order_and_a_late_commit_is_not_passed_over(
    database: Database, clock: ManualClock
) -> None:
    """An event made earlier and committed later than another still comes first."""
    ids = IdSource(1)
    early, later = _event(ids, START + 10), _event(ids, START + 500)
    await database.append_events([later])
    clock.now = START + 1_000
    following = tail(database, EventSelector(since=START), clock, poll_s=0.001)
    first = anext(following)
    await database.append_events([early])
    clock.now = START + 10_000

    assert [await first, await anext(following)] == [early, later]
    await following.aclose()


async def test_what_happened_before_is_not_shown(database: Database, clock: ManualClock) -> None:
    ids = IdSource(1)
    before, fresh = _event(ids, START - 5_000), _event(ids, START + 1)
    await database.append_events([before, fresh])
    following = tail(database, EventSelector(), clock, poll_s=0.001)
    first = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)  # the tail begins, at START
    clock.now = START + 5_000

    assert await first == fresh
    await following.aclose()


async def test_a_message_is_followed_until_all_its_deliveries_have_ended(database: Database) -> None:
    """Each event comes once, also one that is committed behind later ones."""
    lease = Lease(samples.OWNER, 1, samples.NOW + samples.MINUTE)
    one = samples.accepted("a@example.net", "b@example.net", lease=lease)
    first, second = one.deliveries
    await database.accept(one)
    late = samples.event_of(second, EventType.DEFERRED)
    following = follow_message(database, one.message.id, poll_s=0.001)
    assert [await anext(following), await anext(following)] == list(one.events)

    one_ended, other_ended = samples.settled(first), samples.settled(second, DeliveryState.BOUNCED)
    await database.settle([one_ended], {})
    assert await anext(following) == one_ended.events[0]
    await database.append_events([late])
    assert await anext(following) == late
    await database.settle([other_ended], {})
    assert [event async for event in following] == list(other_ended.events)


async def test_responses_are_waited_for_where_they_are_asked_for(database: Database) -> None:
    lease = Lease(samples.OWNER, 1, samples.NOW + samples.MINUTE)
    one = samples.accepted("a@example.net", lease=lease)
    [delivery] = one.deliveries
    await database.accept(one)
    await database.settle([samples.settled(delivery)], {})
    following = follow_message(database, one.message.id, with_responses=True, poll_s=0.001)
    assert [(await anext(following)).type for _ in range(2)] == [EventType.ACCEPTED, EventType.DELIVERED]

    opened = samples.event_of(delivery, EventType.OPENED)
    await database.append_events([opened])
    assert await anext(following) == opened
    await following.aclose()
