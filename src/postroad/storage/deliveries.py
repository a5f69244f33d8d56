"""The queue as its operators see and steer it; the flow itself goes through ``Database``."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, case, func, or_, select, update

from postroad.model.delivery import Delivery, DeliveryState
from postroad.model.event import Event, EventType
from postroad.model.ids import made_at, partition_of
from postroad.storage import events, rows
from postroad.storage.dialect import claimed_rows, stands_in
from postroad.storage.schema.data_plane import batch_messages, deliveries, messages

NewId = Callable[[int], int]
"""Makes an id in a partition."""

OPEN_STATES = (DeliveryState.SCHEDULED, DeliveryState.LEASED, DeliveryState.HELD)
_COLUMNS = [deliveries.c[name] for name in rows.DELIVERY_COLUMNS]
QUEUE_LOOKED_AT = 20_000
"""Deliveries that a summary of the queue looks at: they take some tens of milliseconds."""
_WAITING = (DeliveryState.SCHEDULED, DeliveryState.HELD)


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries; what is not said selects all."""

    delivery_id: int | None = None
    message_id: int | None = None
    account_id: int | None = None
    domain_id: int | None = None
    destination: str | None = None
    recipient: str | None = None
    pool: str | None = None
    states: tuple[DeliveryState, ...] = ()
    accepted_before: int | None = None
    batch_id: str | None = None
    """Of the messages that a client gave this name."""


class Steering(msgspec.Struct, frozen=True, kw_only=True):
    """Who changes the queue by hand, and when; noted with each event."""

    by: str
    now: int
    new_id: NewId


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """Why a delivery stands where it does, as far as rows know."""

    delivery: Delivery
    ahead_in_lane: int
    """Deliveries of its lane that leave before it; at most 1,000 are counted."""
    last_event: Event | None


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """What waits of an account or domain, as far as a bounded look shows."""

    scheduled: int
    deferred: int
    """Those of the scheduled that were tried in vain."""
    held: int
    is_more: bool
    """More than were looked at wait in the whole installation: these are the least that there can be."""
    oldest_at: int | None
    """When the message was accepted that has waited longest."""


