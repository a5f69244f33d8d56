"""Returned mail on each engine: from a report to the end of a delivery that bounced after all."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from postroad.feedback.complaints import Complaints, FeedbackKeys
from postroad.feedback.returns import Returns
from postroad.model.delivery import Delivery, DeliveryState
from postroad.model.event import Event, EventType
from postroad.model.message import Accepted
from postroad.model.options import FORWARD_DELIVERY, DeliveryOptions
from postroad.model.returned import ReturnResult
from postroad.policy.pause import Tally
from postroad.storage import counters, deliveries, domain_pauses, events, statistics, suppressions
from postroad.storage.counters import Dimension, Period
from postroad.storage.database import Database
from postroad.storage.rows import HOUR_MS
from postroad.storage.statistics import Hours
from tests.feedback_reports import feedback_report
from tests.storage.samples import DATA_TABLES, NOW, accepted, count_rows, event_of, new_id

CORPUS = Path(__file__).parents[1] / "conformance" / "bounce_corpus"
ANN = "ann@receiver.example"
HOUR = NOW // HOUR_MS


@pytest.fixture
def service(database: Database) -> Returns:
    complaints = Complaints(database, FeedbackKeys((b"i" * 32,), (b"r" * 32,)), lambda: NOW, new_id)
    return Returns(database, complaints, lambda: NOW, new_id)


def report(name: str) -> bytes:
    return (CORPUS / f"{name}.eml").read_bytes()


async def stored(
    database: Database,
    state: DeliveryState = DeliveryState.DELIVERED,
    options: DeliveryOptions | None = None,
    due_at: int = NOW,
) -> Delivery:
    message: Accepted = accepted(ANN, due_at=due_at)
    [delivery] = message.deliveries
    delivery = msgspec.structs.replace(delivery, state=state, options=options or DeliveryOptions(tags=("sale",)))
    await database.accept(msgspec.structs.replace(message, deliveries=(delivery,)))
    return delivery


async def bounces(database: Database, delivery: Delivery) -> list[Event]:
    told = await database.read(events.of_message, delivery.message_id)
    return [one for one in told if one.type is EventType.BOUNCED]


async def counted(database: Database) -> int:
    found = await database.read(counters.read, Period.HOUR, HOUR, HOUR + 1, 1, tag="sale")
    return sum(one.count for one in found if one.type == "bounced")


async def state_of(database: Database, delivery: Delivery) -> tuple[DeliveryState, str | None]:
    found = await database.read(deliveries.get, delivery.id)
    assert found is not None
    return found.state, found.last_reply


async def ways(database: Database) -> list[str]:
    return [one.way.value for one in await database.read(suppressions.about, 1, ANN)]


async def test_a_failure_after_delivery_is_told_counted_and_suppressed_once(
    database: Database, service: Returns
) -> None:
    delivery = await stored(database)
    content = report("sendmail_report")
    results = [await service.receive(delivery.id, content, "192.0.2.9") for _ in range(2)]

    assert results == [ReturnResult.BOUNCED, ReturnResult.REPEATED]
    [event] = await bounces(database, delivery)
    assert (event.recipient, event.data["is_late"], event.data["client_address"]) == (ANN, True, "192.0.2.9")
    assert (event.data["host"], event.data["bounce_class"]) == ("store.receiver.example", "bad-mailbox")
    state, reply = await state_of(database, delivery)
    assert state is DeliveryState.BOUNCED
    assert reply == "store.receiver.example: 550 5.1.1 <ann@receiver.example>... User unknown"
    assert await counted(database) == 1
    assert await ways(database) == ["returned"]


async def test_what_bounced_later_is_counted_where_it_was_delivered_and_ended_once(
    database: Database, service: Returns
) -> None:
    earlier = NOW - 3 * HOUR_MS
    gone, stays = [await stored(database, due_at=earlier) for _ in range(2)]
    await database.append_events([event_of(one, EventType.DELIVERED, earlier, tags=["sale"]) for one in (gone, stays)])
    await service.receive(gone.id, report("exim"), "")

    tallies = {HOUR: Tally(0, 1), HOUR - 3: Tally(1, 0)}
    by_host = {"receiver.example": {"accepted": 2, "delivered": 2, "returned": 1, "bounced": 1}}
    for _ in range(2):
        assert await database.read(domain_pauses.tallies, [1], HOUR - 9, HOUR + 1) == {1: tallies}
        hours = Hours(HOUR - 9, HOUR + 1)
        assert await database.read(statistics.read_keys, Dimension.DESTINATION, hours, [1], 9) == by_host
        told = await database.read(statistics.read_keys, Dimension.TAG, hours, [1], 9)
        assert told == {"sale": {"delivered": 2, "returned": 1, "bounced": 1}}
        assert await database.read(statistics.read_keys, Dimension.BOUNCE_CLASS, hours, [1], 9) == {
            "bad-mailbox": {"bounced": 1}
        }
        while await database.write(counters.fold, 100):
            pass


async def test_two_at_a_time_are_one(database: Database, service: Returns) -> None:
    delivery = await stored(database)
    results = await asyncio.gather(*(service.receive(delivery.id, report("qmail"), "") for _ in range(6)))

    assert sorted(one.value for one in results) == ["bounced", *["repeated"] * 5]
    assert len(await bounces(database, delivery)) == 1


@pytest.mark.parametrize("name", ["postfix_delayed", "postfix_relayed", "postfix_success", "sendmail_expanded"])
async def test_what_is_no_failure_changes_nothing(database: Database, service: Returns, name: str) -> None:
    delivery = await stored(database)
    before = await database.read(count_rows, DATA_TABLES)

    assert await service.receive(delivery.id, report(name), "") is ReturnResult.NOTED
    assert await database.read(count_rows, DATA_TABLES) == before


@pytest.mark.parametrize("state", [DeliveryState.SCHEDULED, DeliveryState.BOUNCED, DeliveryState.CANCELLED])
async def test_only_what_was_delivered_bounces_late(database: Database, service: Returns, state: DeliveryState) -> None:
    delivery = await stored(database, state)

    assert await service.receive(delivery.id, report("exim"), "") is ReturnResult.NOTED
    assert (await state_of(database, delivery))[0] is state
    assert await ways(database) == []


@pytest.mark.parametrize(
    "name", ["spam_refused", "blocklisted_address", "postfix_expired", "postfix_mailbox_full", "no_such_domain"]
)
async def test_what_can_be_mended_suppresses_nobody(database: Database, service: Returns, name: str) -> None:
    delivery = await stored(database)

    assert await service.receive(delivery.id, report(name), "") is ReturnResult.BOUNCED
    assert await ways(database) == []


async def test_a_report_that_names_our_recipient_as_delivered_is_about_others(
    database: Database, service: Returns
) -> None:
    delivery = await stored(database)

    assert await service.receive(delivery.id, report("two_recipients"), "") is ReturnResult.NOTED


async def test_what_was_passed_on_is_settled_and_puts_nobody_on_a_list(database: Database, service: Returns) -> None:
    delivery = await stored(database, options=FORWARD_DELIVERY)

    assert await service.receive(delivery.id, report("exim"), "") is ReturnResult.BOUNCED
    assert await ways(database) == []


async def test_machines_letters_and_what_is_no_longer_kept(database: Database, service: Returns) -> None:
    delivery = await stored(database)

    assert await service.receive(delivery.id, report("auto_vacation"), "") is ReturnResult.AUTO_REPLY
    assert await service.receive(delivery.id, report("letter"), "") is ReturnResult.UNREADABLE
    assert await service.receive(delivery.id + 32, report("exim"), "") is ReturnResult.UNKNOWN
    assert await service.receive(delivery.id, feedback_report("yahoo"), "") is ReturnResult.COMPLAINT
    assert (await state_of(database, delivery))[0] is DeliveryState.DELIVERED


async def test_a_reason_that_no_database_can_hold_is_kept_all_the_same(database: Database, service: Returns) -> None:
    delivery = await stored(database)
    content = report("qmail").replace(b"no mailbox here", b"no mailbox here \0\xff\xed\xa0\x80")

    assert await service.receive(delivery.id, content, "") is ReturnResult.BOUNCED
