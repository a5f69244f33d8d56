"""Events: what happened, in the order in which it did."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, or_, select, text

from postroad.model.event import Event, EventType
from postroad.model.ids import lowest_at, partition_of
from postroad.policy.suppression import comparable
from postroad.storage import outbox, rows
from postroad.storage.outbox import NewId
from postroad.storage.schema.data_plane import counter_deltas, events, messages, webhook_calls

_LONGEST_WRITE_S = 120
"""How long a transaction is waited for: twice what its statement may take, so that a forgotten one stops nobody for good."""

COLUMNS = [events.c[name] for name in rows.EVENT_COLUMNS]


class EventSelector(msgspec.Struct, frozen=True, kw_only=True):
    """Which events; what is not said selects all."""

    account_id: int | None = None
    domain_id: int | None = None
    message_id: int | None = None
    types: tuple[EventType, ...] = ()
    recipient: str | None = None
    """One address, or ``@`` and a recipient domain; case does not matter."""
    tag: str | None = None
    """One of the tags of the message, whole; case does not matter."""
    channel: str | None = None
    """The way the message came in."""
    since: int | None = None
    until: int | None = None
    """Up to, but not at, this instant."""


def append(connection: Connection, appended: Sequence[Event], new_id: NewId) -> None:
    """Write events, count them, and have them posted, in the transaction of what they tell.

    Where they are posted is read anew: whoever writes single events need not keep it in memory.
    """
    if not appended:
        return
    event_rows = [dict(zip(rows.EVENT_COLUMNS, rows.event_row(event), strict=True)) for event in appended]
    connection.execute(events.insert(), event_rows)
    if deltas := rows.counter_delta_rows(appended):
        delta_rows = [dict(zip(rows.COUNTER_DELTA_COLUMNS, delta, strict=True)) for delta in deltas]
        connection.execute(counter_deltas.insert(), delta_rows)
    wanted = outbox.subscriptions(connection, {event.domain_id for event in appended})
    if calls := outbox.calls_of(appended, wanted, new_id):
        call_rows = [dict(zip(outbox.CALL_COLUMNS, call, strict=True)) for call in calls]
        connection.execute(webhook_calls.insert(), call_rows)


_OLDEST_WRITE = text("""
SELECT CAST(least(coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0), :longest_s) * 1000 AS bigint)
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND (backend_xid IS NOT NULL OR wait_event_type = 'Lock')
""")


def oldest_write_ms(connection: Connection) -> int:
    """Return for how long the oldest transaction that writes, or waits for a lock, has been under way, up to two minutes.

    It is the database's clock that tells. SQLite has one transaction at a time, and no way to ask: zero.
    """
    if connection.dialect.name != "postgresql":
        return 0
    age: int = connection.execute(_OLDEST_WRITE, {"longest_s": _LONGEST_WRITE_S}).scalar_one()
    return max(0, age)


def of_message(connection: Connection, message_id: int) -> list[Event]:
    """Return a message's events, oldest first."""
    query = select(*COLUMNS).where(events.c.partition == partition_of(message_id), events.c.message_id == message_id)
    return [rows.event_from(row) for row in connection.execute(query.order_by(events.c.at, events.c.id))]


def search(
    connection: Connection, selector: EventSelector, limit: int, after: int = 0, *, below: int | None = None
) -> list[Event]:
    """Return the events with ids beyond ``after`` and below ``below``, in their order.

    The last one's id leads to the next ones. A transaction that takes long makes its events appear behind later ones: a
    tail reads up to an instant that all transactions begun before have ended at. What is not in that span of ids is not
    looked at, and all that is may be: ``event_search`` finds in bounded work.
    """
    found: list[Event] = []
    while len(found) < limit:
        # What is left over by the last test alone is not many.
        wanted = limit - len(found)
        query = select(*COLUMNS).where(events.c.id > after, *conditions(connection, selector))
        if below is not None:
            query = query.where(events.c.id < below)
        read = [rows.event_from(row) for row in connection.execute(query.order_by(events.c.id).limit(wanted))]
        found += [one for one in read if is_meant(one, selector)]
        if len(read) < wanted:
            break
        after = read[-1].id
    return found


def conditions(connection: Connection, selector: EventSelector) -> list[ColumnElement[bool]]:
    """Return what holds of each event that matches, tested on its row; ``is_meant`` tests what is left."""
    of = events.c
    found = [
        of[name] == getattr(selector, name)
        for name in ("account_id", "domain_id", "message_id")
        if getattr(selector, name) is not None
    ]
    if selector.types:
        found.append(of.type.in_([kind.value for kind in selector.types]))
    if selector.recipient is not None:
        wanted = selector.recipient.lower()
        address = func.lower(of.recipient)
        if wanted.isascii() and not wanted.startswith("@"):
            found.append(address == wanted)
        else:
            # SQLite, and PostgreSQL in some locales, know the case of ASCII letters alone: a domain is in A-labels.
            found.append(address.endswith(wanted[wanted.rfind("@") :], autoescape=True))
    if selector.tag is not None:
        found.append(_may_have_tag(connection, selector.tag))
    if selector.channel is not None:
        found.append(_came_by(connection, selector.channel))
    if selector.since is not None:
        # An id is made when an event is written, which is never before it happened.
        found += [of.id >= lowest_at(selector.since), of.at >= selector.since]
    if selector.until is not None:
        found.append(of.at < selector.until)
    return found


def is_meant(event: Event, selector: EventSelector) -> bool:
    """Whether an event that fulfils ``conditions`` matches: its recipient and tag in the letters of all scripts."""
    wanted = selector.recipient
    if wanted is not None and not wanted.isascii() and comparable(event.recipient or "") != comparable(wanted):
        return False
    return selector.tag is None or selector.tag.casefold() in {one.casefold() for one in event.data.get("tags", ())}


def _may_have_tag(connection: Connection, tag: str) -> ColumnElement[bool]:
    # Rows are not taken apart for it: their words lead to few that do not have it.
    wanted = msgspec.json.encode(tag.lower()).decode() if tag.isascii() else '"tags":'
    return _place_in(connection, func.lower(events.c.data), wanted) > 0


def _came_by(connection: Connection, channel: str) -> ColumnElement[bool]:
    # Only events about no message say it themselves.
    says = _place_in(connection, events.c.data, f'"channel":{msgspec.json.encode(channel).decode()}') > 0
    of_message = exists().where(messages.c.id == events.c.message_id, messages.c.channel == channel)
    return or_(of_message, and_(events.c.message_id.is_(None), says))


def _place_in(connection: Connection, text: ColumnElement[str], wanted: str) -> ColumnElement[int]:
    return func.instr(text, wanted) if connection.dialect.name == "sqlite" else func.strpos(text, wanted)


def delete_before(connection: Connection, instant: int, limit: int) -> int:
    """Remove at most ``limit`` events made before ``instant``; returns how many."""
    oldest = select(events.c.id).where(events.c.id < lowest_at(instant)).order_by(events.c.id).limit(limit)
    return connection.execute(delete(events).where(events.c.id.in_(oldest))).rowcount
