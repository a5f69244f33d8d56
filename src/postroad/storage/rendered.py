"""What deliveries in test mode would have sent; it goes with the content of its message."""

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, delete, insert, select

from postroad.model.ids import partition_of
from postroad.storage.schema.data_plane import rendered


class Rendered(msgspec.Struct, frozen=True):
    """The final bytes of one delivery."""

    delivery_id: int
    message_id: int
    content: bytes


def store(connection: Connection, items: Collection[Rendered]) -> None:
    """Keep final bytes; those of an earlier attempt are replaced."""
    ids = [item.delivery_id for item in items]
    partitions = {partition_of(delivery_id) for delivery_id in ids}
    connection.execute(delete(rendered).where(rendered.c.partition.in_(partitions), rendered.c.delivery_id.in_(ids)))
    rows = [
        {
            "delivery_id": item.delivery_id,
            "partition": partition_of(item.delivery_id),
            "message_id": item.message_id,
            "content": item.content,
        }
        for item in items
    ]
    connection.execute(insert(rendered), rows)


def get(connection: Connection, delivery_id: int) -> bytes | None:
    """Return the final bytes of a delivery; null where none were kept, or no longer."""
    query = select(rendered.c.content).where(
        rendered.c.partition == partition_of(delivery_id), rendered.c.delivery_id == delivery_id
    )
    content = connection.execute(query).scalar_one_or_none()
    return None if content is None else bytes(content)
