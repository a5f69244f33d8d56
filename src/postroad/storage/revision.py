"""The revision of the control plane: it moves with every change, so that what was read before is known to be old."""

from sqlalchemy import Connection, select, update

from postroad.storage.schema.control_plane import revision


def bump(connection: Connection) -> None:
    """Say that the control plane has changed, in the transaction that changes it."""
    connection.execute(update(revision).values(revision=revision.c.revision + 1))


def current(connection: Connection) -> int:
    """Return the revision."""
    found: int = connection.execute(select(revision.c.revision)).scalar_one()
    return found
