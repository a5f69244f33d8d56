"""Complaints on each engine: from a provider's report to one event, its counters, and what is told of the others."""

import asyncio

import msgspec
import pytest

from postroad.feedback.complaints import Complaints, FeedbackKeys, Receipt
from postroad.model.complaint import FeedbackResult
from postroad.model.event import Event, EventType
from postroad.model.ids import text_of
from postroad.model.message import Accepted
from postroad.model.options import DeliveryOptions, Options
from postroad.policy.header_rules import IDENTIFIER_PURPOSE
from postroad.policy.identifier import sign_identifier
from postroad.rendering.return_path import make_return_path
from postroad.storage import complaints, counters, events, messages, suppressions
from postroad.storage.counters import Period
from postroad.storage.database import Database
from postroad.storage.rows import HOUR_MS
from tests.feedback_reports import COMPLAINTS, LEFT_ALONE, around, feedback_report
from tests.storage.samples import DATA_TABLES, NOW, accepted, count_rows, new_id

IDENTIFIER_KEY, RETURN_PATH_KEY = b"i" * 32, b"r" * 32
HOUR = NOW // HOUR_MS
TYPES = {"headers_only": "fraud", "virus_scanner": "virus", "forwarded_by_abuse_desk": "other"}
"""Those of the shapes that do not say ``abuse``."""


@pytest.fixture
def service(database: Database) -> Complaints:
    keys = FeedbackKeys((IDENTIFIER_KEY,), (RETURN_PATH_KEY,))
    return Complaints(database, keys, lambda: NOW, new_id)


def identifier(message: Accepted, key: bytes = IDENTIFIER_KEY) -> str:
    return sign_identifier(message.message.id, IDENTIFIER_PURPOSE, key)


def return_path(message: Accepted, number: int = 0, key: bytes = RETURN_PATH_KEY) -> str:
    return make_return_path(message.deliveries[number].id, "rp.news.example.com", key)


async def stored(database: Database, *recipients: str, tags: tuple[str, ...] = ()) -> Accepted:
    message = accepted(*recipients, options=Options(tags=tags))
    marked = tuple(msgspec.structs.replace(one, options=DeliveryOptions(tags=tags)) for one in message.deliveries)
    message = msgspec.structs.replace(message, deliveries=marked)
    assert (await database.accept(message)).accepted == message
    return message


async def complained(database: Database, message: Accepted) -> list[Event]:
    told = await database.read(events.of_message, message.message.id)
    return [one for one in told if one.type is EventType.COMPLAINED]


async def counted(database: Database, tag: str | None = None) -> int:
    found = await database.read(counters.read, Period.HOUR, HOUR, HOUR + 1, 1, tag=tag)
    return sum(one.count for one in found if one.type == "complained")


async def results(database: Database) -> dict[str, int]:
    return {name: number for name, number in (await database.read(complaints.counts)).items() if number}


@pytest.mark.parametrize("shape", COMPLAINTS)
async def test_a_complaint_is_told_in_the_story_and_counted_for_domain_and_tags(
    database: Database, service: Complaints, shape: str
) -> None:
    message = await stored(database, "Ann@mailbox.example", "bob@mailbox.example", tags=("Sale", "news"))
    receipt = await service.receive(
        feedback_report(
            shape, identifier=identifier(message), return_path=return_path(message), recipient="ann@mailbox.example"
        )
    )

    assert receipt.result is FeedbackResult.COUNTED
    [event] = await complained(database, message)
    assert receipt.event is not None
    assert receipt.event.id == event.id
    assert (event.at, event.account_id, event.domain_id) == (NOW, 1, 1)
    about = f"message {text_of(message.message.id)}"
    if shape == "validity":
        # Neither the return path nor the address of this one is anybody's.
        assert (event.delivery_id, event.recipient) == (None, None)
        assert receipt.sentence == f"Counted a complaint about {about}."
    else:
        assert (event.delivery_id, event.recipient) == (message.deliveries[0].id, "Ann@mailbox.example")
        assert receipt.sentence == f"Counted a complaint about {about} to Ann@mailbox.example."
    assert event.data["feedback_type"] == TYPES.get(shape, "abuse")
    assert [await counted(database), await counted(database, "sale"), await counted(database, "NEWS")] == [1, 1, 1]
    assert await results(database) == {"counted": 1}


