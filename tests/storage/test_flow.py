"""Accepting, claiming and settling: what is promised to senders, on both engines."""

import asyncio
from typing import Any

import msgspec
import pytest
import sqlalchemy

from postroad.model.delivery import Delivery, DeliveryState, Lease
from postroad.model.event import EventType
from postroad.model.message import Accepted
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.errors import Conflict, StorageError, StorageUnavailable
from tests.storage.samples import (
    DATA_TABLES,
    MINUTE,
    NOW,
    OWNER,
    Place,
    accepted,
    claim,
    column,
    count_rows,
    event_of,
    rejected,
    settled,
)


async def test_what_is_accepted_is_claimed_as_it_was(database: Database) -> None:
    offered = accepted("Anne@example.net", "bob@example.org")
    await database.accept(offered)

    claimed = await database.claim(claim())

    expected = [
        {**_facts(delivery), "state": DeliveryState.LEASED, "lease": Lease(OWNER, 1, NOW + 5 * MINUTE)}
        for delivery in offered.deliveries
    ]
    assert expected == sorted(map(_facts, claimed), key=lambda facts: facts["id"])


async def test_a_message_over_one_chunk_keeps_every_octet(database: Database) -> None:
    content = bytes(range(256)) * 4 * 700
    offered = accepted(content=content)
    await database.accept(offered)

    first = await database.read(column, "SELECT content FROM bodies")
    rest = await database.read(column, "SELECT content FROM body_chunks ORDER BY sequence")

    assert content == b"".join([*first, *rest])
    assert max(map(len, [*first, *rest])) == 256 * 1024


async def test_accepting_at_the_same_time_stores_every_message(database: Database) -> None:
    offered = [accepted(f"user{number}@example.net") for number in range(300)]
    await asyncio.gather(*(database.accept(one) for one in offered))

    stored = await database.read(column, "SELECT id FROM messages ORDER BY id")

    assert sorted(one.message.id for one in offered) == stored


async def test_one_bad_caller_fails_alone_and_leaves_nothing_half_stored(database: Database) -> None:
    """A message whose second delivery repeats an id that exists cannot be stored; its neighbours can."""
    good = [accepted() for _ in range(5)]
    known = accepted()
    await database.accept(known)
    clash = accepted("a@example.net", "b@example.net")
    bad = _with_last_delivery_id(clash, known.deliveries[0].id)

    results = await asyncio.gather(
        *(database.accept(one) for one in [*good[:3], bad, *good[3:]]), return_exceptions=True
    )

    assert [isinstance(one, Conflict) for one in results] == [False, False, False, True, False, False]
    stored = await database.read(column, "SELECT id FROM messages ORDER BY id")
    assert sorted(one.message.id for one in [*good, known]) == stored
    counts = await database.read(count_rows, ["bodies", "deliveries", "events"])
    assert counts == {"bodies": 6, "deliveries": 6, "events": 6}


async def test_a_delivery_accepted_under_a_lease_is_not_claimed(database: Database) -> None:
    await database.accept(accepted(lease=Lease(OWNER, 1, NOW + MINUTE)))

    assert await database.claim(claim(owner=12)) == []


async def test_a_delivery_is_claimed_by_one_only(database: Database) -> None:
    await asyncio.gather(*(database.accept(accepted()) for _ in range(40)))

    batches = await asyncio.gather(*(database.claim(claim(owner=owner, limit=15)) for owner in range(1, 9)))

    ids = [delivery.id for batch in batches for delivery in batch]
    assert len(set(ids)) == len(ids)
    rest = await database.claim(claim(limit=100))
    assert len(ids) + len(rest) == 40


async def test_what_is_not_due_or_of_another_pool_stays(database: Database) -> None:
    await database.accept(accepted(due_at=NOW + 1))
    await database.accept(accepted(pool="other"))

    assert await database.claim(claim()) == []


async def test_a_final_settlement_ends_the_delivery_and_the_message(database: Database) -> None:
    await database.accept(accepted("a@example.net", "b@example.net", keep_content_ms=500))
    first, second = await database.claim(claim())

    assert {first.id} == await database.settle([settled(first)], {})
    assert await database.read(column, "SELECT open_deliveries FROM messages") == [1]
    assert await database.read(column, "SELECT finished_at FROM messages") == [None]

    assert {second.id} == await database.settle([settled(second, DeliveryState.BOUNCED)], {})
    assert await database.read(column, "SELECT open_deliveries FROM messages") == [0]
    assert await database.read(column, "SELECT finished_at FROM messages") == [NOW]
    assert await database.read(column, "SELECT content_until FROM messages") == [NOW + 500]
    states = await database.read(column, "SELECT state FROM deliveries ORDER BY state")
    assert states == ["bounced", "delivered"]


