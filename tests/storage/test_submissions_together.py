"""Several submissions in one commit: all of them are stored, or none is."""

import msgspec
import pytest

from postroad.model.delivery import DeliveryState
from postroad.model.envelope import Envelope, Recipient
from postroad.model.event import EventType
from postroad.model.message import Message
from postroad.model.options import NO_OPTIONS, Options
from postroad.model.send_batch import SendBatch
from postroad.model.submission import ClientFacts, Submission
from postroad.storage import deliveries, events, messages, send_batches
from postroad.storage.database import Database
from postroad.storage.deliveries import Selector, Steering
from postroad.storage.events import EventSelector
from postroad.submission.batch import Receipt, Refusals
from tests.storage.samples import NOW, new_id
from tests.storage.test_limited_submissions import CONTENT, HOUR_MS, LIMITED, Door, door, used

__all__ = ["door"]


def offered(*names: str, content: bytes = CONTENT, options: Options = NO_OPTIONS, is_held: bool = False) -> Submission:
    recipients = tuple(Recipient(f"{name}@example.net", "example.net") for name in names)
    return Submission(
        principal=LIMITED,
        envelope=Envelope("a@news.example.com", recipients),
        content=content,
        received_at=NOW,
        client=ClientFacts(address="192.0.2.7"),
        options=options,
        is_held=is_held,
    )


async def stored(database: Database, receipts: tuple[Receipt, ...]) -> list[Message]:
    found = await database.read(messages.get_many, [one.message_id for one in receipts])
    return [found[one.message_id] for one in receipts]


def taken(result: tuple[Receipt, ...] | Refusals) -> tuple[Receipt, ...]:
    assert isinstance(result, tuple), result
    return result


def rules(result: tuple[Receipt, ...] | Refusals) -> dict[int, str]:
    assert isinstance(result, Refusals), result
    return {place: one.rule for place, one in result.by_place.items()}


async def count(database: Database) -> int:
    return sum((await database.read(deliveries.count, Selector())).values())


async def test_each_is_answered_and_knows_the_first(database: Database, door: Door) -> None:
    receipts = taken(await door.submissions.submit_all([offered("a", "b"), offered("a"), offered("c")]))
    first, *others = await stored(database, receipts)
    assert first.options.sent_with is None
    assert [one.options.sent_with for one in others] == [first.id, first.id]
    assert await count(database) == 4
    assert await used(database, door) == [4, 4]


async def test_one_that_is_refused_refuses_all(database: Database, door: Door) -> None:
    foreign = CONTENT.replace(b"a@news.example.com", b"a@foreign.example")
    result = await door.submissions.submit_all(
        [offered("a"), offered("b", content=foreign), offered("c"), offered("d")]
    )
    assert rules(result) == {1: "header_from_not_aligned"}
    assert (await count(database), await used(database, door)) == (0, [0, 0])
    assert door.meter.refused == ["header_from_not_aligned"]


@pytest.mark.parametrize(
    ("header", "known_by"),
    [
        (
            b"Message-ID: <7@foreign.example>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n",
            {"message_id_header": "<7@foreign.example>", "subject": "Grüße"},
        ),
        (b"Message-ID:\r\n <a\0\xff@b>\r\n", {"message_id_header": "<a\ufffd\ufffd@b>"}),
        (b"Subject: " + b"x" * 900 + b"\r\n", {"subject": "x" * 255}),
        (b"", {}),
        (b"Subject: Hello\r\nno field at all\r\n", {}),
    ],
    ids=["both", "no mail", "long", "neither", "unreadable"],
)
async def test_what_is_refused_is_told_with_what_its_sender_knows_it_by(
    header: bytes, known_by: dict[str, str], database: Database, door: Door
) -> None:
    content = b"From: a@foreign.example\r\n" + header + b"\r\nHello\r\n"
    assert isinstance(await door.submissions.submit_all([offered("a", content=content)]), Refusals)
    (told,) = await database.read(events.search, EventSelector(types=(EventType.REJECTED,)), 10)
    assert {name: told.data[name] for name in ("message_id_header", "subject") if name in told.data} == known_by


