"""Calls that wait: who serves their receivers, what is due, and what became of them.

A worker leases receivers, not calls (decision 0016): so the calls of one receiver are made in their order, its circuit
breaker is one worker's to keep, and a call costs no writing but its end.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Row,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    update,
)  # fmt: skip

from postroad.model.event import Event
from postroad.model.ids import partition_of
from postroad.model.message import Message
from postroad.model.options import Callback, CallbackFormat
from postroad.model.webhook import CallAttempt, Health, WaitingCall, callback_receiver
from postroad.policy.webhook_retry import after_giving_up, is_to_be_told
from postroad.rendering.told_variables import differs_by_recipient
from postroad.storage import outbox, rows, webhook_log
from postroad.storage.schema.control_plane import webhook_receivers, webhooks
from postroad.storage.schema.data_plane import deliveries, events, messages, webhook_calls

_AT_A_TIME = 500
_BEFORE_ALL = -(1 << 63)


class Retry(msgspec.Struct, frozen=True):
    """A call that waits for another attempt."""

    id: int
    due_at: int
    attempts: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of calls, written in one transaction."""

    attempts: Sequence[CallAttempt] = ()
    ended: Sequence[int] = ()
    """Ids of calls that are made no more."""
    retries: Sequence[Retry] = ()


class Material(msgspec.Struct, frozen=True):
    """What calls are made of, as far as it is still kept."""

    events: dict[int, Event]
    messages: dict[int, Message]
    headers: dict[int, bytes]
    """What events tell of messages' headers (``policy.told_header``); of those alone that have something to tell."""
    values: dict[int, Mapping[str, Any]] = {}
    """The recipients' own variables, by delivery, of messages whose variables differ by recipient."""


class Held(msgspec.Struct, frozen=True):
    """A receiver that was leased, with how it has been doing."""

    receiver: int
    health: Health


# From one receiver to the next by the index: each step is one descent, however many calls wait for it.
_WALK = """
WITH RECURSIVE walk(receiver) AS (
  SELECT min(receiver) FROM webhook_calls WHERE receiver > :after
  UNION ALL
  SELECT (SELECT min(c.receiver) FROM webhook_calls AS c WHERE c.receiver > walk.receiver)
  FROM walk WHERE walk.receiver IS NOT NULL)
SELECT receiver FROM walk
"""
_RECEIVERS = f"{_WALK} WHERE receiver IS NOT NULL"
_WITH_SOMETHING_DUE = f"""
{_WALK}
WHERE receiver IS NOT NULL
  AND EXISTS (SELECT 1 FROM webhook_calls AS c WHERE c.receiver = walk.receiver AND c.due_at <= :now)
  AND NOT EXISTS (SELECT 1 FROM webhook_receivers AS r WHERE r.receiver = walk.receiver
                  AND (r.lease_until > :now OR r.next_try_at > :now))
  AND NOT EXISTS (SELECT 1 FROM webhooks AS w WHERE w.id = walk.receiver AND w.paused_at IS NOT NULL)
ORDER BY receiver LIMIT :limit
"""  # noqa: S608 - our own text


def due_receivers(connection: Connection, now: int, limit: int, after: int | None = None) -> list[int]:
    """Return receivers that have something due and that nobody serves: at most ``limit``, beyond ``after`` first."""
    start = _BEFORE_ALL if after is None else after
    query = text(_WITH_SOMETHING_DUE)
    found = list(connection.execute(query, {"after": start, "now": now, "limit": limit}).scalars())
    if len(found) < limit and start != _BEFORE_ALL:
        again = connection.execute(query, {"after": _BEFORE_ALL, "now": now, "limit": limit - len(found)}).scalars()
        found += [one for one in again if one <= start]
    return found


