"""Steering the queue by hand, and asking it why."""

import pytest

from postroad.model.delivery import DeliveryState
from postroad.model.event import EventType
from postroad.storage import bodies, deliveries, events, messages
from postroad.storage.database import Database
from postroad.storage.deliveries import Selector, Steering
from postroad.storage.messages import MessageSelector
from tests.storage.samples import DAY, MINUTE, NOW, accepted, claim, column, new_id, settled

BY_HAND = Steering(by="operator", now=NOW, new_id=new_id)


async def test_deliveries_are_selected_by_any_of_their_facts(database: Database) -> None:
    first = accepted("a@example.net", "b@example.org")
    second = accepted("a@example.net", domain_id=2, pool="bulk")
    for one in (first, second):
        await database.accept(one)
    a, b = first.deliveries
    (c,) = second.deliveries

    for selector, expected in [
        (Selector(), [a, b, c]),
        (Selector(delivery_id=b.id), [b]),
        (Selector(message_id=first.message.id), [a, b]),
        (Selector(domain_id=2), [c]),
        (Selector(destination="example.net"), [a, c]),
        (Selector(recipient="a@example.net", domain_id=1), [a]),
        (Selector(pool="bulk"), [c]),
        (Selector(account_id=9), []),
        (Selector(states=(DeliveryState.HELD,)), []),
        (Selector(accepted_before=NOW), []),
        (Selector(accepted_before=NOW + 1), [a, b, c]),
    ]:
        assert await database.read(deliveries.search, selector, 10) == expected
    assert await database.read(deliveries.search, Selector(), 10, a.id) == [b, c]
    assert await database.read(deliveries.count, Selector()) == {DeliveryState.SCHEDULED: 3}


async def test_what_is_held_waits_until_it_is_released(database: Database) -> None:
    offered = accepted("a@example.net", "b@example.org")
    await database.accept(offered)

    assert await database.write(deliveries.hold, Selector(destination="example.net"), BY_HAND, 10) == 1
    (other,) = await database.claim(claim())
    assert other.destination == "example.org"
    assert await database.write(deliveries.hold, Selector(), BY_HAND, 10) == 0

    assert await database.write(deliveries.release, Selector(), BY_HAND, 10) == 1
    (released,) = await database.claim(claim())
    assert released.destination == "example.net"
    story = await database.read(events.of_message, offered.message.id)
    by_hand = [(event.type, event.delivery_id, event.data) for event in story[2:]]
    assert by_hand == [
        (EventType.HELD, released.id, {"by": "operator"}),
        (EventType.RELEASED, released.id, {"by": "operator"}),
    ]


async def test_a_slice_is_as_large_as_asked(database: Database) -> None:
    await database.accept(accepted(*(f"u{number}@example.net" for number in range(7))))

    taken = [await database.write(deliveries.hold, Selector(), BY_HAND, 3) for _ in range(4)]

    assert taken == [3, 3, 1, 0]


async def test_a_waiting_delivery_can_be_tried_at_once(database: Database) -> None:
    await database.accept(accepted(due_at=NOW + MINUTE))

    assert await database.write(deliveries.retry_now, Selector(), BY_HAND, 10) == 1
    assert await database.write(deliveries.retry_now, Selector(), BY_HAND, 10) == 0

    assert len(await database.claim(claim())) == 1


async def test_cancelling_ends_what_no_worker_holds(database: Database) -> None:
    offered = accepted("a@example.net", "b@example.org", "c@example.com", keep_content_ms=5)
    await database.accept(offered)
    await database.write(deliveries.hold, Selector(destination="example.com"), BY_HAND, 10)
    (leased, _) = await database.claim(claim(limit=2))
    await database.release(leased.lease.owner if leased.lease else 0, [_.id], None)

    assert await database.write(deliveries.cancel, Selector(), BY_HAND, 10) == 2
    assert await database.read(column, "SELECT open_deliveries FROM messages") == [1]
    await database.settle([settled(leased)], {})

    assert await database.read(column, "SELECT open_deliveries FROM messages") == [0]
    assert await database.read(column, "SELECT content_until FROM messages") == [NOW + 5]
    counted = await database.read(deliveries.count, Selector(message_id=offered.message.id))
    assert counted == {DeliveryState.DELIVERED: 1, DeliveryState.CANCELLED: 2}


async def test_cancelling_the_last_delivery_ends_the_message(database: Database) -> None:
    await database.accept(accepted())
    await database.write(deliveries.cancel, Selector(), BY_HAND, 10)

    assert await database.read(column, "SELECT finished_at FROM messages") == [NOW]


async def test_a_delivery_says_why_it_waits(database: Database) -> None:
    for _ in range(3):
        await database.accept(accepted(due_at=NOW - MINUTE))
    last = accepted(due_at=NOW)
    await database.accept(last)

    why = await database.read(deliveries.why, last.deliveries[0].id)

    assert why is not None
    assert (why.delivery, why.ahead_in_lane, why.last_event) == (last.deliveries[0], 3, last.events[0])
    assert await database.read(deliveries.why, last.deliveries[0].id + 1) is None


async def test_the_queue_tells_its_size_and_age(database: Database) -> None:
    await database.accept(accepted())
    await database.accept(accepted())
    await database.claim(claim(limit=1))

    figures = await database.read(deliveries.queue_figures, NOW + 5_000)

    assert [(state, number) for state, number, _ in figures] == [("scheduled", 1), ("leased", 1), ("held", 0)]
    assert [age == pytest.approx(5.0, abs=0.5) for _, _, age in figures] == [True, True, False]


async def test_a_story_has_everything_in_time_order(database: Database) -> None:
    offered = accepted("a@example.net", "b@example.net")
    await database.accept(offered)
    for delivery in await database.claim(claim()):
        await database.settle([settled(delivery)], {})

    story = await database.read(messages.show, offered.message.id)

    assert story is not None
    assert story.message == offered.message
    assert [d.state for d in story.deliveries] == [DeliveryState.DELIVERED] * 2
    assert [e.type for e in story.events] == [EventType.ACCEPTED] * 2 + [EventType.DELIVERED] * 2
    assert await database.read(messages.show, offered.message.id + 1) is None


async def test_messages_are_found_and_paged_newest_first(database: Database) -> None:
    offered = [accepted(f"u{number}@example.net", subject=f"Offer 100% {number}") for number in range(5)]
    for one in offered:
        await database.accept(one)
    await database.accept(accepted("x@example.org", domain_id=2))
    ids = [one.message.id for one in offered]

    async def found(limit: int = 10, before: int | None = None, **wanted: object) -> list[int]:
        selector = MessageSelector(**wanted)  # type: ignore[arg-type]
        return [message.id for message in await database.read(messages.search, selector, limit, before)]

    assert await found(domain_id=1, limit=2) == ids[:2:-1]
    assert await found(domain_id=1, limit=2, before=ids[3]) == ids[2:0:-1]
    assert await found(recipient="u3@example.net") == [ids[3]]
    assert await found(destination="example.net") == ids[::-1]
    assert await found(subject_contains="100% 4") == [ids[4]]
    assert await found(subject_contains="1_0%") == []
    assert await found(until=NOW) == []
    assert len(await found(since=NOW, reverse_path="app@news.example.com")) == 6
    assert await found(since=NOW + DAY) == []


async def test_content_of_any_size_is_read_back_whole(database: Database) -> None:
    small, large = accepted(), accepted(content=b"x" * 600_000)
    for one in (small, large):
        await database.accept(one)

    found = await database.read(bodies.read_many, [small.message.id, large.message.id, large.message.id + 1])

    assert found == {one.message.id: one.content for one in (small, large)}
