"""The bytes of messages; nothing else reads or removes them."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, select, update

from postroad.model.ids import partition_of
from postroad.storage.dialect import claimed_rows
from postroad.storage.schema.data_plane import bodies, body_chunks, messages, rendered


def read_many(connection: Connection, message_ids: Collection[int]) -> dict[int, bytes]:
    """Return the content of messages, without those whose content has gone."""
    partitions = {partition_of(message_id) for message_id in message_ids}
    first = select(bodies.c.message_id, bodies.c.content).where(
        bodies.c.partition.in_(partitions), bodies.c.message_id.in_(message_ids)
    )
    rest = (
        select(body_chunks.c.message_id, body_chunks.c.content)
        .where(body_chunks.c.partition.in_(partitions), body_chunks.c.message_id.in_(message_ids))
        .order_by(body_chunks.c.message_id, body_chunks.c.sequence)
    )
    chunks = {message_id: [bytes(content)] for message_id, content in connection.execute(first)}
    for message_id, content in connection.execute(rest):
        chunks[message_id].append(bytes(content))
    return {message_id: b"".join(parts) for message_id, parts in chunks.items()}


def delete_due(connection: Connection, now: int, limit: int) -> int:
    """Remove the content of at most ``limit`` messages that need it no longer; returns of how many."""
    due = select(messages.c.id).where(messages.c.content_until <= now).order_by(messages.c.content_until).limit(limit)
    message_ids = [row.id for row in connection.execute(claimed_rows(due))]
    if message_ids:
        delete_of(connection, message_ids)
        connection.execute(update(messages).where(messages.c.id.in_(message_ids)).values(content_until=None))
    return len(message_ids)


def delete_of(connection: Connection, message_ids: Sequence[int]) -> None:
    """Remove the content of messages, and what was made of it in test mode."""
    for table in (bodies, body_chunks, rendered):
        connection.execute(delete(table).where(table.c.message_id.in_(message_ids)))