_IDS = {
    "sqlite": "SELECT value AS receiver FROM json_each(:ids)",
    "postgresql": "SELECT CAST(value AS bigint) AS receiver FROM json_array_elements_text(CAST(:ids AS json))",
}
"""Ids as one value: a statement of its own for each number of rows would be compiled anew every time."""
_CLAIM = """
INSERT INTO webhook_receivers (receiver, lease_owner, lease_until, failures, last_error, given_up, used_at)
SELECT ids.receiver, :owner, :until, 0, '', 0, :now FROM (%s) AS ids WHERE true ORDER BY ids.receiver
ON CONFLICT (receiver) DO UPDATE SET lease_owner = excluded.lease_owner, lease_until = excluded.lease_until,
  used_at = excluded.used_at
WHERE webhook_receivers.lease_until <= :now
RETURNING *
"""
_KNOW = """
INSERT INTO webhook_receivers (receiver, lease_until, failures, last_error, given_up, used_at)
VALUES (:receiver, 0, 0, '', 0, :now) ON CONFLICT (receiver) DO NOTHING
"""


def claim(connection: Connection, receivers: Sequence[int], owner: int, now: int, until: int) -> list[Held]:
    """Lease receivers that nobody serves; those that another worker was quicker with are left out."""
    statement = text(_CLAIM % _IDS[connection.dialect.name])
    ids = msgspec.json.encode(list(receivers)).decode()
    found = connection.execute(statement, {"ids": ids, "owner": owner, "now": now, "until": until}).mappings()
    return [Held(row["receiver"], _health(row)) for row in found]


def renew(connection: Connection, owner: int, receivers: Collection[int], until: int) -> frozenset[int]:
    """Lengthen leases; returns the receivers that ``owner`` still holds."""
    mine = and_(webhook_receivers.c.lease_owner == owner, webhook_receivers.c.receiver.in_(sorted(receivers)))
    statement = update(webhook_receivers).where(mine).values(lease_until=until)
    return frozenset(connection.execute(statement.returning(webhook_receivers.c.receiver)).scalars())


def release(connection: Connection, owner: int, receivers: Mapping[int, Health]) -> None:
    """Give leases back, and note how the receivers have been doing."""
    _note(connection, owner, receivers, lease_owner=None, lease_until=0)


def note(connection: Connection, owner: int, receivers: Mapping[int, Health]) -> None:
    """Note how receivers are doing that ``owner`` goes on serving."""
    _note(connection, owner, receivers)


def _note(connection: Connection, owner: int, receivers: Mapping[int, Health], **lease: int | None) -> None:
    c = webhook_receivers.c
    mine = and_(c.lease_owner == bindparam("owner"), c.receiver == bindparam("one"))
    noted: dict[str, Any] = {name: bindparam(f"new_{name}") for name in Health.__struct_fields__}
    # What a sweep has noted since the receiver was leased stays; a recovery alone begins anew.
    noted["given_up"] = case((bindparam("new_failures", type_=Integer) == 0, 0), else_=_greater(c.given_up, "given_up"))
    noted["told_at"] = _greater(c.told_at, "told_at")
    statement = update(webhook_receivers).where(mine).values(**noted, **lease)
    values = []
    for receiver, health in sorted(receivers.items()):
        facts = msgspec.structs.asdict(health) | {"last_error": rows.storable(health.last_error)}
        values.append({"owner": owner, "one": receiver} | {f"new_{name}": value for name, value in facts.items()})
    if values:
        connection.execute(statement, values)


def _greater(column: ColumnElement[int | None], name: str) -> ColumnElement[int | None]:
    # Neither engine has the other's function for it. A null is greater than nothing.
    fresh = bindparam(f"new_{name}", type_=BigInteger)
    return case((column > func.coalesce(fresh, _BEFORE_ALL), column), else_=fresh)


def release_owners(connection: Connection, owners: Collection[int]) -> None:
    """Free the receivers that incarnations of workers served which have ended."""
    mine = webhook_receivers.c.lease_owner.in_(sorted(owners))
    connection.execute(update(webhook_receivers).where(mine).values(lease_owner=None, lease_until=0))


def health_of(connection: Connection, receivers: Collection[int]) -> dict[int, Health]:
    """Return how receivers are doing, those that anything is known of."""
    query = select(webhook_receivers).where(webhook_receivers.c.receiver.in_(sorted(receivers)))
    return {row["receiver"]: _health(row) for row in connection.execute(query).mappings()}


def due(
    connection: Connection, receiver: int, now: int, limit: int, after: tuple[int, int] = (0, 0)
) -> list[WaitingCall]:
    """Return a receiver's due calls in the order in which they are made, beyond a due time and id."""
    c = webhook_calls.c
    due_at, call_id = after
    query = (
        select(webhook_calls)
        .where(c.receiver == receiver, c.due_at <= now, c.due_at >= due_at)
        .where(or_(c.due_at > due_at, c.id > call_id))
        .order_by(c.due_at, c.id)
        .limit(limit)
    )
    return [_call(row) for row in connection.execute(query)]