def get(connection: Connection, delivery_id: int) -> Delivery | None:
    """Return a delivery."""
    query = select(*_COLUMNS).where(deliveries.c.partition == partition_of(delivery_id), deliveries.c.id == delivery_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else rows.delivery_from(row)


def search(connection: Connection, selector: Selector, limit: int, after: int = 0) -> list[Delivery]:
    """Return deliveries oldest first, beyond the id ``after``."""
    query = _selected(select(*_COLUMNS), selector).where(deliveries.c.id > after)
    return [rows.delivery_from(row) for row in connection.execute(query.order_by(deliveries.c.id).limit(limit))]


def count(connection: Connection, selector: Selector) -> dict[DeliveryState, int]:
    """Return how many deliveries stand in each state."""
    query = _selected(select(deliveries.c.state, func.count()), selector).group_by(deliveries.c.state)
    return {DeliveryState(state): number for state, number in connection.execute(query)}


def queue_figures(connection: Connection, now: int) -> list[tuple[str, int, float]]:
    """Return, for each open state, how many deliveries stand in it and the age of the oldest in seconds."""
    figures = []
    for state in OPEN_STATES:
        # The partial indexes hold the ids, and an id tells when it was made: no row is read.
        query = select(func.count(), func.min(deliveries.c.id)).where(stands_in(state))
        number, oldest = connection.execute(query).one()
        figures.append((state.value, number, 0.0 if oldest is None else max(0, now - made_at(oldest)) / 1000))
    return figures


def queue_of(connection: Connection, account_id: int | None, domain_id: int | None) -> Queue:
    """Return what waits of an account or domain, or in all, from at most ``QUEUE_LOOKED_AT`` deliveries of each state."""
    figures = {}
    for state in _WAITING:
        some = select(deliveries.c.account_id, deliveries.c.domain_id, deliveries.c.attempts, deliveries.c.accepted_at)
        seen = some.where(stands_in(state)).limit(QUEUE_LOOKED_AT).subquery()
        tried = func.coalesce(func.sum(case((seen.c.attempts > 0, 1), else_=0)), 0)
        mine = [seen.c.account_id == account_id] if account_id is not None else []
        mine += [seen.c.domain_id == domain_id] if domain_id is not None else []
        found = connection.execute(select(func.count(), tried, func.min(seen.c.accepted_at)).where(*mine)).one()
        whole = connection.execute(select(func.count()).select_from(seen)).scalar_one() if mine else found[0]
        figures[state] = (*found, whole >= QUEUE_LOOKED_AT)
    scheduled, held = figures[DeliveryState.SCHEDULED], figures[DeliveryState.HELD]
    return Queue(
        scheduled=scheduled[0],
        deferred=int(scheduled[1]),
        held=held[0],
        is_more=scheduled[3] or held[3],
        oldest_at=scheduled[2],
    )


def why(connection: Connection, delivery_id: int) -> Why | None:
    """Return what the rows know of why a delivery waits, or how it ended."""
    delivery = get(connection, delivery_id)
    if delivery is None:
        return None
    of_delivery = [
        event for event in events.of_message(connection, delivery.message_id) if event.delivery_id == delivery_id
    ]
    return Why(
        delivery=delivery,
        ahead_in_lane=_ahead_in_lane(connection, delivery),
        last_event=of_delivery[-1] if of_delivery else None,
    )


def _ahead_in_lane(connection: Connection, delivery: Delivery) -> int:
    if delivery.state is not DeliveryState.SCHEDULED:
        return 0
    d, rank = deliveries.c, -delivery.priority
    leaves_before = (d.rank < rank) | ((d.rank == rank) & (d.due_at < delivery.due_at))
    ahead = select(d.id).where(
        stands_in(DeliveryState.SCHEDULED), d.pool == delivery.pool, d.lane == delivery.lane, leaves_before
    )
    number: int = connection.execute(select(func.count()).select_from(ahead.limit(1_000).subquery())).scalar_one()
    return number


def hold(connection: Connection, selector: Selector, steering: Steering, limit: int) -> int:
    """Stop at most ``limit`` scheduled deliveries until they are released; returns how many."""
    held = _take(connection, selector, (DeliveryState.SCHEDULED,), limit)
    _set(connection, held, state=DeliveryState.HELD.value)
    _tell(connection, held, EventType.HELD, steering)
    return len(held)


def release(connection: Connection, selector: Selector, steering: Steering, limit: int) -> int:
    """Put at most ``limit`` held deliveries back, due now; returns how many."""
    released = _take(connection, selector, (DeliveryState.HELD,), limit)
    _set(connection, released, state=DeliveryState.SCHEDULED.value, due_at=steering.now)
    _tell(connection, released, EventType.RELEASED, steering)
    return len(released)


def resume(connection: Connection, selector: Selector, steering: Steering, limit: int) -> int:
    """Put at most ``limit`` held deliveries back, due when they were before; returns how many."""
    resumed = _take(connection, selector, (DeliveryState.HELD,), limit)
    _set(connection, resumed, state=DeliveryState.SCHEDULED.value)
    _tell(connection, resumed, EventType.RELEASED, steering)
    return len(resumed)


def retry_now(connection: Connection, selector: Selector, steering: Steering, limit: int) -> int:
    """Make at most ``limit`` deliveries due that wait for a later time; returns how many."""
    hurried = _take(connection, selector, (DeliveryState.SCHEDULED,), limit, due_after=steering.now)
    _set(connection, hurried, due_at=steering.now)
    return len(hurried)


def cancel(connection: Connection, selector: Selector, steering: Steering, limit: int) -> int:
    """End at most ``limit`` deliveries that no worker holds; returns how many."""
    cancelled = _take(connection, selector, _WAITING, limit)
    _set(connection, cancelled, state=DeliveryState.CANCELLED.value, due_at=steering.now)
    _tell(connection, cancelled, EventType.CANCELLED, steering)
    _finish_messages(connection, cancelled, steering.now)
    return len(cancelled)


def _take(
    connection: Connection,
    selector: Selector,
    states: Sequence[DeliveryState],
    limit: int,
    due_after: int | None = None,
) -> list[Delivery]:
    in_states = or_(*(stands_in(state) for state in states))
    query = _selected(select(*_COLUMNS), selector).where(in_states)
    if due_after is not None:
        query = query.where(deliveries.c.due_at > due_after)
    found = connection.execute(claimed_rows(query.order_by(deliveries.c.id).limit(limit)))
    return [rows.delivery_from(row) for row in found]


def _set(connection: Connection, changed: Sequence[Delivery], **values: object) -> None:
    if changed:
        chosen = deliveries.c.id.in_([delivery.id for delivery in changed])
        partitions = deliveries.c.partition.in_({partition_of(delivery.id) for delivery in changed})
        connection.execute(update(deliveries).where(partitions, chosen).values(**values))


def _tell(connection: Connection, changed: Sequence[Delivery], kind: EventType, steering: Steering) -> None:
    told = [
        Event(
            id=steering.new_id(partition_of(delivery.message_id)),
            type=kind,
            at=steering.now,
            account_id=delivery.account_id,
            domain_id=delivery.domain_id,
            message_id=delivery.message_id,
            delivery_id=delivery.id,
            recipient=delivery.recipient,
            data={"by": steering.by} | delivery.event_marks,
            callback=delivery.options.callback,
        )
        for delivery in changed
    ]
    events.append(connection, told, steering.new_id)


def _finish_messages(connection: Connection, ended: Sequence[Delivery], now: int) -> None:
    counts: dict[int, int] = {}
    for delivery in ended:
        counts[delivery.message_id] = counts.get(delivery.message_id, 0) + 1
    for message_id in sorted(counts):
        left = messages.c.open_deliveries - counts[message_id]
        mine = (messages.c.partition == partition_of(message_id), messages.c.id == message_id)
        connection.execute(update(messages).where(*mine).values(open_deliveries=left))
        connection.execute(
            update(messages)
            .where(*mine, messages.c.open_deliveries == 0)
            .values(finished_at=now, content_until=messages.c.keep_content_ms + now)
        )


def _selected(query: Select[Any], selector: Selector) -> Select[Any]:
    if selector.delivery_id is not None:
        query = query.where(deliveries.c.id == selector.delivery_id)
    for name in ("message_id", "account_id", "domain_id", "destination", "recipient", "pool"):
        wanted = getattr(selector, name)
        if wanted is not None:
            query = query.where(deliveries.c[name] == wanted)
    if selector.states:
        query = query.where(deliveries.c.state.in_([state.value for state in selector.states]))
    if selector.batch_id is not None:
        of_batch = select(batch_messages.c.message_id).where(batch_messages.c.batch_id == selector.batch_id)
        query = query.where(deliveries.c.message_id.in_(of_batch))
    if selector.accepted_before is not None:
        query = query.where(deliveries.c.accepted_at < selector.accepted_before)
    return query
