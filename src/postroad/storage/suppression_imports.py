"""Uploaded lists of addresses, and how far each has come."""

import msgspec
from sqlalchemy import Connection, RowMapping, delete, select, update

from postroad.model.suppression import ImportProgress, SuppressionImport
from postroad.storage.rows import storable
from postroad.storage.schema.control_plane import suppression_imports


def begin(connection: Connection, started: SuppressionImport, forget_before: int) -> SuppressionImport:
    """Enter an import, and forget those of its domain that began before an instant."""
    table = suppression_imports
    connection.execute(delete(table).where(table.c.domain_id == started.domain_id, table.c.started_at < forget_before))
    values = msgspec.structs.asdict(started) | {
        "file_name": storable(started.file_name),
        "progress": _to_json(started.progress),
    }
    del values["id"]
    found = connection.execute(table.insert().values(values).returning(table.c.id)).scalar_one()
    return msgspec.structs.replace(started, id=found)


def note(
    connection: Connection, import_id: int, progress: ImportProgress, now: int, finished_at: int | None = None
) -> None:
    """Write down how far an import has come."""
    table = suppression_imports
    values = {"progress": _to_json(progress), "updated_at": now, "finished_at": finished_at}
    connection.execute(update(table).where(table.c.id == import_id).values(values))


def get(connection: Connection, import_id: int) -> SuppressionImport | None:
    """Return an import."""
    query = select(suppression_imports).where(suppression_imports.c.id == import_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _import(row)


def remove_of_domain(connection: Connection, domain_id: int) -> None:
    """Forget the imports of a domain that goes."""
    connection.execute(delete(suppression_imports).where(suppression_imports.c.domain_id == domain_id))


def _import(row: RowMapping) -> SuppressionImport:
    progress = msgspec.json.decode(row["progress"], type=ImportProgress)
    return SuppressionImport(**dict(row) | {"progress": progress})


def _to_json(progress: ImportProgress) -> str:
    return storable(msgspec.json.encode(progress).decode())