def first_due(
    connection: Connection, receivers: Sequence[int], now: int, limit: int
) -> tuple[dict[int, list[WaitingCall]], Material]:
    """Return the first due calls of each of some receivers, and what they are made of: in one look for all of them."""
    found = {receiver: due(connection, receiver, now, limit) for receiver in receivers}
    return found, material(connection, [call for calls in found.values() for call in calls])


def add(connection: Connection, call_rows: Sequence[rows.Row]) -> None:
    """Write calls: rows of ``outbox.CALL_COLUMNS``."""
    if call_rows:
        names = [column.name for column in webhook_calls.columns]
        connection.execute(webhook_calls.insert(), [dict(zip(names, row, strict=True)) for row in call_rows])


def material(connection: Connection, calls: Sequence[WaitingCall]) -> Material:
    """Return what calls are made of."""
    found = Material({}, {}, {})
    for start in range(0, len(calls), _AT_A_TIME):
        _read_material(connection, calls[start : start + _AT_A_TIME], found)
    return found


def material_of(connection: Connection, event_ids: Sequence[int]) -> Material:
    """Return what calls about events are made of."""
    found = Material({}, {}, {})
    for start in range(0, len(event_ids), _AT_A_TIME):
        part = event_ids[start : start + _AT_A_TIME]
        _read_events(connection, part, {partition_of(one) for one in part}, found)
    wanted = sorted({one.message_id for one in found.events.values() if one.message_id is not None})
    for start in range(0, len(wanted), _AT_A_TIME):
        part = wanted[start : start + _AT_A_TIME]
        _read_messages(connection, part, {partition_of(one) for one in part}, found)
    return found


def _read_material(connection: Connection, calls: Sequence[WaitingCall], found: Material) -> None:
    partitions = {partition_of(call.id) for call in calls}
    _read_events(connection, {call.event_id for call in calls}, partitions, found)
    wanted = {call.message_id for call in calls if call.message_id is not None}
    if wanted:
        _read_messages(connection, wanted, partitions, found)


def _read_events(connection: Connection, wanted: Collection[int], partitions: set[int], found: Material) -> None:
    columns = [events.c[name] for name in rows.EVENT_COLUMNS]
    query = select(*columns).where(events.c.id.in_(sorted(wanted)), events.c.partition.in_(sorted(partitions)))
    found.events.update((row[0], rows.event_from(row)) for row in connection.execute(query))


def _read_messages(connection: Connection, wanted: Collection[int], partitions: set[int], found: Material) -> None:
    columns = [messages.c[name] for name in rows.MESSAGE_COLUMNS]
    query = select(*columns, messages.c.told_header).where(
        messages.c.id.in_(sorted(wanted)), messages.c.partition.in_(sorted(partitions))
    )
    for row in connection.execute(query):
        found.messages[row[0]] = rows.message_from(row)
        if row.told_header is not None:
            found.headers[row[0]] = bytes(row.told_header)
    _read_values(connection, found)


def _read_values(connection: Connection, found: Material) -> None:
    differing = {one.id for one in found.messages.values() if differs_by_recipient(one.options.variables)}
    wanted = {one.delivery_id for one in found.events.values() if one.message_id in differing}
    ids = sorted(one for one in wanted if one is not None and one not in found.values)
    if not ids:
        return
    columns = [deliveries.c[name] for name in rows.DELIVERY_COLUMNS]
    partitions = sorted({partition_of(one) for one in ids})
    query = select(*columns).where(deliveries.c.id.in_(ids), deliveries.c.partition.in_(partitions))
    for delivery in (rows.delivery_from(row) for row in connection.execute(query)):
        if delivery.options.variables is not None:
            found.values[delivery.id] = delivery.options.variables


