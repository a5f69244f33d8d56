"""The statements of the flow on PostgreSQL, batch by batch, on the raw driver: one array per column."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy

from postroad.model.dedupe import First, Repeats
from postroad.model.delivery import Delivery
from postroad.model.event import Event
from postroad.model.ids import partition_of
from postroad.model.message import Accepted, Stored
from postroad.model.outcome import Settlement
from postroad.model.suppression import Suppression
from postroad.policy.dedupe import sorted_out, without_repeats
from postroad.policy.suppression import Found, keys_around, keys_of, screened
from postroad.storage import call_keys, dedupe, rows, suppressions
from postroad.storage.database import Claim, SettleRequest
from postroad.storage.lanes import LaneRounds, Visit
from postroad.storage.outbox import CALL_COLUMNS, Outbox
from postroad.storage.schema import control_plane, data_plane

Raw = Any
"""A connection of asyncpg, within a transaction."""

_TYPES: dict[type[Any], str] = {
    sqlalchemy.BigInteger: "bigint",
    sqlalchemy.Integer: "integer",
    sqlalchemy.Text: "text",
    sqlalchemy.Boolean: "boolean",
    sqlalchemy.LargeBinary: "bytea",
}


class _Table:
    """Writes rows of one table, a batch in one statement."""

    def __init__(self, table: sqlalchemy.Table, columns: Sequence[str], ending: str = "") -> None:
        quoted = ", ".join(f'"{column}"' for column in columns)
        types = [_TYPES[type(table.c[column].type)] for column in columns]
        arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(types, 1))
        self._statement = f"INSERT INTO {table.name} ({quoted}) SELECT * FROM unnest({arrays}) {ending}"  # noqa: S608 - our names

    async def insert(self, raw: Raw, rows_: Sequence[rows.Row]) -> None:
        if rows_:
            await raw.execute(self._statement, *_columns(rows_))


def _columns(rows_: Sequence[rows.Row]) -> list[tuple[Any, ...]]:
    return list(zip(*rows_, strict=True))


_MESSAGES = _Table(data_plane.messages, rows.WRITTEN_MESSAGE_COLUMNS)
_BODIES = _Table(data_plane.bodies, rows.BODY_COLUMNS)
_BODY_CHUNKS = _Table(data_plane.body_chunks, rows.BODY_CHUNK_COLUMNS)
_DELIVERIES = _Table(data_plane.deliveries, rows.DELIVERY_COLUMNS)
_EVENTS = _Table(data_plane.events, rows.EVENT_COLUMNS)
_BATCH_MESSAGES = _Table(data_plane.batch_messages, rows.BATCH_MESSAGE_COLUMNS)
_COUNTER_DELTAS = _Table(data_plane.counter_deltas, rows.COUNTER_DELTA_COLUMNS)
_WEBHOOK_CALLS = _Table(data_plane.webhook_calls, CALL_COLUMNS)
_SUPPRESSIONS = _Table(control_plane.suppressions, suppressions.COLUMNS, "ON CONFLICT DO NOTHING")


async def accept(raw: Raw, batch: Sequence[Accepted], outbox: Outbox | None) -> Sequence[Stored]:
    """Write messages, bodies, deliveries, events and what these lead to; returns per message what was stored of it."""
    if any(accepted.call is not None for accepted in batch) and (repeated := await _name_calls(raw, batch)):
        # Not by an error: it would undo what others store in this transaction.
        stored = await _accept_new(raw, [one for one in batch if one.message.id not in repeated], outbox)
        return call_keys.with_repeated(batch, repeated, stored)
    return await _accept_new(raw, batch, outbox)


async def _accept_new(raw: Raw, batch: Sequence[Accepted], outbox: Outbox | None) -> Sequence[Stored]:
    if found := await _standing(raw, keys_of(one for accepted in batch for one in accepted.deliveries)):
        batch = [screened(accepted, found) for accepted in batch]
    repeats: list[Repeats | None] = [None] * len(batch)
    if any(accepted.repeatable is not None for accepted in batch):
        repeats = await _sort_out(raw, batch)
    stored = list(map(without_repeats, batch, repeats))
    written = rows.rows_of(one for one in stored if one is not None)
    await _MESSAGES.insert(raw, written.messages)
    await _BODIES.insert(raw, written.bodies)
    await _BODY_CHUNKS.insert(raw, written.body_chunks)
    await _DELIVERIES.insert(raw, written.deliveries)
    await _BATCH_MESSAGES.insert(raw, written.batch_messages)
    await append_events(raw, written.events, outbox)
    return list(map(Stored, stored, repeats))


_STANDING = f"""
SELECT {", ".join(suppressions.COLUMNS)} FROM suppressions WHERE key = ANY ($1::bigint[])
"""  # noqa: S608 - our own names


async def _standing(raw: Raw, keys: Collection[int]) -> Found:
    """Return what is on the lists under some keys."""
    return suppressions.by_key(await raw.fetch(_STANDING, list(keys)))


async def _suppress(raw: Raw, offered: Sequence[Suppression]) -> None:
    """Add to the lists what they do not have yet."""
    await _SUPPRESSIONS.insert(raw, suppressions.new_rows(offered, await _standing(raw, keys_around(offered))))


_NAME_CALLS = """
INSERT INTO call_keys AS k (key, content, answer, expires_at)
SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[])
ON CONFLICT (key) DO UPDATE SET content = excluded.content, answer = excluded.answer, expires_at = excluded.expires_at
WHERE k.expires_at <= $5 RETURNING k.key
"""


async def _name_calls(raw: Raw, batch: Sequence[Accepted]) -> frozenset[int]:
    """Take the keys of named calls, in one order everywhere; returns the messages of calls whose key was taken before."""
    now = max(accepted.message.accepted_at for accepted in batch)
    # A node that has just taken a key is waited for.
    taken = await raw.fetch(_NAME_CALLS, *_columns(call_keys.offered_rows(batch)), now)
    return call_keys.repeated(batch, [row[0] for row in taken])


_CLAIM_KEYS = """
INSERT INTO dedupe_keys (key, partition, message_id, delivery_id, content, expires_at)
SELECT * FROM unnest($1::bytea[], $2::integer[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[])
ON CONFLICT (key) DO NOTHING RETURNING key
"""
_KNOWN_KEYS = """
SELECT key, partition, message_id, delivery_id, content FROM dedupe_keys
WHERE key = ANY ($1::bytea[]) AND expires_at > $2 ORDER BY key FOR UPDATE
"""
_GIVEN_UP = """
SELECT d.id FROM deliveries AS d JOIN unnest($1::integer[], $2::bigint[]) AS v (partition, id)
  ON d.partition = v.partition AND d.id = v.id
WHERE d.state IN ('bounced', 'cancelled', 'suppressed')
"""
_TAKE_KEYS = """
INSERT INTO dedupe_keys (key, partition, message_id, delivery_id, content, expires_at)
SELECT * FROM unnest($1::bytea[], $2::integer[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[])
ON CONFLICT (key) DO UPDATE SET partition = excluded.partition, message_id = excluded.message_id,
  delivery_id = excluded.delivery_id, content = excluded.content, expires_at = excluded.expires_at
"""


async def _sort_out(raw: Raw, batch: Sequence[Accepted]) -> list[Repeats | None]:
    """Find out what was there already; keys are taken in one order everywhere, so that nodes never wait in a circle."""
    offered = dedupe.offered_rows(batch)
    # A node that has just claimed a key is waited for; in statements after that its rows are seen.
    claimed = {row[0] for row in await raw.fetch(_CLAIM_KEYS, *_columns(list(offered.values())))}
    firsts: dict[bytes, First] = {}
    if len(claimed) < len(offered):
        now = max(accepted.message.accepted_at for accepted in batch)
        found = await raw.fetch(_KNOWN_KEYS, [key for key in offered if key not in claimed], now)
        given_up = await raw.fetch(_GIVEN_UP, [row[1] for row in found], [row[3] for row in found])
        dead = {row[0] for row in given_up}
        firsts = {row[0]: First(row[2], row[3], row[4]) for row in found if row[3] not in dead}
    repeats = sorted_out(batch, firsts)
    owned = dedupe.owned_rows(batch, firsts)
    changed = [row for key, row in owned.items() if key not in claimed or row != offered[key]]
    if changed:
        await raw.execute(_TAKE_KEYS, *_columns(changed))
    if unused := [key for key in claimed if key not in owned]:
        await raw.execute("DELETE FROM dedupe_keys WHERE key = ANY ($1::bytea[])", unused)
    return repeats


async def append_events(raw: Raw, events: Sequence[Event], outbox: Outbox | None) -> None:
    """Write events, one counter delta per distinct thing they count, and the calls that post them."""
    if outbox is not None:
        events = outbox.dated(events)
    await _EVENTS.insert(raw, [rows.event_row(event) for event in events])
    await _COUNTER_DELTAS.insert(raw, rows.counter_delta_rows(events))
    if outbox is not None:
        await _WEBHOOK_CALLS.insert(raw, outbox.calls_of(events))


_SETTLE = """
UPDATE deliveries AS d SET
  state = v.state, due_at = v.due_at, attempts = v.attempts, last_reply = v.last_reply,
  maybe_delivered = d.maybe_delivered OR v.maybe_delivered, lease_owner = NULL, lease_until = NULL
FROM unnest($1::integer[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[], $6::bigint[], $7::integer[],
            $8::text[], $9::boolean[])
  AS v (partition, id, owner, epoch, state, due_at, attempts, last_reply, maybe_delivered)
WHERE d.partition = v.partition AND d.id = v.id
  AND d.state = 'leased' AND d.lease_owner = v.owner AND d.lease_epoch = v.epoch
RETURNING d.id, v.owner, v.epoch
"""
_FINISH = """
UPDATE messages AS m SET
  open_deliveries = m.open_deliveries - v.count,
  finished_at = CASE WHEN m.open_deliveries = v.count THEN $4::bigint END,
  content_until = CASE WHEN m.open_deliveries = v.count THEN $4::bigint + m.keep_content_ms END
FROM unnest($1::integer[], $2::bigint[], $3::integer[]) AS v (partition, id, count)
WHERE m.partition = v.partition AND m.id = v.id
"""


async def settle(raw: Raw, batch: Sequence[SettleRequest], now: int, outbox: Outbox | None) -> list[frozenset[int]]:
    """Record the settlements whose lease still holds, with their events and reports; returns them per request."""
    # In one order everywhere, so that two transactions over the same rows wait for each other instead of for ever.
    offered = sorted((s for request in batch for s in request.settlements), key=lambda s: s.delivery_id)
    if not offered:
        return [frozenset()] * len(batch)
    updated = await raw.fetch(_SETTLE, *_columns([_settlement_row(settlement) for settlement in offered]))
    held = {(row[0], row[1], row[2]) for row in updated}
    effective: list[Settlement] = []
    reports: list[Accepted] = []
    results = []
    for request in batch:
        mine = []
        for settlement in request.settlements:
            lease = (settlement.delivery_id, settlement.owner, settlement.epoch)
            if lease in held:
                held.discard(lease)
                mine.append(settlement)
        effective += mine
        results.append(frozenset([settlement.delivery_id for settlement in mine]))
        reports += [request.reports[identifier] for identifier in results[-1] if identifier in request.reports]
    if finished := sorted(rows.finished_by_message(effective).items()):
        counts = [(partition_of(message_id), message_id, count) for message_id, count in finished]
        await raw.execute(_FINISH, *_columns(counts), now)
    await append_events(raw, [event for settlement in effective for event in settlement.events], outbox)
    if offered_entries := [one for settlement in effective for one in settlement.suppressions]:
        await _suppress(raw, offered_entries)
    if reports:
        await accept(raw, reports, outbox)
    return results


def _settlement_row(settlement: Settlement) -> rows.Row:
    return (
        partition_of(settlement.delivery_id),
        settlement.delivery_id,
        settlement.owner,
        settlement.epoch,
        settlement.state.value,
        settlement.due_at,
        settlement.attempts,
        rows.storable(settlement.last_reply),
        settlement.maybe_delivered,
    )


_EXPIRE_LEASES = """
UPDATE deliveries SET state = 'scheduled', lease_owner = NULL, lease_until = NULL, maybe_delivered = TRUE
WHERE state = 'leased' AND (partition, id) IN (
  SELECT partition, id FROM deliveries WHERE state = 'leased' AND lease_until <= $1 FOR UPDATE SKIP LOCKED)
"""
# The same walk as on SQLite: one descent of the index per step, however long a lane is.
_WALK_LANES = """
WITH RECURSIVE walk AS (
  (SELECT id, lane, rank, due_at, CASE WHEN due_at <= $2 THEN 1 ELSE 0 END AS taken FROM deliveries
   WHERE state = 'scheduled' AND pool = $1 AND lane > $4
   ORDER BY lane, rank, due_at, id LIMIT 1)
  UNION ALL
  SELECT n.id, n.lane, n.rank, n.due_at,
         CASE WHEN n.lane = walk.lane THEN walk.taken ELSE 0 END + CASE WHEN n.due_at <= $2 THEN 1 ELSE 0 END
  FROM walk CROSS JOIN LATERAL (
    SELECT d.id, d.lane, d.rank, d.due_at FROM deliveries AS d
    WHERE d.state = 'scheduled' AND d.pool = $1 AND (d.lane, d.rank, d.due_at, d.id) > (
      walk.lane,
      CASE WHEN walk.taken >= $3 THEN 2147483647 ELSE walk.rank END,
      CASE WHEN walk.taken >= $3 OR walk.due_at > $2 THEN 4611686018427387904 ELSE walk.due_at END,
      walk.id)
    ORDER BY d.lane, d.rank, d.due_at, d.id LIMIT 1) AS n)
SELECT id, lane, due_at FROM walk LIMIT $5
"""
_DUE_FIRST = """
SELECT id FROM deliveries WHERE state = 'scheduled' AND pool = $1 AND due_at <= $2
ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
"""
_LEASE = f"""
UPDATE deliveries SET state = 'leased', lease_owner = $1, lease_epoch = lease_epoch + 1, lease_until = $2
WHERE (partition, id) IN (
  SELECT d.partition, d.id FROM deliveries AS d
  JOIN unnest($3::integer[], $4::bigint[]) AS v (partition, id) ON d.partition = v.partition AND d.id = v.id
  WHERE d.state = 'scheduled' AND d.due_at <= $5
  ORDER BY d.id FOR UPDATE OF d SKIP LOCKED)
RETURNING {", ".join(rows.DELIVERY_COLUMNS)}
"""  # noqa: S608 - our own names


async def claim(raw: Raw, claim_: Claim, rounds: LaneRounds) -> list[Delivery]:
    """Lease due deliveries: some of each lane in turn, then what has been due longest."""
    # A worker that let its lease run out may have been in the middle of a transfer.
    await raw.execute(_EXPIRE_LEASES, claim_.now)
    chosen: dict[int, None] = {}
    for pool in claim_.pools:
        room = claim_.limit - len(chosen)
        if room <= 0:
            break
        chosen.update(dict.fromkeys(await _next_of_lanes(raw, pool, claim_, room, rounds)))
        room = claim_.limit - len(chosen)
        longest_due = [row[0] for row in await raw.fetch(_DUE_FIRST, pool, claim_.now, claim_.limit)]
        chosen.update(dict.fromkeys([found for found in longest_due if found not in chosen][:room]))
    if not chosen:
        return []
    partitions = [partition_of(identifier) for identifier in chosen]
    found = await raw.fetch(_LEASE, claim_.owner, claim_.lease_until, partitions, list(chosen), claim_.now)
    leased = {row[0]: rows.delivery_from(row) for row in found}
    # Another node may have been quicker with some of them.
    claimed = [leased[identifier] for identifier in chosen if identifier in leased]
    return rows.with_barriers(claimed, await _standing(raw, keys_of(claimed)))


async def _next_of_lanes(raw: Raw, pool: str, claim_: Claim, room: int, rounds: LaneRounds) -> list[int]:
    choice = rounds.next(pool, claim_.now, room)
    visits: list[Visit] | None = None
    while True:
        try:
            walk = next(choice) if visits is None else choice.send(visits)
        except StopIteration as end:
            chosen: list[int] = end.value
            return chosen
        found = await raw.fetch(_WALK_LANES, pool, claim_.now, claim_.per_lane, walk.after, walk.visits)
        visits = [Visit(*row) for row in found]


_HELD = """
state = 'leased' AND lease_owner = $1 AND (partition, id) IN (SELECT * FROM unnest($2::integer[], $3::bigint[]))
"""
_RENEW = f"UPDATE deliveries SET lease_until = $4 WHERE {_HELD} RETURNING id"  # noqa: S608 - our own text
_RELEASE = f"""
UPDATE deliveries SET state = 'scheduled', lease_owner = NULL, lease_until = NULL, due_at = coalesce($4, due_at)
WHERE {_HELD}
"""  # noqa: S608 - our own text
_RELEASE_OWNER = """
WITH freed AS (
  UPDATE deliveries SET state = 'scheduled', lease_owner = NULL, lease_until = NULL, maybe_delivered = TRUE
  WHERE state = 'leased' AND lease_owner = $1 RETURNING 1)
SELECT count(*) FROM freed
"""


async def renew(raw: Raw, owner: int, delivery_ids: Sequence[int], until: int) -> frozenset[int]:
    """Lengthen the leases that ``owner`` still holds, and return them."""
    partitions = [partition_of(identifier) for identifier in delivery_ids]
    return frozenset(row[0] for row in await raw.fetch(_RENEW, owner, partitions, list(delivery_ids), until))


async def release(raw: Raw, owner: int, delivery_ids: Sequence[int], due_at: int | None) -> None:
    """Give leases back."""
    partitions = [partition_of(identifier) for identifier in delivery_ids]
    await raw.execute(_RELEASE, owner, partitions, list(delivery_ids), due_at)


async def release_owner(raw: Raw, owner: int) -> int:
    """Free everything an incarnation held."""
    count: int = await raw.fetchval(_RELEASE_OWNER, owner)
    return count


_IS_ANYTHING_DUE = """
SELECT EXISTS (SELECT 1 FROM deliveries WHERE state = 'scheduled' AND pool = ANY ($1::text[]) AND due_at <= $2)
    OR EXISTS (SELECT 1 FROM deliveries WHERE state = 'leased' AND lease_until <= $2)
"""


async def is_anything_due(raw: Raw, claim_: Claim) -> bool:
    """Return whether a claim could find something, without writing."""
    found: bool = await raw.fetchval(_IS_ANYTHING_DUE, list(claim_.pools), claim_.now)
    return found
