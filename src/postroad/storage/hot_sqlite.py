"""The statements of the flow on SQLite, batch by batch, on the raw driver.

The driver lets go of the interpreter's lock for each step of a statement, and beside a busy event loop every step then
waits for a switch interval to get it back: fifty rows by ``executemany`` take fifty such waits, one statement of fifty
rows takes one. So rows are written by multi-row statements and read back as a single value, a JSON array.
"""

import json
from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

import msgspec

from postroad.model.dedupe import First, Repeats
from postroad.model.delivery import Delivery
from postroad.model.event import Event
from postroad.model.message import Accepted, Stored
from postroad.model.outcome import Settlement
from postroad.model.suppression import Suppression
from postroad.policy.dedupe import sorted_out, without_repeats
from postroad.policy.suppression import Found, keys_around, keys_of, screened
from postroad.storage import call_keys, dedupe, rows, suppressions
from postroad.storage.database import Claim, SettleRequest
from postroad.storage.lanes import LaneRounds, Visit
from postroad.storage.outbox import CALL_COLUMNS, Outbox

Raw = Any
"""A connection of the SQLite driver, within a transaction."""

_ROWS_PER_STATEMENT = 64
_decode_json = msgspec.json.Decoder(list[Any]).decode


class _Table:
    """Writes rows of one table, many at a time; keeps its statements for the driver's cache to recognise."""

    def __init__(self, name: str, columns: Sequence[str], verb: str = "INSERT") -> None:
        quoted = ", ".join(f'"{column}"' for column in columns)
        self._head = f"{verb} INTO {name} ({quoted}) VALUES "
        self._row = _placeholders(len(columns))
        self._statements: dict[int, str] = {}

    def insert(self, raw: Raw, rows_: Sequence[rows.Row]) -> None:
        for start in range(0, len(rows_), _ROWS_PER_STATEMENT):
            part = rows_[start : start + _ROWS_PER_STATEMENT]
            raw.execute(self._statement(len(part)), list(chain.from_iterable(part)))

    def _statement(self, count: int) -> str:
        statement = self._statements.get(count)
        if statement is None:
            statement = self._statements[count] = self._head + ",".join([self._row] * count)
        return statement


def _placeholders(columns: int) -> str:
    return f"({','.join('?' * columns)})"


_MESSAGES = _Table("messages", rows.WRITTEN_MESSAGE_COLUMNS)
_BODIES = _Table("bodies", rows.BODY_COLUMNS)
_BODY_CHUNKS = _Table("body_chunks", rows.BODY_CHUNK_COLUMNS)
_DELIVERIES = _Table("deliveries", rows.DELIVERY_COLUMNS)
_EVENTS = _Table("events", rows.EVENT_COLUMNS)
_BATCH_MESSAGES = _Table("batch_messages", rows.BATCH_MESSAGE_COLUMNS)
_DEDUPE_KEYS = _Table("dedupe_keys", dedupe.COLUMNS, "INSERT OR REPLACE")
_COUNTER_DELTAS = _Table("counter_deltas", rows.COUNTER_DELTA_COLUMNS)
_WEBHOOK_CALLS = _Table("webhook_calls", CALL_COLUMNS)
_SUPPRESSIONS = _Table("suppressions", suppressions.COLUMNS, "INSERT OR IGNORE")


def accept(raw: Raw, batch: Sequence[Accepted], outbox: Outbox | None) -> Sequence[Stored]:
    """Write messages, bodies, deliveries, events and what these lead to; returns per message what was stored of it."""
    if any(accepted.call is not None for accepted in batch) and (repeated := _name_calls(raw, batch)):
        # Not by an error: it would undo what others store in this transaction.
        stored = _accept_new(raw, [one for one in batch if one.message.id not in repeated], outbox)
        return call_keys.with_repeated(batch, repeated, stored)
    return _accept_new(raw, batch, outbox)


def _accept_new(raw: Raw, batch: Sequence[Accepted], outbox: Outbox | None) -> Sequence[Stored]:
    if found := _standing(raw, keys_of(one for accepted in batch for one in accepted.deliveries)):
        batch = [screened(accepted, found) for accepted in batch]
    repeats: list[Repeats | None] = [None] * len(batch)
    if any(accepted.repeatable is not None for accepted in batch):
        repeats = _sort_out(raw, batch)
    stored = list(map(without_repeats, batch, repeats))
    written = rows.rows_of(one for one in stored if one is not None)
    _MESSAGES.insert(raw, written.messages)
    _BODIES.insert(raw, written.bodies)
    _BODY_CHUNKS.insert(raw, written.body_chunks)
    _DELIVERIES.insert(raw, written.deliveries)
    _BATCH_MESSAGES.insert(raw, written.batch_messages)
    append_events(raw, written.events, outbox)
    return list(map(Stored, stored, repeats))


