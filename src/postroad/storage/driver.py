"""The one SQLite build that this process uses, and connections to it.

Two builds of SQLite in one process would each hold POSIX locks that the other's closing drops.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy.pool import QueuePool, StaticPool

__all__ = ["SUPPORTS_MANY_WRITERS", "connect", "engine_over", "reading_engine", "sqlite"]

if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    try:
        import pysqlite3.dbapi2 as sqlite
    except ImportError:
        import sqlite3 as sqlite

SUPPORTS_MANY_WRITERS: bool = sqlite.sqlite_version_info >= (3, 51, 3)
"""Earlier builds can corrupt a WAL that several processes write and checkpoint."""

_BUSY_TIMEOUT_MS = 10_000
_LOOK_AGAIN_S = 0.01
_CACHE_KIB = 32 * 1024


def connect(path: Path, *, is_reader: bool = False) -> "sqlite.Connection":
    """Open the database file: WAL, every commit synced, no checkpoint by itself."""
    if not path.exists():
        # Mail is nobody else's to read; the log beside the file gets the file's mode.
        path.touch(mode=0o600)
    # isolation_level=None: transactions begin where our code says so, and nowhere else.
    connection = sqlite.connect(path, timeout=_BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False)
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    if is_reader:
        connection.execute("PRAGMA query_only = ON")
    return connection


def _use_wal(connection: "sqlite.Connection") -> None:
    """Have the file written ahead; waits for whoever makes it so at the same moment."""
    # The first connection to a new file changes its kind, for which SQLite asks no busy handler.
    until = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= until:
                connection.close()
                raise
            time.sleep(_LOOK_AGAIN_S)
        else:
            return


def reading_engine(path: Path, connections: int) -> sqlalchemy.Engine:
    """Return an engine over a few connections that can only read, each transaction one snapshot."""
    engine = sqlalchemy.create_engine(
        "sqlite://",
        module=sqlite,
        creator=lambda: connect(path, is_reader=True),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
    )

    @sqlalchemy.event.listens_for(engine, "begin")
    def begin_snapshot(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def engine_over(raw: "sqlite.Connection") -> sqlalchemy.Engine:
    """Return an engine whose only connection is ``raw``; its owner begins and ends the transactions."""

    def borrowed() -> Any:
        return raw

    return sqlalchemy.create_engine("sqlite://", module=sqlite, creator=borrowed, poolclass=StaticPool)