async def test_a_report_that_comes_twice_is_one_event(database: Database, service: Complaints) -> None:
    message = await stored(database)
    report = feedback_report("yahoo", identifier=identifier(message), return_path=return_path(message))
    first, second = await service.receive(report), await service.receive(report)

    assert (first.result, second.result) == (FeedbackResult.COUNTED, FeedbackResult.REPEATED)
    assert first.event is not None
    assert second.event is not None
    assert second.event.id == first.event.id
    assert len(await complained(database, message)) == 1
    assert await counted(database) == 1
    assert await results(database) == {"counted": 1, "repeated": 1}


async def test_a_recipient_complains_once_however_many_reports_tell_of_it(
    database: Database, service: Complaints
) -> None:
    message = await stored(database, "ann@mailbox.example", "bob@mailbox.example")
    for number, report_id in ((0, "<1@fbl.example>"), (0, "<2@fbl.example>"), (1, "<2@fbl.example>")):
        report = feedback_report("yahoo", return_path=return_path(message, number), report_id=report_id)
        await service.receive(report)

    assert [one.recipient for one in await complained(database, message)] == [
        "ann@mailbox.example",
        "bob@mailbox.example",
    ]


async def test_the_same_report_on_several_nodes_at_once_is_one_event(database: Database, service: Complaints) -> None:
    message = await stored(database, "ann@mailbox.example", "bob@mailbox.example")
    report = feedback_report("outlook_jmrp", identifier=identifier(message))
    receipts = await asyncio.gather(*(service.receive(report) for _ in range(8)))

    assert sorted(one.result.value for one in receipts) == ["counted"] + ["repeated"] * 7
    assert len(await complained(database, message)) == 1
    assert await results(database) == {"counted": 1, "repeated": 7}


async def test_the_only_recipient_is_known_without_any_address(database: Database, service: Complaints) -> None:
    message = await stored(database, "ann@mailbox.example")
    await service.receive(feedback_report("validity", identifier=identifier(message)))

    assert [one.recipient for one in await complained(database, message)] == ["ann@mailbox.example"]


async def test_the_recipient_of_several_is_known_by_the_address_that_the_provider_names(
    database: Database, service: Complaints
) -> None:
    message = await stored(database, "ann@mailbox.example", "bob@mailbox.example", "eve@mailbox.example")
    returned = f"X-Postroad-ID: {identifier(message)}\r\n\r\n".encode()
    await service.receive(around(returned, recipient="<BOB@mailbox.example>"))
    await service.receive(
        feedback_report("outlook_jmrp", identifier=identifier(message), recipient="eve@mailbox.example")
    )

    assert [one.recipient for one in await complained(database, message)] == [
        "bob@mailbox.example",
        "eve@mailbox.example",
    ]


async def test_without_any_address_it_is_the_messages_and_each_report_counts_once(
    database: Database, service: Complaints
) -> None:
    message = await stored(database, "ann@mailbox.example", "bob@mailbox.example", tags=("sale",))
    for report_id in ("<1@fbl.example>", "<1@fbl.example>", "<2@fbl.example>"):
        report = feedback_report("validity", identifier=identifier(message), report_id=report_id)
        receipt = await service.receive(report)

    assert receipt.sentence == f"Counted a complaint about message {text_of(message.message.id)}."
    assert [(one.delivery_id, one.recipient) for one in await complained(database, message)] == [(None, None)] * 2
    assert [await counted(database), await counted(database, "sale")] == [2, 2]


async def test_the_return_path_goes_before_the_identifier_of_the_message(
    database: Database, service: Complaints
) -> None:
    one, other = await stored(database, "ann@mailbox.example"), await stored(database, "bob@mailbox.example")
    await service.receive(feedback_report("yahoo", identifier=identifier(one), return_path=return_path(other)))

    assert (len(await complained(database, one)), len(await complained(database, other))) == (0, 1)


async def _changes_nothing(database: Database, service: Complaints, report: bytes, result: FeedbackResult) -> Receipt:
    before = await database.read(count_rows, DATA_TABLES)
    receipt = await service.receive(report)
    assert (receipt.result, receipt.event) == (result, None)
    assert await database.read(count_rows, DATA_TABLES) == before
    assert await results(database) == {result.value: 1}
    return receipt