async def test_a_deferred_delivery_comes_back_when_it_is_due(database: Database) -> None:
    await database.accept(accepted())
    (delivery,) = await database.claim(claim())
    deferral = settled(
        delivery, DeliveryState.SCHEDULED, due_at=NOW + MINUTE, last_reply="451 later", maybe_delivered=True
    )
    await database.settle([deferral], {})

    assert await database.claim(claim()) == []
    (again,) = await database.claim(claim(now=NOW + MINUTE, owner=12))

    assert (again.attempts, again.last_reply, again.maybe_delivered) == (1, "451 later", True)
    assert Lease(12, 2, NOW + 5 * MINUTE) == again.lease


@pytest.mark.parametrize("stale", [{"owner": 99}, {"epoch": 7}])
async def test_a_settlement_without_the_lease_changes_nothing(database: Database, stale: dict[str, Any]) -> None:
    await database.accept(accepted())
    (delivery,) = await database.claim(claim())
    before = await database.read(count_rows, DATA_TABLES)

    taken = await database.settle([settled(delivery, **stale)], {delivery.id: accepted("sender@news.example.com")})

    assert frozenset() == taken
    assert before == await database.read(count_rows, DATA_TABLES)
    assert await database.read(column, "SELECT state FROM deliveries") == ["leased"]


async def test_a_delivery_is_settled_once_however_often_it_is_offered(database: Database) -> None:
    await database.accept(accepted())
    (delivery,) = await database.claim(claim())

    results = await asyncio.gather(*(database.settle([settled(delivery)], {}) for _ in range(5)))

    assert sum(len(result) for result in results) == 1
    kinds = await database.read(column, "SELECT type FROM events ORDER BY id")
    assert kinds == ["accepted", "delivered"]


async def test_a_report_is_accepted_with_its_settlement(database: Database) -> None:
    await database.accept(accepted())
    (delivery,) = await database.claim(claim())
    report = accepted("app@news.example.com", is_report=True)

    await database.settle([settled(delivery, DeliveryState.BOUNCED)], {delivery.id: report})

    (claimed,) = await database.claim(claim())
    assert report.message.id == claimed.message_id


async def test_settlements_of_one_message_in_one_batch_all_count(database: Database) -> None:
    await database.accept(accepted(*(f"u{number}@example.net" for number in range(100))))
    claimed = await database.claim(claim(limit=200, per_lane=100))

    taken = await asyncio.gather(*(database.settle([settled(delivery)], {}) for delivery in claimed))

    assert sum(map(len, taken)) == 100
    assert await database.read(column, "SELECT open_deliveries FROM messages") == [0]


async def test_an_expired_lease_is_claimed_anew_and_the_old_owner_is_shut_out(database: Database) -> None:
    await database.accept(accepted())
    (first,) = await database.claim(claim(owner=1, lease_until=NOW + 10))

    assert await database.claim(claim(owner=2, now=NOW + 9)) == []
    (second,) = await database.claim(claim(owner=2, now=NOW + 10))

    assert second.lease is not None
    assert (second.lease.owner, second.lease.epoch) == (2, 2)
    assert second.maybe_delivered
    assert frozenset() == await database.settle([settled(first)], {})
    assert {second.id} == await database.settle([settled(second)], {})


async def test_a_renewed_lease_lasts_and_a_lost_one_is_not_renewed(database: Database) -> None:
    await database.accept(accepted("a@example.net", "b@example.net"))
    mine, lost = await database.claim(claim(owner=1, lease_until=NOW + 10))
    await database.release(1, [lost.id], None)

    assert {mine.id} == await database.renew(1, [mine.id, lost.id], NOW + 100)

    reclaimed = await database.claim(claim(owner=2, now=NOW + 50))
    assert [lost.id] == [delivery.id for delivery in reclaimed]


async def test_a_released_delivery_is_due_when_its_owner_says(database: Database) -> None:
    await database.accept(accepted())
    (delivery,) = await database.claim(claim())
    await database.release(OWNER + 1, [delivery.id], NOW)
    assert await database.claim(claim()) == []

    await database.release(OWNER, [delivery.id], NOW + MINUTE)

    assert await database.claim(claim()) == []
    (again,) = await database.claim(claim(now=NOW + MINUTE))
    assert (again.attempts, again.maybe_delivered) == (0, False)


