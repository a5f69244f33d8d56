"""Opens the database that ``database.url`` names."""

import asyncio
from pathlib import Path

from postroad.storage.database import BatchMeter, Clock, Database, Unmeasured
from postroad.storage.driver_errors import as_storage_errors
from postroad.storage.location import SqliteFile, locate
from postroad.storage.migrate import require_current, schema_state
from postroad.storage.sqlite import SqliteDatabase


async def open_database(
    url: str,
    *,
    data_dir: Path,
    clock: Clock,
    read_connections: int = 4,
    is_checkpointer: bool = True,
    is_writable: bool = True,
    meter: BatchMeter | None = None,
) -> Database:
    """Open a migrated database; raises StorageError, and SchemaMismatch where it needs another version.

    Args:
        url: ``postgresql://…``, ``sqlite:///path``, or empty for the file in the data folder.
        data_dir: The data folder.
        clock: Says when a delivery ended.
        read_connections: How many reads may run at the same time.
        is_checkpointer: Whether this process keeps the write-ahead log short; one process of a node does (SQLite).
        is_writable: Whether this process may write; where not, its writes are refused (SQLite).
        meter: Hears of every transaction.
    """
    require_current(await asyncio.to_thread(schema_state, url, data_dir))
    place = locate(url, data_dir)
    meter = meter or Unmeasured()
    if isinstance(place, SqliteFile):
        with as_storage_errors(place):
            return SqliteDatabase(
                place,
                clock,
                meter,
                read_connections=read_connections,
                is_checkpointer=is_checkpointer,
                is_writable=is_writable,
            )
    # The driver and SQLAlchemy's asyncio layer take as long to import as all the rest of a command on SQLite.
    from postroad.storage.postgres import open_postgres  # noqa: PLC0415

    return await open_postgres(place, clock, meter, read_connections=read_connections)
