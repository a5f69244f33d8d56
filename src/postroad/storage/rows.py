"""Data-plane values as rows and back; the order of columns is said here once, for both engines."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from postroad.model.delivery import Delivery, DeliveryState, Lease
from postroad.model.envelope import Notify, destination_of
from postroad.model.event import Event, EventType
from postroad.model.ids import partition_of
from postroad.model.message import Accepted, Message
from postroad.model.options import NO_OPTIONS, PLAIN_DELIVERY, DeliveryOptions, Options
from postroad.model.outcome import Settlement
from postroad.policy.suppression import Found, barrier
from postroad.policy.told_header import told_header
from postroad.rendering.told_variables import differs_by_recipient

CHUNK_OCTETS = 256 * 1024
"""How much of a message's content one row holds at most."""
HOUR_MS = 3_600_000

MESSAGE_COLUMNS = (
    "id", "partition", "account_id", "domain_id", "credential_id", "reverse_path", "header_from", "subject",
    "message_id_header", "size", "recipient_count", "accepted_at", "client_address", "channel", "is_eight_bit",
    "is_utf8", "ret", "envid", "is_report", "keep_content_ms", "open_deliveries", "finished_at", "content_until",
    "options",
)  # fmt: skip
WRITTEN_MESSAGE_COLUMNS = (*MESSAGE_COLUMNS, "told_header")
"""Those of a whole row: what events tell of the header is not among the facts that a message is read with."""
BATCH_MESSAGE_COLUMNS = ("message_id", "partition", "domain_id", "batch_id")
BODY_COLUMNS = ("message_id", "partition", "content")
BODY_CHUNK_COLUMNS = ("message_id", "partition", "sequence", "content")
DELIVERY_COLUMNS = (
    "id", "partition", "message_id", "account_id", "domain_id", "recipient", "destination", "pool", "lane", "rank",
    "state", "due_at", "expires_at", "accepted_at", "attempts", "notify", "original_recipient", "lease_owner",
    "lease_epoch", "lease_until", "last_reply", "maybe_delivered", "options",
)  # fmt: skip
EVENT_COLUMNS = (
    "id", "partition", "type", "at", "account_id", "domain_id", "message_id", "delivery_id", "recipient", "data",
)  # fmt: skip
COUNTER_DELTA_COLUMNS = (
    "id", "partition", "domain_id", "hour", "dimension", "key", "type", "destination", "bounce_class", "is_expired",
    "count",
)  # fmt: skip

Row = tuple[Any, ...]

_STATES = {state.value: state for state in DeliveryState}
_EVENT_TYPES = {kind.value: kind for kind in EventType}
_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder(dict[str, Any]).decode
_decode_options = msgspec.json.Decoder(Options).decode
_decode_delivery_options = msgspec.json.Decoder(DeliveryOptions).decode


class AcceptRows(msgspec.Struct):
    """The rows of a batch of accepted messages, table by table."""

    messages: list[Row]
    bodies: list[Row]
    body_chunks: list[Row]
    deliveries: list[Row]
    events: list[Event]
    batch_messages: list[Row]