async def test_a_dead_owner_loses_all_it_held_at_once(database: Database) -> None:
    await asyncio.gather(*(database.accept(accepted()) for _ in range(3)))
    await database.claim(claim(owner=1, limit=2))
    await database.claim(claim(owner=2))

    assert await database.release_owner(1) == 2

    reclaimed = await database.claim(claim(owner=3))
    assert [delivery.maybe_delivered for delivery in reclaimed] == [True, True]


async def test_texts_of_strangers_are_stored_whatever_they_hold(database: Database) -> None:
    await database.accept(accepted(subject="nul \0 half \udc80 grün", message_id_header="<\0@x>"))
    (delivery,) = await database.claim(claim())
    event = event_of(delivery, EventType.DELIVERED, text="nul \0 half \udc80")
    await database.settle([settled(delivery, last_reply="250 \0 \udc80 ok", events=(event,))], {})

    assert await database.read(column, "SELECT subject FROM messages") == ["nul \N{REPLACEMENT CHARACTER} half ? grün"]
    last_reply = await database.read(column, "SELECT last_reply FROM deliveries")
    assert last_reply == ["250 \N{REPLACEMENT CHARACTER} ? ok"]


async def test_every_transaction_is_measured(place: Place) -> None:
    class Heard:
        batches: list[tuple[str, int]] = []  # noqa: RUF012 - of this test only

        def batch_written(self, batch: str, rows: int, duration_ms: float) -> None:
            assert duration_ms > 0
            self.batches.append((batch, rows))

    database = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW, meter=Heard())
    await asyncio.gather(*(database.accept(accepted()) for _ in range(10)))
    await database.settle([settled(one) for one in await database.claim(claim())], {})
    await database.append_events([rejected()])
    await database.close()

    assert sum(rows for batch, rows in Heard.batches if batch == "accept") == 10
    assert {"accept", "settle", "events"} <= {batch for batch, _ in Heard.batches}


async def test_events_that_stand_alone_are_counted(database: Database) -> None:
    await asyncio.gather(*(database.append_events([rejected()]) for _ in range(4)))

    assert await database.read(column, "SELECT type FROM events") == ["rejected"] * 4
    assert [int(n) for n in await database.read(column, "SELECT sum(count) FROM counter_deltas")] == [4]


async def test_reading_cannot_write(database: Database) -> None:
    with pytest.raises(StorageError, match=r"read-?only"):
        await database.read(_bump)


async def test_a_failed_write_leaves_nothing(database: Database) -> None:
    def write_and_fail(connection: sqlalchemy.Connection) -> None:
        _bump(connection)
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        await database.write(write_and_fail)

    assert await database.read(column, "SELECT revision FROM revision") == [0]


async def test_a_closed_database_refuses_and_keeps_what_was_handed_in(place: Place) -> None:
    database = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)
    waiting = [asyncio.ensure_future(database.accept(accepted())) for _ in range(20)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*waiting)

    with pytest.raises(StorageUnavailable):
        await database.accept(accepted())
    reopened = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)
    assert len(await reopened.read(column, "SELECT id FROM messages")) == 20
    await reopened.close()


async def test_a_listener_hears_of_due_deliveries(database: Database) -> None:
    heard: asyncio.Queue[frozenset[str]] = asyncio.Queue()
    listening = asyncio.create_task(database.listen(heard.put_nowait))
    if database.is_postgres:
        # The first call says that it listens now.
        assert frozenset() == await asyncio.wait_for(heard.get(), 10)
    else:
        await asyncio.sleep(0)

    await database.accept(accepted(pool="bulk"))

    assert await asyncio.wait_for(heard.get(), 10) == {"bulk"}
    (delivery,) = await database.claim(claim(pools=("bulk",)))
    await database.settle([settled(delivery)], {delivery.id: accepted(pool="reports")})
    assert await asyncio.wait_for(heard.get(), 10) == {"reports"}
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening


def _facts(delivery: Delivery) -> dict[str, Any]:
    return msgspec.structs.asdict(delivery)


def _with_last_delivery_id(offered: Accepted, identifier: int) -> Accepted:
    *others, last = offered.deliveries
    return msgspec.structs.replace(offered, deliveries=(*others, msgspec.structs.replace(last, id=identifier)))


def _bump(connection: sqlalchemy.Connection) -> None:
    connection.execute(sqlalchemy.text("UPDATE revision SET revision = revision + 1"))