def record(connection: Connection, outcome: Outcome) -> None:
    """Write what became of calls: what has ended goes, what is tried again waits, and the log tells of all."""
    if outcome.attempts:
        webhook_log.append(connection, outcome.attempts)
    for start in range(0, len(outcome.ended), _AT_A_TIME):
        part = outcome.ended[start : start + _AT_A_TIME]
        partitions = sorted({partition_of(one) for one in part})
        connection.execute(
            delete(webhook_calls).where(webhook_calls.c.id.in_(sorted(part)), webhook_calls.c.partition.in_(partitions))
        )
    if outcome.retries:
        mine = and_(webhook_calls.c.partition == bindparam("p"), webhook_calls.c.id == bindparam("i"))
        statement = update(webhook_calls).where(mine).values(due_at=bindparam("d"), attempts=bindparam("a"))
        connection.execute(
            statement,
            [{"p": partition_of(one.id), "i": one.id, "d": one.due_at, "a": one.attempts} for one in outcome.retries],
        )


def expired(connection: Connection, created_before: int, limit: int) -> list[WaitingCall]:
    """Return calls whose time is over, the oldest first: their receiver was paused meanwhile, or is gone."""
    c = webhook_calls.c
    query = select(webhook_calls).where(c.created_at <= created_before).order_by(c.created_at).limit(limit)
    return [_call(row) for row in connection.execute(query)]


def beyond(connection: Connection, bound: int, limit: int) -> list[WaitingCall]:
    """Return the oldest calls of receivers that more than ``bound`` wait for, so many as there are too many."""
    c = webhook_calls.c
    found: list[WaitingCall] = []
    for receiver in connection.execute(text(_RECEIVERS), {"after": _BEFORE_ALL}).scalars():
        query = select(webhook_calls).where(c.receiver == receiver).order_by(c.due_at.desc(), c.id.desc())
        rest = limit - len(found)
        found += [_call(row) for row in connection.execute(query.offset(bound).limit(rest))]
        if len(found) == limit:
            break
    return found


class GivenUp(msgspec.Struct, frozen=True):
    """What became of calls that were to be given up."""

    calls: int
    """Those that still waited."""
    to_be_told: dict[int, tuple[int, Health]]
    """Receivers whose admins are to be told, with how many calls, and how they are doing now."""


def give_up(connection: Connection, attempts: Mapping[int, CallAttempt | None], now: int) -> GivenUp:
    """End calls, by their ids, that will not be made; the log and their receivers tell of those that still wait."""
    partitions = sorted({partition_of(one) for one in attempts})
    mine = and_(webhook_calls.c.id.in_(sorted(attempts)), webhook_calls.c.partition.in_(partitions))
    ended = connection.execute(delete(webhook_calls).where(mine).returning(webhook_calls.c.id)).scalars().all()
    told = [one for call_id in ended if (one := attempts[call_id]) is not None]
    if told:
        webhook_log.append(connection, told)
    counts = Counter(one.receiver for one in told)
    to_be_told = {}
    for receiver in sorted(counts):
        before, after = _count_given_up(connection, receiver, counts[receiver], now)
        if is_to_be_told(before, now):
            to_be_told[receiver] = (counts[receiver], after)
    return GivenUp(len(ended), to_be_told)


def _count_given_up(connection: Connection, receiver: int, calls: int, now: int) -> tuple[Health, Health]:
    """Note that calls to a receiver were given up; returns how it was doing before and after."""
    connection.execute(text(_KNOW), {"receiver": receiver, "now": now})
    mine = webhook_receivers.c.receiver == receiver
    before = _health(connection.execute(select(webhook_receivers).where(mine).with_for_update()).mappings().one())
    after = after_giving_up(before, calls, now)
    connection.execute(update(webhook_receivers).where(mine).values(given_up=after.given_up, told_at=after.told_at))
    return before, after