def rows_of(batch: Iterable[Accepted]) -> AcceptRows:
    """Return what accepting ``batch`` writes."""
    rows = AcceptRows([], [], [], [], [], [])
    for accepted in batch:
        message, content = accepted.message, accepted.content
        partition = partition_of(message.id)
        rows.messages.append(_message_row(accepted, partition))
        rows.bodies.append((message.id, partition, content[:CHUNK_OCTETS]))
        for sequence in range(1, -(-len(content) // CHUNK_OCTETS)):
            start = sequence * CHUNK_OCTETS
            rows.body_chunks.append((message.id, partition, sequence, content[start : start + CHUNK_OCTETS]))
        rows.deliveries.extend([_delivery_row(delivery, partition) for delivery in accepted.deliveries])
        rows.events.extend(accepted.events)
        if message.options.batch_id is not None:
            rows.batch_messages.append((message.id, partition, message.domain_id, message.options.batch_id))
    return rows


def _message_row(accepted: Accepted, partition: int) -> Row:
    message = accepted.message
    open_deliveries = sum(1 for delivery in accepted.deliveries if not delivery.state.is_final)
    finished_at = None if open_deliveries else message.accepted_at
    return (
        message.id,
        partition,
        message.account_id,
        message.domain_id,
        message.credential_id,
        message.reverse_path,
        message.header_from,
        storable(message.subject),
        storable(message.message_id_header),
        message.size,
        message.recipient_count,
        message.accepted_at,
        message.client_address,
        message.channel,
        message.is_eight_bit,
        message.is_utf8,
        message.ret,
        message.envid,
        message.is_report,
        message.keep_content_ms,
        open_deliveries,
        finished_at,
        None if finished_at is None else finished_at + message.keep_content_ms,
        None if message.options is NO_OPTIONS else _to_json(message.options),
        # Only what differs by recipient may hold their names.
        told_header(accepted.content, with_cc=differs_by_recipient(message.options.variables)),
    )


def _delivery_row(delivery: Delivery, partition: int) -> Row:
    lease = delivery.lease
    return (
        delivery.id,
        partition,
        delivery.message_id,
        delivery.account_id,
        delivery.domain_id,
        delivery.recipient,
        delivery.destination,
        delivery.pool,
        delivery.lane,
        -delivery.priority,
        delivery.state.value,
        delivery.due_at,
        delivery.expires_at,
        delivery.accepted_at,
        delivery.attempts,
        int(delivery.notify),
        delivery.original_recipient,
        lease.owner if lease else None,
        lease.epoch if lease else 0,
        lease.until if lease else None,
        delivery.last_reply,
        delivery.maybe_delivered,
        None if delivery.options is PLAIN_DELIVERY else _to_json(delivery.options),
    )


def delivery_from(row: Sequence[Any]) -> Delivery:
    """Read a delivery from a row of ``DELIVERY_COLUMNS``."""
    owner, epoch, until = row[17:20]
    return Delivery(
        id=row[0],
        message_id=row[2],
        account_id=row[3],
        domain_id=row[4],
        recipient=row[5],
        destination=row[6],
        pool=row[7],
        lane=row[8],
        priority=-row[9],
        state=_STATES[row[10]],
        due_at=row[11],
        expires_at=row[12],
        accepted_at=row[13],
        attempts=row[14],
        notify=Notify(row[15]),
        original_recipient=row[16],
        lease=None if owner is None else Lease(owner, epoch, until),
        last_reply=row[20],
        maybe_delivered=bool(row[21]),
        options=PLAIN_DELIVERY if row[22] is None else _decode_delivery_options(row[22]),
    )


def with_barriers(claimed: list[Delivery], found: Found) -> list[Delivery]:
    """Return claimed deliveries, those marked that something on the lists stands against."""
    if not found:
        return claimed
    return [msgspec.structs.replace(one, barrier=barrier(one, found)) for one in claimed]


def message_from(row: Sequence[Any]) -> Message:
    """Read a message from a row of ``MESSAGE_COLUMNS``."""
    return Message(
        id=row[0],
        account_id=row[2],
        domain_id=row[3],
        credential_id=row[4],
        reverse_path=row[5],
        header_from=row[6],
        subject=row[7],
        message_id_header=row[8],
        size=row[9],
        recipient_count=row[10],
        accepted_at=row[11],
        client_address=row[12],
        channel=row[13],
        is_eight_bit=bool(row[14]),
        is_utf8=bool(row[15]),
        ret=row[16],
        envid=row[17],
        is_report=bool(row[18]),
        keep_content_ms=row[19],
        options=NO_OPTIONS if row[23] is None else _decode_options(row[23]),
    )


def event_row(event: Event) -> Row:
    """Return an event as a row of ``EVENT_COLUMNS``."""
    home = event.id if event.message_id is None else event.message_id
    return (
        event.id,
        partition_of(home),
        event.type.value,
        event.at,
        event.account_id,
        event.domain_id,
        event.message_id,
        event.delivery_id,
        event.recipient,
        _json_of(event.data),
    )


def event_from(row: Sequence[Any]) -> Event:
    """Read an event from a row of ``EVENT_COLUMNS``."""
    return Event(
        id=row[0],
        type=_EVENT_TYPES[row[2]],
        at=row[3],
        account_id=row[4],
        domain_id=row[5],
        message_id=row[6],
        delivery_id=row[7],
        recipient=row[8],
        data=_decode_json(row[9]),
    )


def counted_as(kind: EventType, verdict: str = "human") -> str:
    """Return what events of a type are counted as: those that no human led to, apart."""
    return kind.value if verdict == "human" else f"{kind.value}-by-{verdict}"


def unique(kind: EventType) -> str:
    """Return what events of a type are counted as once more where they are a delivery's first by a human."""
    return f"{kind.value}-unique"


RETURNED = "returned"
"""What those of the delivered are counted as once more that bounced later, in the hour in which they were delivered."""


def _counted_as(event: Event) -> str:
    return counted_as(event.type, event.data["verdict"]) if "verdict" in event.data else event.type.value


_Counted = tuple[int, int, str, str, str, str, str, bool]


def counter_delta_rows(events: Iterable[Event]) -> list[Row]:
    """Return one row per distinct thing that a transaction's events are counted by: all of them, and each tag.

    All of them are told apart by destination, bounce class and whether they expired, in the one row that counts them.
    Reports of our own are none of the domain's mail: one on each bounce would halve its bounce rate.
    """
    counts: dict[_Counted, list[int]] = {}
    for event in events:
        if event.is_of_report:
            continue
        hour, kind, data = event.at // HOUR_MS, _counted_as(event), event.data
        destination = "" if event.recipient is None else destination_of(event.recipient)
        bounce_class, is_expired = data.get("bounce_class", ""), "is_expired" in data
        _count(counts, (event.domain_id, hour, "all", "", kind, destination, bounce_class, is_expired), event.id)
        if "tags" in data:
            for tag in data["tags"]:
                _count(counts, (event.domain_id, hour, "tag", tag.casefold(), kind, "", "", False), event.id)
        if "is_first" in data:
            _count_again(counts, event, (unique(event.type), hour), destination)
        if "delivered_at" in data:
            _count_again(counts, event, (RETURNED, data["delivered_at"] // HOUR_MS), destination)
    return [(first_id, partition_of(abs(first_id)), *key, count) for key, (first_id, count) in counts.items()]


def _count_again(
    counts: dict[_Counted, list[int]], event: Event, kind_and_hour: tuple[str, int], destination: str
) -> None:
    # The event's own id names the row that counts it among all of its type.
    (kind, hour), at = kind_and_hour, -event.id
    _count(counts, (event.domain_id, hour, "all", "", kind, destination, "", False), at)
    for tag in event.data.get("tags", ()):
        _count(counts, (event.domain_id, hour, "tag", tag.casefold(), kind, "", "", False), at)


def _count(counts: dict[_Counted, list[int]], key: _Counted, at: int) -> None:
    found = counts.get(key)
    if found is None:
        counts[key] = [at, 1]
    else:
        found[1] += 1


def finished_by_message(settlements: Iterable[Settlement]) -> Counter[int]:
    """Return how many open deliveries fewer each message has once ``settlements`` are written."""
    return Counter(settlement.message_id for settlement in settlements if settlement.state.is_final)


def _to_json(options: Options | DeliveryOptions) -> str:
    return _encode_json(options).decode()


def storable(text: str) -> str:
    """Return text of strangers without what PostgreSQL cannot hold: NUL and halves of surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _json_of(data: dict[str, Any]) -> str:
    try:
        return _encode_json(data).decode()
    except UnicodeEncodeError:
        return storable(json.dumps(msgspec.to_builtins(data), ensure_ascii=False))
