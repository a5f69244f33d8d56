"""Batches of messages that are held or cancelled together, and which messages are of them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from postroad.model.send_batch import BatchStatus, SendBatch
from postroad.storage.schema.control_plane import send_batches
from postroad.storage.schema.data_plane import batch_messages


def add(connection: Connection, batch: SendBatch) -> None:
    """Make a batch known."""
    connection.execute(
        send_batches.insert().values(
            id=batch.id,
            account_id=batch.account_id,
            domain_id=batch.domain_id,
            status=None if batch.status is None else batch.status.value,
            created_at=batch.created_at,
        )
    )


def get(connection: Connection, batch_id: str) -> SendBatch | None:
    """Return a batch."""
    row = connection.execute(select(send_batches).where(send_batches.c.id == batch_id)).one_or_none()
    return None if row is None else _batch(row)


def asked_of(connection: Connection, domain_id: int, limit: int) -> list[SendBatch]:
    """Return a domain's batches that are held or cancelled, newest first."""
    query = select(send_batches).where(send_batches.c.domain_id == domain_id, send_batches.c.status.is_not(None))
    newest = query.order_by(send_batches.c.created_at.desc(), send_batches.c.id).limit(limit)
    return [_batch(row) for row in connection.execute(newest)]


def count(connection: Connection, domain_id: int) -> int:
    """Return how many batches a domain has."""
    number: int = connection.execute(
        select(func.count()).select_from(send_batches).where(send_batches.c.domain_id == domain_id)
    ).scalar_one()
    return number


def set_status(connection: Connection, batch_id: str, status: BatchStatus | None) -> None:
    """Note what is asked for a batch; null for nothing."""
    value = None if status is None else status.value
    connection.execute(update(send_batches).where(send_batches.c.id == batch_id).values(status=value))


def message_ids(connection: Connection, batch_id: str) -> Sequence[int]:
    """Return the messages of a batch, the first one first."""
    of_batch = select(batch_messages.c.message_id).where(batch_messages.c.batch_id == batch_id)
    return connection.execute(of_batch.order_by(batch_messages.c.message_id)).scalars().all()


def delete_messages(connection: Connection, message_ids: Sequence[int]) -> None:
    """Forget which batches messages are of that are removed."""
    connection.execute(delete(batch_messages).where(batch_messages.c.message_id.in_(message_ids)))


def delete_before(connection: Connection, instant: int, limit: int) -> int:
    """Remove at most ``limit`` batches made before ``instant`` that have no message any more; returns how many."""
    is_used = select(batch_messages.c.message_id).where(batch_messages.c.batch_id == send_batches.c.id).exists()
    old = select(send_batches.c.id).where(send_batches.c.created_at < instant, ~is_used).limit(limit)
    ids = [row.id for row in connection.execute(old)]
    if ids:
        connection.execute(delete(send_batches).where(send_batches.c.id.in_(ids)))
    return len(ids)


def _batch(row: Row[Any]) -> SendBatch:
    return SendBatch(
        id=row.id,
        account_id=row.account_id,
        domain_id=row.domain_id,
        status=None if row.status is None else BatchStatus(row.status),
        created_at=row.created_at,
    )
