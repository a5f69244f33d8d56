"""Keys that name calls, with what each call was answered; they are taken in the transaction of what the call asks for."""

from collections.abc import Collection, Iterable, Sequence

import msgspec
from sqlalchemy import Connection, delete, select

from postroad.model.dedupe import AnsweredCall, NamedCall, NamedMessage
from postroad.model.message import Accepted, Stored
from postroad.storage import rows
from postroad.storage.dialect import claimed_rows
from postroad.storage.schema.data_plane import call_keys

COLUMNS = ("key", "content", "answer", "expires_at")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[tuple[int, str], ...]).decode


def offered_rows(batch: Iterable[Accepted]) -> list[rows.Row]:
    """Return a row of ``COLUMNS`` for each name of a batch, the first call's that has it, in the order of their keys."""
    calls: dict[bytes, AnsweredCall] = {}
    for accepted in batch:
        if accepted.call is not None:
            calls.setdefault(accepted.call.call.key, accepted.call)
    return [_row_of(calls[key]) for key in sorted(calls)]


def repeated(batch: Iterable[Accepted], taken: Iterable[bytes]) -> frozenset[int]:
    """Return the messages of calls that repeat others; a key of ``taken``, which were free, is its first call's."""
    free, found = set(taken), set[int]()
    for accepted in batch:
        if (answered := accepted.call) is None:
            continue
        if answered.call.key in free:
            free.remove(answered.call.key)
        else:
            found |= {accepted.message.id, *(one.message_id for one in answered.messages)}
    return frozenset(found)


def with_repeated(batch: Iterable[Accepted], of_repeated: Collection[int], stored: Sequence[Stored]) -> list[Stored]:
    """Return what became of each message of a batch, of which those of repeated calls were left out."""
    others = iter(stored)
    return [
        Stored(None, is_call_repeated=True) if accepted.message.id in of_repeated else next(others)
        for accepted in batch
    ]


def find(connection: Connection, key: bytes, now: int) -> AnsweredCall | None:
    """Return what the call of a key was answered with; None where there was none, or its time is over."""
    query = select(call_keys).where(call_keys.c.key == key, call_keys.c.expires_at > now)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    call = NamedCall(key=row.key, content=row.content, expires_at=row.expires_at)
    return AnsweredCall(call, tuple(NamedMessage(*one) for one in _decode(row.answer)))


def delete_before(connection: Connection, instant: int, limit: int) -> int:
    """Remove at most ``limit`` keys whose window ended before ``instant``; returns how many."""
    old = select(call_keys.c.key).where(call_keys.c.expires_at < instant).order_by(call_keys.c.expires_at)
    keys = [row.key for row in connection.execute(claimed_rows(old.limit(limit)))]
    if keys:
        connection.execute(delete(call_keys).where(call_keys.c.key.in_(keys)))
    return len(keys)


def _row_of(answered: AnsweredCall) -> rows.Row:
    call = answered.call
    told = [(one.message_id, rows.storable(one.message_id_header)) for one in answered.messages]
    return (call.key, call.content, _encode(told), call.expires_at)
