"""Complaints: from a feedback report to an event in the story of the message that somebody complained of.

Whoever receives a report hands it in here, whichever way it came.
"""

import hashlib
from collections.abc import Sequence

import msgspec
import structlog

from postroad.model.complaint import Complaint, FeedbackResult
from postroad.model.event import Event
from postroad.model.ids import text_of
from postroad.net.clock import Clock
from postroad.policy.header_rules import IDENTIFIER_HEADER, IDENTIFIER_PURPOSE
from postroad.policy.identifier import read_identifier
from postroad.protocol.arf import ArfError, FeedbackReport, read_report
from postroad.rendering.return_path import read_return_path
from postroad.storage import complaints
from postroad.storage.database import Database
from postroad.storage.deliveries import NewId

log = structlog.get_logger()

_JMRP_RECIPIENT = "X-HmXmrOriginalRecipient"
"""Outlook.com names the recipient in the returned header, as its reports have no fields for programs."""
_LONGEST_REPORTER = 200


class FeedbackKeys(msgspec.Struct, frozen=True):
    """What our identifiers were signed with; the present key and those before it."""

    identifier: Sequence[bytes]
    return_path: Sequence[bytes]

    def __repr__(self) -> str:
        return "FeedbackKeys()"


class Receipt(msgspec.Struct, frozen=True):
    """What became of a report, for whoever handed it in."""

    result: FeedbackResult
    sentence: str
    event: Event | None = None


class Complaints:
    """Takes feedback reports; the same one as often as it likes, from strangers as well."""

    def __init__(self, database: Database, keys: FeedbackKeys, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._new_id = new_id

    async def receive(self, content: bytes) -> Receipt:
        """Do what a report asks for and say what that was; it is stored and synced by then."""
        try:
            report = read_report(content)
        except ArfError as error:
            return await self._not_recorded(FeedbackResult.UNREADABLE, str(error))
        if not report.is_complaint:
            sentence = f"The report is of the type {report.feedback_type}, which is no complaint: nothing is counted."
            return await self._not_recorded(FeedbackResult.LEFT_ALONE, sentence)
        complaint = complaint_of(report, content, self._keys)
        if isinstance(complaint, FeedbackResult):
            return await self._not_recorded(complaint, _WHY_NOT[complaint])
        recorded = await self._database.write(complaints.record, complaint, at=self._clock(), new_id=self._new_id)
        if recorded.event is None:
            log.warning("complaint_not_counted", result=recorded.result.value)
            return Receipt(recorded.result, _WHY_NOT[recorded.result])
        log.info("complaint_received", result=recorded.result.value, message=_message_of(recorded.event))
        return Receipt(recorded.result, _told(recorded.result, recorded.event), recorded.event)

    async def _not_recorded(self, result: FeedbackResult, sentence: str) -> Receipt:
        await self._database.write(complaints.count, result)
        if result.is_failure:
            log.warning("complaint_not_counted", result=result.value)
        return Receipt(result, sentence)


_WHY_NOT = {
    FeedbackResult.UNMATCHED: (
        f"The complaint brings back neither {IDENTIFIER_HEADER} nor a return path of Postroad's: nobody can tell which "
        "message it is about."
    ),
    FeedbackResult.FORGED: (
        "The identifier that the complaint brings back was not signed by this installation: nothing is counted."
    ),
    FeedbackResult.UNKNOWN: "The complaint is about a message that is no longer kept: nothing is counted.",
}


def complaint_of(report: FeedbackReport, content: bytes, keys: FeedbackKeys) -> Complaint | FeedbackResult:
    """Return what a report says of a message of ours; UNMATCHED or FORGED where none of its identifiers proves that."""
    return_paths = (report.original_mail_from, *(one.strip("<> ") for one in report.returned("Return-Path")))
    identifiers = report.returned(IDENTIFIER_HEADER)
    deliveries = [read_return_path(one, keys.return_path) for one in return_paths]
    messages = [read_identifier(one, IDENTIFIER_PURPOSE, keys.identifier) for one in identifiers]
    delivery_id = next((one for one in deliveries if one is not None), None)
    message_id = next((one for one in messages if one is not None), None)
    if delivery_id is None and message_id is None:
        return FeedbackResult.FORGED if identifiers else FeedbackResult.UNMATCHED
    return Complaint(
        delivery_id=delivery_id,
        message_id=message_id,
        recipients=(*report.original_recipients, *(one.strip("<> ") for one in report.returned(_JMRP_RECIPIENT))),
        feedback_type=report.feedback_type,
        reporter=report.user_agent[:_LONGEST_REPORTER],
        report=hashlib.sha256(report.report_id.encode() or content).hexdigest()[:32],
    )


def _told(result: FeedbackResult, event: Event) -> str:
    about = f"message {_message_of(event)}" + (f" to {event.recipient}" if event.recipient else "")
    if result is FeedbackResult.REPEATED:
        return f"The complaint about {about} was counted before."
    return f"Counted a complaint about {about}."


def _message_of(event: Event) -> str:
    assert event.message_id is not None, "a complaint is about a message"
    return text_of(event.message_id)