_STANDING = f"""
SELECT json_group_array(json_array({", ".join(suppressions.COLUMNS)})) FROM suppressions
WHERE key IN (SELECT value FROM json_each(?))
"""  # noqa: S608 - our own names


def _standing(raw: Raw, keys: Collection[int]) -> Found:
    """Return what is on the lists under some keys."""
    return suppressions.by_key(_fetch_json(raw, _STANDING, json.dumps(list(keys))))


def _suppress(raw: Raw, offered: Sequence[Suppression]) -> None:
    """Add to the lists what they do not have yet."""
    _SUPPRESSIONS.insert(raw, suppressions.new_rows(offered, _standing(raw, keys_around(offered))))


_NAME_CALL = """
INSERT INTO call_keys (key, content, answer, expires_at) VALUES (?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET content = excluded.content, answer = excluded.answer, expires_at = excluded.expires_at
WHERE expires_at <= ?
"""


def _name_calls(raw: Raw, batch: Sequence[Accepted]) -> frozenset[int]:
    """Take the keys of named calls; returns the messages of those calls whose key was taken before."""
    now = max(accepted.message.accepted_at for accepted in batch)
    offered = call_keys.offered_rows(batch)
    return call_keys.repeated(batch, [row[0] for row in offered if raw.execute(_NAME_CALL, (*row, now)).rowcount])


_KNOWN_KEYS = """
SELECT json_group_array(json_array(hex(k.key), k.message_id, k.delivery_id, hex(k.content)))
FROM dedupe_keys AS k LEFT JOIN deliveries AS d ON d.id = k.delivery_id
WHERE k.key IN (%s) AND k.expires_at > ? AND coalesce(d.state, '') NOT IN ('bounced', 'cancelled', 'suppressed')
"""


def _sort_out(raw: Raw, batch: Sequence[Accepted]) -> list[Repeats | None]:
    """Find out what was there already; nobody else writes meanwhile."""
    keys = list(dedupe.offered_rows(batch))
    now = max(accepted.message.accepted_at for accepted in batch)
    firsts: dict[bytes, First] = {}
    for start in range(0, len(keys), _ROWS_PER_STATEMENT):
        part = keys[start : start + _ROWS_PER_STATEMENT]
        statement = _KNOWN_KEYS % ",".join("?" * len(part))
        for key, message_id, delivery_id, content in _fetch_json(raw, statement, *part, now):
            firsts[bytes.fromhex(key)] = First(message_id, delivery_id, bytes.fromhex(content or "") or None)
    repeats = sorted_out(batch, firsts)
    _DEDUPE_KEYS.insert(raw, list(dedupe.owned_rows(batch, firsts).values()))
    return repeats


def append_events(raw: Raw, events: Sequence[Event], outbox: Outbox | None) -> None:
    """Write events, one counter delta per distinct thing they count, and the calls that post them."""
    if outbox is not None:
        events = outbox.dated(events)
    _EVENTS.insert(raw, [rows.event_row(event) for event in events])
    _COUNTER_DELTAS.insert(raw, rows.counter_delta_rows(events))
    if outbox is not None:
        _WEBHOOK_CALLS.insert(raw, outbox.calls_of(events))


_HELD_LEASES = """
SELECT json_group_array(json_array(id, lease_owner, lease_epoch)) FROM deliveries
WHERE id IN (SELECT value FROM json_each(?)) AND state = 'leased'
"""
_SETTLE_HEAD = """
UPDATE deliveries SET
  state = v.column2, due_at = v.column3, attempts = v.column4, last_reply = v.column5,
  maybe_delivered = maybe_delivered OR v.column6, lease_owner = NULL, lease_until = NULL
FROM (VALUES """
_SETTLE_TAIL = ") AS v WHERE deliveries.id = v.column1"
_FINISH_HEAD = """
UPDATE messages SET
  open_deliveries = open_deliveries - v.column2,
  finished_at = CASE WHEN open_deliveries = v.column2 THEN v.column3 END,
  content_until = CASE WHEN open_deliveries = v.column2 THEN v.column3 + keep_content_ms END
FROM (VALUES """
_FINISH_TAIL = ") AS v WHERE messages.id = v.column1"


