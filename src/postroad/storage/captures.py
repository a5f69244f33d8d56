"""What the capture sink received: the newest messages, to be looked at in the inbox."""

import msgspec
from sqlalchemy import Connection, RowMapping, delete, select

from postroad.storage.rows import storable
from postroad.storage.schema.control_plane import captures

KEPT = 1_000
"""How many are kept; each new one lets go of the oldest."""


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction that the sink took."""

    id: int = 0
    received_at: int
    reverse_path: str
    recipients: tuple[str, ...]
    header_from: str
    subject: str
    content: bytes


def add(connection: Connection, capture: Capture) -> int:
    """Keep a message and return its id."""
    statement = captures.insert().values(
        received_at=capture.received_at,
        reverse_path=storable(capture.reverse_path),
        recipients=msgspec.json.encode([storable(path) for path in capture.recipients]).decode(),
        header_from=storable(capture.header_from),
        subject=storable(capture.subject),
        content=capture.content,
    )
    added: int = connection.execute(statement.returning(captures.c.id)).scalar_one()
    oldest_kept = select(captures.c.id).order_by(captures.c.id.desc()).offset(KEPT - 1).limit(1).scalar_subquery()
    connection.execute(delete(captures).where(captures.c.id < oldest_kept))
    return added


def newest(connection: Connection, limit: int, before: int | None = None) -> list[Capture]:
    """Return the newest captures, newest first; of those older than the id ``before`` where it is given."""
    query = select(captures).order_by(captures.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(captures.c.id < before)
    return [_capture(row) for row in connection.execute(query).mappings()]


def get(connection: Connection, capture_id: int) -> Capture | None:
    """Return a capture."""
    row = connection.execute(select(captures).where(captures.c.id == capture_id)).mappings().one_or_none()
    return None if row is None else _capture(row)


def _capture(row: RowMapping) -> Capture:
    facts = dict(row)
    return Capture(**facts | {"recipients": msgspec.json.decode(facts["recipients"], type=tuple[str, ...])})
