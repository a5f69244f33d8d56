"""Where tracked links lead to no longer, as operators decided."""

from sqlalchemy import Connection, delete, select

from postroad.model.audit import AuditEntry
from postroad.model.tracking import BlockedDestination
from postroad.storage import audit, revision
from postroad.storage.dialect import insert_into
from postroad.storage.schema.control_plane import blocked_destinations


def add(connection: Connection, blocked: BlockedDestination, entry: AuditEntry) -> bool:
    """Block a destination; false where it is."""
    statement = insert_into(connection, blocked_destinations).values(
        pattern=blocked.pattern, reason=blocked.reason, created_at=blocked.created_at, created_by=blocked.created_by
    )
    if connection.execute(statement.on_conflict_do_nothing()).rowcount != 1:
        return False
    audit.record(connection, entry)
    revision.bump(connection)
    return True


def remove(connection: Connection, pattern: str, entry: AuditEntry) -> bool:
    """Let links lead there again; false where they do."""
    statement = delete(blocked_destinations).where(blocked_destinations.c.pattern == pattern)
    if connection.execute(statement).rowcount != 1:
        return False
    audit.record(connection, entry)
    revision.bump(connection)
    return True


def list_all(connection: Connection) -> list[BlockedDestination]:
    """Return all of them, in the order of their patterns."""
    query = select(blocked_destinations).order_by(blocked_destinations.c.pattern)
    return [
        BlockedDestination(pattern=row.pattern, reason=row.reason, created_at=row.created_at, created_by=row.created_by)
        for row in connection.execute(query)
    ]
