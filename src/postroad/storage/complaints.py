"""Complaints: one event for each recipient who complained, and how many reports came to what."""

import msgspec
from sqlalchemy import Connection, Row, select

from postroad.model.complaint import Complaint, FeedbackResult
from postroad.model.delivery import Delivery
from postroad.model.event import Event, EventType
from postroad.model.ids import partition_of
from postroad.model.message import Message
from postroad.policy.suppression import of_complaint
from postroad.storage import deliveries as delivery_rows
from postroad.storage import events as event_rows
from postroad.storage import rows, suppressions
from postroad.storage.deliveries import NewId
from postroad.storage.dialect import insert_into
from postroad.storage.schema.control_plane import feedback_counts
from postroad.storage.schema.data_plane import deliveries, events, messages


class Recorded(msgspec.Struct, frozen=True):
    """What became of a complaint."""

    result: FeedbackResult
    event: Event | None = None
    """The one that tells of it, also where it was told before."""


def record(connection: Connection, complaint: Complaint, *, at: int, new_id: NewId) -> Recorded:
    """Tell of a complaint in its message's story, count it, and suppress who complained, once."""
    recorded = _record(connection, complaint, at, new_id)
    count(connection, recorded.result)
    return recorded


def count(connection: Connection, result: FeedbackResult) -> None:
    """Count a report by what it came to."""
    statement = insert_into(connection, feedback_counts).values(result=result.value, count=1)
    grown = {"count": feedback_counts.c.count + 1}
    connection.execute(statement.on_conflict_do_update(index_elements=["result"], set_=grown))


def counts(connection: Connection) -> dict[str, int]:
    """Return how many reports came to what, for each result; nought for those that there were none of."""
    found = {row.result: row.count for row in connection.execute(select(feedback_counts)).mappings()}
    return {result.value: found.get(result.value, 0) for result in FeedbackResult}


def _record(connection: Connection, complaint: Complaint, at: int, new_id: NewId) -> Recorded:
    delivery = None if complaint.delivery_id is None else delivery_rows.get(connection, complaint.delivery_id)
    message_id = complaint.message_id if delivery is None else delivery.message_id
    message = None if message_id is None else _locked(connection, message_id)
    if message is None:
        return Recorded(FeedbackResult.UNKNOWN)
    delivery = delivery or _delivery_of(connection, message.id, complaint.recipients)
    known = _known(connection, message.id, delivery, complaint.report)
    if known is not None:
        return Recorded(FeedbackResult.REPEATED, known)
    event = _event(complaint, message, delivery, at, new_id(partition_of(message.id)))
    event_rows.append(connection, [event], new_id)
    if delivery is not None:
        suppressions.add(connection, of_complaint(delivery, _report_of(complaint), at))
    return Recorded(FeedbackResult.COUNTED, event)


def _locked(connection: Connection, message_id: int) -> Message | None:
    """Return a message, whose complaints nobody else records until this transaction ends.

    So two reports at a time, on two nodes, do not each find that there was none before.
    """
    columns = [messages.c[name] for name in rows.MESSAGE_COLUMNS]
    query = select(*columns).where(messages.c.partition == partition_of(message_id), messages.c.id == message_id)
    row = connection.execute(query.with_for_update()).one_or_none()
    return None if row is None else rows.message_from(row)


def _delivery_of(connection: Connection, message_id: int, recipients: tuple[str, ...]) -> Delivery | None:
    """Return the delivery that was complained of, where only one can be meant."""
    columns = [deliveries.c[name] for name in rows.DELIVERY_COLUMNS]
    of_message = select(*columns).where(
        deliveries.c.partition == partition_of(message_id), deliveries.c.message_id == message_id
    )
    found: list[Row[tuple[object, ...]]] = list(connection.execute(of_message.limit(2)))
    if len(found) > 1:
        # Two may be enough to know that it is not the only one; which it is, the address says.
        wanted = {one.casefold() for one in recipients}
        found = [row for row in connection.execute(of_message) if row.recipient.casefold() in wanted] if wanted else []
    return rows.delivery_from(found[0]) if len(found) == 1 else None


def _known(connection: Connection, message_id: int, delivery: Delivery | None, report: str) -> Event | None:
    """Return the event that told of it before: of the same recipient, or where that is not known, the same report."""
    columns = [events.c[name] for name in rows.EVENT_COLUMNS]
    query = select(*columns).where(
        events.c.partition == partition_of(message_id),
        events.c.message_id == message_id,
        events.c.type == EventType.COMPLAINED.value,
    )
    if delivery is not None:
        query = query.where(events.c.delivery_id == delivery.id)
    told = [rows.event_from(row) for row in connection.execute(query)]
    return next((one for one in told if delivery is not None or one.data.get("report") == report), None)


def _report_of(complaint: Complaint) -> str:
    return (
        f"{complaint.feedback_type}, reported by {complaint.reporter}"
        if complaint.reporter
        else complaint.feedback_type
    )


def _event(complaint: Complaint, message: Message, delivery: Delivery | None, at: int, event_id: int) -> Event:
    tags = message.options.tags
    marks = delivery.event_marks if delivery is not None else {"tags": tags} if tags else {}
    facts = {"feedback_type": complaint.feedback_type, "reporter": complaint.reporter, "report": complaint.report}
    return Event(
        id=event_id,
        type=EventType.COMPLAINED,
        at=at,
        account_id=message.account_id,
        domain_id=message.domain_id,
        message_id=message.id,
        delivery_id=None if delivery is None else delivery.id,
        recipient=None if delivery is None else delivery.recipient,
        data={name: value for name, value in facts.items() if value} | marks,
        callback=message.options.callback,
    )