async def test_a_forged_identifier_changes_nothing_and_is_told(database: Database, service: Complaints) -> None:
    message = await stored(database)
    key = b"x" * 32
    report = feedback_report("yahoo", identifier=identifier(message, key), return_path=return_path(message, key=key))
    receipt = await _changes_nothing(database, service, report, FeedbackResult.FORGED)

    assert "not signed by this installation" in receipt.sentence


async def test_an_identifier_made_for_another_purpose_is_forged(database: Database, service: Complaints) -> None:
    message = await stored(database)
    report = feedback_report("yahoo", identifier=sign_identifier(message.message.id, "return-path", IDENTIFIER_KEY))
    await _changes_nothing(database, service, report, FeedbackResult.FORGED)


async def test_a_message_that_is_no_longer_kept_is_unknown(database: Database, service: Complaints) -> None:
    gone = accepted()
    report = feedback_report("yahoo", identifier=identifier(gone), return_path=return_path(gone))
    receipt = await _changes_nothing(database, service, report, FeedbackResult.UNKNOWN)

    assert "no longer kept" in receipt.sentence


async def test_a_report_without_any_identifier_is_unmatched(database: Database, service: Complaints) -> None:
    receipt = await _changes_nothing(
        database, service, around(b"Subject: x\r\n\r\nX-Postroad-ID: in the body\r\n"), FeedbackResult.UNMATCHED
    )

    assert "X-Postroad-ID" in receipt.sentence


@pytest.mark.parametrize(("shape", "feedback_type"), LEFT_ALONE.items())
async def test_what_is_no_complaint_is_left_alone(
    database: Database, service: Complaints, shape: str, feedback_type: str
) -> None:
    message = await stored(database)
    report = feedback_report(shape, identifier=identifier(message), return_path=return_path(message))
    receipt = await _changes_nothing(database, service, report, FeedbackResult.LEFT_ALONE)

    assert feedback_type in receipt.sentence
    assert await complained(database, message) == []


async def test_other_mail_is_told_as_unreadable(database: Database, service: Complaints) -> None:
    await _changes_nothing(database, service, b"Subject: hello\r\n\r\nhello\r\n", FeedbackResult.UNREADABLE)


async def test_a_key_before_the_present_one_is_still_believed(database: Database) -> None:
    keys = FeedbackKeys((b"n" * 32, IDENTIFIER_KEY), (b"n" * 32, RETURN_PATH_KEY))
    message = await stored(database)
    receipt = await Complaints(database, keys, lambda: NOW, new_id).receive(
        feedback_report("yahoo", return_path=return_path(message))
    )

    assert receipt.result is FeedbackResult.COUNTED


async def test_what_a_stranger_calls_themselves_is_stored_as_it_can_be_shown(
    database: Database, service: Complaints
) -> None:
    message = await stored(database)
    returned = f"X-Postroad-ID: {identifier(message)}\r\n\r\n".encode()
    report = around(returned).replace(b"fbl.example/1.0", b"a\0b\xff\xed\xa0\x80" + b"c" * 900)
    await service.receive(report)

    story = await database.read(messages.show, message.message.id)
    assert story is not None
    reporter = story.events[-1].data["reporter"]
    assert reporter.startswith("a b")
    assert len(reporter) == 200


async def test_who_complained_gets_nothing_more_of_the_domain(database: Database, service: Complaints) -> None:
    message = await stored(database, "Ann@mailbox.example", "bob@mailbox.example")
    await service.receive(feedback_report(COMPLAINTS[0], return_path=return_path(message)))
    again = await database.accept(accepted("ann@mailbox.example", "bob@mailbox.example"))

    assert again.accepted is not None
    assert [one.state.value for one in again.accepted.deliveries] == ["suppressed", "scheduled"]
    [entry] = await database.read(suppressions.about, 1, "ann@mailbox.example")
    assert (entry.kind.value, entry.way.value, entry.message_id) == ("complaint", "feedback-loop", message.message.id)
    assert entry.reason.startswith("abuse")