def settle(raw: Raw, batch: Sequence[SettleRequest], now: int, outbox: Outbox | None) -> list[frozenset[int]]:
    """Record the settlements whose lease still holds, with their events and reports; returns them per request."""
    ids = [settlement.delivery_id for request in batch for settlement in request.settlements]
    # Nobody else writes during this transaction, so what is read here still holds below.
    leases = {lease[0]: (lease[1], lease[2]) for lease in _fetch_json(raw, _HELD_LEASES, json.dumps(ids))}
    effective: list[Settlement] = []
    reports: list[Accepted] = []
    results = []
    for request in batch:
        mine = []
        for settlement in request.settlements:
            if leases.get(settlement.delivery_id) == (settlement.owner, settlement.epoch):
                del leases[settlement.delivery_id]
                mine.append(settlement)
        effective += mine
        results.append(frozenset([settlement.delivery_id for settlement in mine]))
        reports += [request.reports[identifier] for identifier in results[-1] if identifier in request.reports]
    _update(raw, _SETTLE_HEAD, _SETTLE_TAIL, [_settlement_row(settlement) for settlement in effective])
    finished = rows.finished_by_message(effective)
    _update(raw, _FINISH_HEAD, _FINISH_TAIL, [(message_id, count, now) for message_id, count in finished.items()])
    append_events(raw, [event for settlement in effective for event in settlement.events], outbox)
    if offered := [one for settlement in effective for one in settlement.suppressions]:
        _suppress(raw, offered)
    if reports:
        accept(raw, reports, outbox)
    return results


def _settlement_row(settlement: Settlement) -> rows.Row:
    return (
        settlement.delivery_id,
        settlement.state.value,
        settlement.due_at,
        settlement.attempts,
        rows.storable(settlement.last_reply),
        settlement.maybe_delivered,
    )


def _update(raw: Raw, head: str, tail: str, values: Sequence[rows.Row]) -> None:
    for start in range(0, len(values), _ROWS_PER_STATEMENT):
        part = values[start : start + _ROWS_PER_STATEMENT]
        placeholders = ",".join([_placeholders(len(part[0]))] * len(part))
        raw.execute(f"{head}{placeholders}{tail}", list(chain.from_iterable(part)))


_EXPIRE_LEASES = """
UPDATE deliveries SET state = 'scheduled', lease_owner = NULL, lease_until = NULL, maybe_delivered = 1
WHERE state = 'leased' AND lease_until <= ?
"""
# From one row to the next in the order of the index: on within the lane while it has something due and has not given
# its share, else past the rank or past the lane. Each step is one descent of the index, however long the lane is.
_WALK_LANES = """
WITH RECURSIVE walk(id, lane, rank, due_at, taken) AS (
  SELECT id, lane, rank, due_at, due_at <= :now FROM (
    SELECT id, lane, rank, due_at FROM deliveries INDEXED BY deliveries_by_lane
    WHERE state = 'scheduled' AND pool = :pool AND lane > :after
    ORDER BY lane, rank, due_at, id LIMIT 1)
  UNION ALL
  SELECT n.id, n.lane, n.rank, n.due_at, (CASE WHEN n.lane = walk.lane THEN walk.taken ELSE 0 END) + (n.due_at <= :now)
  FROM walk JOIN deliveries AS n ON n.id = (
    SELECT d.id FROM deliveries AS d INDEXED BY deliveries_by_lane
    WHERE d.state = 'scheduled' AND d.pool = :pool AND (d.lane, d.rank, d.due_at, d.id) > (
      walk.lane,
      CASE WHEN walk.taken >= :per_lane THEN 2147483648 ELSE walk.rank END,
      CASE WHEN walk.taken >= :per_lane OR walk.due_at > :now THEN 4611686018427387904 ELSE walk.due_at END,
      walk.id)
    ORDER BY d.lane, d.rank, d.due_at, d.id LIMIT 1)
  LIMIT :visits)
SELECT json_group_array(json_array(id, lane, due_at)) FROM walk
"""
_DUE_FIRST = """
SELECT json_group_array(id) FROM (
  SELECT id FROM deliveries INDEXED BY deliveries_by_due
  WHERE state = 'scheduled' AND pool = ? AND due_at <= ? ORDER BY due_at LIMIT ?)
"""
_LEASE = """
UPDATE deliveries SET state = 'leased', lease_owner = ?, lease_epoch = lease_epoch + 1, lease_until = ?
WHERE id IN (SELECT value FROM json_each(?))
"""
_DELIVERIES_BY_ID = f"""
SELECT json_group_array(json_array({", ".join(rows.DELIVERY_COLUMNS)})) FROM deliveries
WHERE id IN (SELECT value FROM json_each(?))
"""  # noqa: S608 - our own names
_IS_ANYTHING_DUE = """
SELECT EXISTS (SELECT 1 FROM deliveries WHERE state = 'scheduled'
               AND pool IN (SELECT value FROM json_each(?)) AND due_at <= ?)
    OR EXISTS (SELECT 1 FROM deliveries WHERE state = 'leased' AND lease_until <= ?)
"""