async def test_all_count_together_against_a_limit(database: Database, door: Door) -> None:
    result = await door.submissions.submit_all([offered("a", "b", "c"), offered("d", "e", "f")])
    assert rules(result) == {0: "recipients_over_limit"}
    assert (await count(database), await used(database, door)) == (0, [0, 0])


async def test_a_key_of_another_content_undoes_what_came_with_it(database: Database, door: Door) -> None:
    keyed = Options(idempotency_key="k")
    taken(await door.submissions.submit_all([offered("a", options=keyed)]))
    other = offered("a", content=CONTENT.replace(b"Hello\r\n", b"Other\r\n"), options=keyed)
    result = await door.submissions.submit_all([offered("b"), other])
    assert rules(result) == {0: "idempotency_key_reused"}
    assert (await count(database), await used(database, door)) == (1, [1, 1])


async def test_what_comes_again_is_answered_as_the_first_time(database: Database, door: Door) -> None:
    calls = [offered("a", options=Options(idempotency_key="k")), offered("b", options=Options(idempotency_key="k/1"))]
    first = taken(await door.submissions.submit_all(calls))
    again = taken(await door.submissions.submit_all(calls))
    assert [one.message_id for one in again] == [one.message_id for one in first]
    assert (await count(database), await used(database, door)) == (2, [2, 2])


async def test_what_is_only_looked_at_is_not_stored(database: Database, door: Door) -> None:
    assert await door.submissions.submit_all([offered("a")], is_kept=False) == ()
    door.domains.domain = msgspec.structs.replace(door.domains.domain, paused_at=1)
    assert rules(await door.submissions.submit_all([offered("a")], is_kept=False)) == {0: "domain_paused"}
    assert (await count(database), await used(database, door)) == (0, [0, 0])


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
async def test_what_is_held_waits(names: tuple[str, ...], database: Database, door: Door) -> None:
    taken(
        await door.submissions.submit_all(
            [offered(one, options=Options(batch_id="b-1"), is_held=True) for one in names]
        )
    )
    assert await database.read(deliveries.count, Selector()) == {DeliveryState.HELD: len(names)}
    [first, *_] = await database.read(deliveries.search, Selector(), 10)
    why = await database.read(deliveries.why, first.id)
    assert why is not None
    assert why.last_event is not None
    assert (why.last_event.type, why.last_event.data["by"]) == (EventType.HELD, "batch b-1")


async def test_a_batch_is_forgotten_after_its_messages(database: Database, door: Door) -> None:
    for name in ("b-1", "b-2"):
        await database.write(send_batches.add, SendBatch(id=name, account_id=1, domain_id=2, created_at=NOW))
    [receipt] = taken(await door.submissions.submit_all([offered("a", options=Options(batch_id="b-1"))]))
    assert await database.write(send_batches.delete_before, NOW + 1, 10) == 1
    assert await database.read(send_batches.get, "b-1") is not None
    assert await database.read(send_batches.get, "b-2") is None
    await database.write(send_batches.delete_messages, [receipt.message_id])
    assert await database.write(send_batches.delete_before, NOW, 10) == 0
    assert await database.write(send_batches.delete_before, NOW + 1, 10) == 1


async def test_what_is_let_go_keeps_its_time(database: Database, door: Door) -> None:
    later = Options(batch_id="b-1", deliver_at=NOW + HOUR_MS)
    taken(await door.submissions.submit_all([offered("a", options=later, is_held=True)]))
    steering = Steering(by="a test", now=NOW + 1, new_id=new_id)
    assert await database.write(deliveries.resume, Selector(batch_id="b-1"), steering, 10) == 1
    [found] = await database.read(deliveries.search, Selector(), 10)
    assert (found.state, found.due_at) == (DeliveryState.SCHEDULED, NOW + HOUR_MS)


async def test_a_batch_is_found_by_its_name(database: Database, door: Door) -> None:
    named = Options(batch_id="b-1")
    taken(await door.submissions.submit_all([offered("a", options=named), offered("b"), offered("c", options=named)]))
    found = await database.read(deliveries.search, Selector(batch_id="b-1"), 10)
    assert [one.recipient for one in found] == ["a@example.net", "c@example.net"]
    assert await database.read(deliveries.count, Selector(batch_id="b-2")) == {}
