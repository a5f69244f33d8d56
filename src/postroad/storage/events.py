"""Events: what happened, in the order in which it did."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, delete, select

from postroad.model.event import Event, EventType
from postroad.model.ids import lowest_at, partition_of
from postroad.storage import rows
from postroad.storage.schema.data_plane import counter_deltas, events

_COLUMNS = [events.c[name] for name in rows.EVENT_COLUMNS]


class EventSelector(msgspec.Struct, frozen=True, kw_only=True):
    """Which events; what is not said selects all."""

    account_id: int | None = None
    domain_id: int | None = None
    message_id: int | None = None
    types: tuple[EventType, ...] = ()
    since: int | None = None
    until: int | None = None
    """Up to, but not at, this instant."""


def append(connection: Connection, appended: Sequence[Event]) -> None:
    """Write events and count them, in the transaction of what they tell."""
    if not appended:
        return
    event_rows = [dict(zip(rows.EVENT_COLUMNS, rows.event_row(event), strict=True)) for event in appended]
    connection.execute(events.insert(), event_rows)
    deltas = rows.counter_delta_rows(appended)
    delta_rows = [dict(zip(rows.COUNTER_DELTA_COLUMNS, delta, strict=True)) for delta in deltas]
    connection.execute(counter_deltas.insert(), delta_rows)


def of_message(connection: Connection, message_id: int) -> list[Event]:
    """Return a message's events, oldest first."""
    query = select(*_COLUMNS).where(events.c.partition == partition_of(message_id), events.c.message_id == message_id)
    return [rows.event_from(row) for row in connection.execute(query.order_by(events.c.at, events.c.id))]


def search(connection: Connection, selector: EventSelector, limit: int, after: int = 0) -> list[Event]:
    """Return the events with ids beyond ``after``, in the order of their ids; the last one's id leads to the next page.

    A transaction that takes long makes its events appear behind later ones: a tail reads up to an instant that all
    transactions begun before have ended at.
    """
    query = select(*_COLUMNS).where(events.c.id > after).order_by(events.c.id).limit(limit)
    for name in ("account_id", "domain_id", "message_id"):
        wanted = getattr(selector, name)
        if wanted is not None:
            query = query.where(events.c[name] == wanted)
    if selector.types:
        query = query.where(events.c.type.in_([kind.value for kind in selector.types]))
    if selector.since is not None:
        query = query.where(events.c.id >= lowest_at(selector.since), events.c.at >= selector.since)
    if selector.until is not None:
        query = query.where(events.c.id < lowest_at(selector.until), events.c.at < selector.until)
    return [rows.event_from(row) for row in connection.execute(query)]


def delete_before(connection: Connection, instant: int, limit: int) -> int:
    """Remove at most ``limit`` events made before ``instant``; returns how many."""
    oldest = select(events.c.id).where(events.c.id < lowest_at(instant)).order_by(events.c.id).limit(limit)
    return connection.execute(delete(events).where(events.c.id.in_(oldest))).rowcount