def replay(
    connection: Connection, attempts: Sequence[CallAttempt], seen: set[tuple[int, int]], new_id: outbox.NewId, now: int
) -> int:
    """Make the calls of attempts again, each event for a receiver once; returns how many.

    Left out is what is in ``seen`` already, what is no longer kept, and what a webhook was to hear of that is gone.
    """
    wanted = {(attempt.receiver, event_id) for attempt in attempts for event_id in attempt.event_ids} - seen
    seen |= wanted
    told: dict[int, Event] = {}
    ids = sorted({one for _, one in wanted})
    columns = [events.c[name] for name in rows.EVENT_COLUMNS]
    for start in range(0, len(ids), _AT_A_TIME):
        part = ids[start : start + _AT_A_TIME]
        # A call of several events tells of several messages, each in a partition of its own.
        partitions = sorted({partition_of(one) for one in part})
        query = select(*columns).where(events.c.id.in_(part), events.c.partition.in_(partitions))
        told |= {row[0]: rows.event_from(row) for row in connection.execute(query)}
    live = set(connection.execute(select(webhooks.c.id)).scalars())
    callbacks = _callbacks(connection, [told[event] for receiver, event in wanted if receiver < 0 and event in told])
    made = []
    for receiver, event_id in sorted(wanted, key=lambda pair: pair[1]):
        event = told.get(event_id)
        if event is None:
            continue
        callback = callbacks.get(event.message_id or 0)
        is_there = receiver in live or (callback and callback_receiver(event.domain_id, callback) == receiver)
        if is_there:
            made.append(outbox.call_row(event, receiver, new_id, now, callback if receiver < 0 else None))
    add(connection, made)
    return len(made)


def _callbacks(connection: Connection, told: Sequence[Event]) -> dict[int, Callback]:
    """Return the addresses that the messages of events name, while those are kept."""
    wanted = sorted({event.message_id for event in told if event.message_id is not None})
    found: dict[int, Callback] = {}
    columns = [messages.c[name] for name in rows.MESSAGE_COLUMNS]
    for start in range(0, len(wanted), _AT_A_TIME):
        part = wanted[start : start + _AT_A_TIME]
        partitions = sorted({partition_of(one) for one in part})
        query = select(*columns).where(messages.c.id.in_(part), messages.c.partition.in_(partitions))
        for message in map(rows.message_from, connection.execute(query)):
            if message.options.callback is not None:
                found[message.id] = message.options.callback
    return found


def count_of(connection: Connection, receiver: int, most: int) -> int:
    """Return how many calls wait for a receiver, counted up to ``most``."""
    some = select(literal(1)).where(webhook_calls.c.receiver == receiver).limit(most).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What waits in the whole installation."""

    calls: int
    """Counted up to a bound."""
    oldest_at: int | None
    paused: int
    """Receivers that the circuit breaker has paused."""


def backlog(connection: Connection, most: int) -> Backlog:
    """Return what waits, from a bounded look."""
    some = select(literal(1)).select_from(webhook_calls).limit(most).subquery()
    paused = select(func.count()).select_from(webhook_receivers).where(webhook_receivers.c.paused_at.is_not(None))
    return Backlog(
        calls=connection.execute(select(func.count()).select_from(some)).scalar_one(),
        oldest_at=connection.execute(select(func.min(webhook_calls.c.created_at))).scalar_one(),
        paused=connection.execute(paused).scalar_one(),
    )


def paused_webhooks(connection: Connection) -> dict[int, Health]:
    """Return the webhooks that the circuit breaker has paused, by id."""
    query = select(webhook_receivers).join(webhooks, webhooks.c.id == webhook_receivers.c.receiver)
    query = query.where(webhook_receivers.c.paused_at.is_not(None))
    return {row["receiver"]: _health(row) for row in connection.execute(query).mappings()}


def forget_receivers(connection: Connection, used_before: int, limit: int) -> int:
    """Forget receivers that had no call for long, so that addresses of single messages do not add up."""
    c = webhook_receivers.c
    waits = select(webhook_calls.c.id).where(webhook_calls.c.receiver == c.receiver).exists()
    old = select(c.receiver).where(c.used_at < used_before, c.lease_until < used_before, ~waits).limit(limit)
    return connection.execute(delete(webhook_receivers).where(c.receiver.in_(old))).rowcount


def _call(row: Row[Any]) -> WaitingCall:
    return WaitingCall(
        id=row.id,
        receiver=row.receiver,
        account_id=row.account_id,
        domain_id=row.domain_id,
        event_id=row.event_id,
        message_id=row.message_id,
        created_at=row.created_at,
        due_at=row.due_at,
        attempts=row.attempts,
        callback=None if row.url is None else Callback(row.url, CallbackFormat(row.format)),
    )


def _health(row: Any) -> Health:
    return Health(**{name: row[name] for name in Health.__struct_fields__})