def is_anything_due(raw: Raw, claim: Claim) -> bool:
    """Return whether a claim could find something, without writing."""
    parameters = (json.dumps(claim.pools), claim.now, claim.now)
    return bool(raw.execute(_IS_ANYTHING_DUE, parameters).fetchone()[0])


def claim(raw: Raw, claim_: Claim, rounds: LaneRounds) -> list[Delivery]:
    """Lease due deliveries: some of each lane in turn, then what has been due longest."""
    # A worker that let its lease run out may have been in the middle of a transfer.
    raw.execute(_EXPIRE_LEASES, (claim_.now,))
    chosen: dict[int, None] = {}
    for pool in claim_.pools:
        room = claim_.limit - len(chosen)
        if room <= 0:
            break
        chosen.update(dict.fromkeys(_next_of_lanes(raw, pool, claim_, room, rounds)))
        room = claim_.limit - len(chosen)
        longest_due = _fetch_json(raw, _DUE_FIRST, pool, claim_.now, claim_.limit)
        chosen.update(dict.fromkeys([found for found in longest_due if found not in chosen][:room]))
    if not chosen:
        return []
    ids = json.dumps(list(chosen))
    raw.execute(_LEASE, (claim_.owner, claim_.lease_until, ids))
    leased = {row[0]: rows.delivery_from(row) for row in _fetch_json(raw, _DELIVERIES_BY_ID, ids)}
    claimed = [leased[identifier] for identifier in chosen]
    return rows.with_barriers(claimed, _standing(raw, keys_of(claimed)))


def _next_of_lanes(raw: Raw, pool: str, claim_: Claim, room: int, rounds: LaneRounds) -> list[int]:
    choice = rounds.next(pool, claim_.now, room)
    visits: list[Visit] | None = None
    while True:
        try:
            walk = next(choice) if visits is None else choice.send(visits)
        except StopIteration as end:
            chosen: list[int] = end.value
            return chosen
        parameters = {"pool": pool, "now": claim_.now, "per_lane": claim_.per_lane, **walk._asdict()}
        visits = [Visit(*row) for row in _decode_json(raw.execute(_WALK_LANES, parameters).fetchone()[0])]


_RENEW = """
UPDATE deliveries SET lease_until = ?
WHERE state = 'leased' AND lease_owner = ? AND id IN (SELECT value FROM json_each(?))
"""
_HELD_BY = """
SELECT json_group_array(id) FROM deliveries
WHERE state = 'leased' AND lease_owner = ? AND id IN (SELECT value FROM json_each(?))
"""
_RELEASE = """
UPDATE deliveries SET state = 'scheduled', lease_owner = NULL, lease_until = NULL, due_at = coalesce(?, due_at)
WHERE state = 'leased' AND lease_owner = ? AND id IN (SELECT value FROM json_each(?))
"""
_RELEASE_OWNER = """
UPDATE deliveries SET state = 'scheduled', lease_owner = NULL, lease_until = NULL, maybe_delivered = 1
WHERE state = 'leased' AND lease_owner = ?
"""


def renew(raw: Raw, owner: int, delivery_ids: Sequence[int], until: int) -> frozenset[int]:
    """Lengthen the leases that ``owner`` still holds, and return them."""
    ids = json.dumps(list(delivery_ids))
    raw.execute(_RENEW, (until, owner, ids))
    return frozenset(_fetch_json(raw, _HELD_BY, owner, ids))


def release(raw: Raw, owner: int, delivery_ids: Sequence[int], due_at: int | None) -> None:
    """Give leases back."""
    raw.execute(_RELEASE, (due_at, owner, json.dumps(list(delivery_ids))))


def release_owner(raw: Raw, owner: int) -> int:
    """Free everything an incarnation held."""
    count: int = raw.execute(_RELEASE_OWNER, (owner,)).rowcount
    return count


def _fetch_json(raw: Raw, statement: str, *parameters: Any) -> list[Any]:
    return _decode_json(raw.execute(statement, parameters).fetchone()[0])
