"""Events become calls: rows that are written in the transaction of the event (an id range read later would miss some)."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, select

from postroad.model.event import Event, EventType
from postroad.model.ids import partition_of
from postroad.model.options import Callback
from postroad.model.webhook import callback_receiver
from postroad.storage.rows import Row
from postroad.storage.schema.control_plane import webhooks

CALL_COLUMNS = (
    "id", "partition", "receiver", "account_id", "domain_id", "event_id", "message_id", "created_at", "due_at",
    "attempts", "url", "format",
)  # fmt: skip

NewId = Callable[[int], int]
"""Makes an id in a partition."""
Subscriptions = Mapping[int, Mapping[EventType, Sequence[int]]]
"""The webhooks of domains, by domain and type of event."""

_LATE = 1_000 << 23
"""What ids that are a second older lie below: who follows events passes two seconds by (``events.tail``)."""

_decode_types = msgspec.json.Decoder(list[EventType]).decode


class Outbox:
    """What a worker knows of where events are posted: kept in memory, so that writing events asks for nothing."""

    def __init__(self, new_id: NewId) -> None:
        self.subscriptions: Subscriptions = {}
        self.calls_made = 0
        """Calls of this worker's batches, also of those that could not be written."""
        self._new_id = new_id

    def dated(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return events with ids of now where one's is a second old: ids tell when events are written, ``at`` when they happened.

        Asked within the transaction that writes them: they may have waited for another one, for a lock, or for storage.
        """
        if not events:
            return events
        first = min(one.id for one in events)
        if first >= self._new_id(partition_of(first)) - _LATE:
            return events
        # All of them, so that they stay in their order.
        in_order = sorted(events, key=lambda one: one.id)
        return [msgspec.structs.replace(one, id=self._new_id(partition_of(one.id))) for one in in_order]

    def calls_of(self, events: Iterable[Event]) -> list[Row]:
        """Return the rows of the calls that events lead to."""
        calls = calls_of(events, self.subscriptions, self._new_id)
        self.calls_made += len(calls)
        return calls


def calls_of(events: Iterable[Event], subscriptions: Subscriptions, new_id: NewId) -> list[Row]:
    """Return the rows of the calls that events lead to: to the address that the message names, else to the webhooks.

    Those about reports of our own lead to none: the sender hears of the mail that a report is on by its own events.
    """
    rows: list[Row] = []
    for event in events:
        if event.is_of_report:
            continue
        if event.callback is not None:
            receiver = callback_receiver(event.domain_id, event.callback)
            rows.append(call_row(event, receiver, new_id, event.at, event.callback))
        elif event.domain_id in subscriptions:
            receivers = subscriptions[event.domain_id].get(event.type, ())
            rows += [call_row(event, receiver, new_id, event.at) for receiver in receivers]
    return rows


def call_row(event: Event, receiver: int, new_id: NewId, now: int, callback: Callback | None = None) -> Row:
    """Return a row of ``CALL_COLUMNS``: an event that is due to be posted."""
    home = event.id if event.message_id is None else event.message_id
    partition = partition_of(home)
    return (
        new_id(partition),
        partition,
        receiver,
        event.account_id,
        event.domain_id,
        event.id,
        event.message_id,
        now,
        now,
        0,
        None if callback is None else callback.url,
        None if callback is None else callback.format.value,
    )


def subscriptions(connection: Connection, domain_ids: Iterable[int] | None = None) -> Subscriptions:
    """Return the webhooks of some domains, or of all."""
    query = select(webhooks.c.id, webhooks.c.domain_id, webhooks.c.event_types).order_by(webhooks.c.id)
    if domain_ids is not None:
        query = query.where(webhooks.c.domain_id.in_(sorted(domain_ids)))
    found: dict[int, dict[EventType, list[int]]] = {}
    for row in connection.execute(query):
        of_domain = found.setdefault(row.domain_id, {})
        for kind in _decode_types(row.event_types):
            of_domain.setdefault(kind, []).append(row.id)
    return found
