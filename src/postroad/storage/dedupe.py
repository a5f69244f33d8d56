"""De-duplication keys, beside the flow; the flow's own statements are in ``hot_sqlite`` and ``hot_postgres``."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Connection, and_, delete, func, select

from postroad.model.dedupe import First
from postroad.model.ids import partition_of
from postroad.model.message import Accepted
from postroad.storage import rows
from postroad.storage.dialect import claimed_rows
from postroad.storage.schema.data_plane import dedupe_keys, deliveries

COLUMNS = ("key", "partition", "message_id", "delivery_id", "content", "expires_at")
_KEYS_PER_STATEMENT = 500


def offered_rows(batch: Iterable[Accepted]) -> dict[bytes, rows.Row]:
    """Return a row for each key of a batch, in the order of the keys: the first message that has it."""
    found: dict[bytes, rows.Row] = {}
    for accepted in batch:
        if (offered := accepted.repeatable) is not None:
            for key, delivery in zip(offered.keys, accepted.deliveries, strict=True):
                first = First(accepted.message.id, delivery.id, offered.content)
                found.setdefault(key, row_of(key, first, offered.expires_at))
    return dict(sorted(found.items()))


def owned_rows(batch: Iterable[Accepted], firsts: Mapping[bytes, First]) -> dict[bytes, rows.Row]:
    """Return the rows of the keys that messages of this batch have come to own."""
    owned: dict[bytes, rows.Row] = {}
    for accepted in batch:
        if (offered := accepted.repeatable) is not None:
            for key in offered.keys:
                first = firsts.get(key)
                if first is not None and first.message_id == accepted.message.id:
                    owned[key] = row_of(key, first, offered.expires_at)
    return dict(sorted(owned.items()))


def row_of(key: bytes, first: First, expires_at: int) -> rows.Row:
    """Return a row of ``COLUMNS``."""
    return (key, partition_of(first.delivery_id), first.message_id, first.delivery_id, first.content, expires_at)


def known(connection: Connection, keys: Sequence[bytes], now: int) -> dict[bytes, First]:
    """Return the first deliveries that keys stand for, without those that ended with nobody reached."""
    return {key: first for part in _parts(keys) for key, first in _known(connection, part, now).items()}


def _parts(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (keys[start : start + _KEYS_PER_STATEMENT] for start in range(0, len(keys), _KEYS_PER_STATEMENT))


def _known(connection: Connection, keys: Sequence[bytes], now: int) -> dict[bytes, First]:
    first = and_(deliveries.c.partition == dedupe_keys.c.partition, deliveries.c.id == dedupe_keys.c.delivery_id)
    found = (
        select(dedupe_keys.c.key, dedupe_keys.c.message_id, dedupe_keys.c.delivery_id, dedupe_keys.c.content)
        .select_from(dedupe_keys.outerjoin(deliveries, first))
        .where(
            dedupe_keys.c.key.in_(keys),
            dedupe_keys.c.expires_at > now,
            func.coalesce(deliveries.c.state, "").not_in(["bounced", "cancelled", "suppressed"]),
        )
    )
    return {row.key: First(row.message_id, row.delivery_id, row.content) for row in connection.execute(found)}


def delete_before(connection: Connection, instant: int, limit: int) -> int:
    """Remove at most ``limit`` keys whose window ended before ``instant``; returns how many."""
    old = select(dedupe_keys.c.key).where(dedupe_keys.c.expires_at < instant).order_by(dedupe_keys.c.expires_at)
    keys = [row.key for row in connection.execute(claimed_rows(old.limit(limit)))]
    if keys:
        connection.execute(delete(dedupe_keys).where(dedupe_keys.c.key.in_(keys)))
    return len(keys)
