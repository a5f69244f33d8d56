"""Brings a database to the newest schema, or says where it stands."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import sqlalchemy
from sqlalchemy.pool import NullPool

from postroad.storage.driver import connect, engine_over
from postroad.storage.driver_errors import as_storage_errors
from postroad.storage.errors import SchemaMismatch, StorageError
from postroad.storage.location import PostgresServer, SqliteFile, locate
from postroad.storage.server import connect as open_connection

T = TypeVar("T")

# Any fixed number will do: it makes nodes that migrate at the same moment take turns.
_ADVISORY_LOCK = 0x706F_7374_726F_6164
_ENCODING = "UTF8"
_SCRIPTS = Path(__file__).parent / "migrations"


class SchemaState(msgspec.Struct, frozen=True):
    """Where a database's schema stands."""

    current: str | None
    """The last step that was run; null for an empty database."""
    newest: str
    """The last step that this version knows."""
    is_newer: bool
    """The database has been migrated by a later version."""
    encoding: str = _ENCODING
    """What texts are kept in, in PostgreSQL's words."""

    @property
    def is_current(self) -> bool:
        """Whether this version can work with the database as it is."""
        return self.current == self.newest


def migrate(url: str, data_dir: Path, to: str = "head") -> list[str]:
    """Run the steps that are missing and return their names; blocks, and may be called from any thread.

    Raises StorageError.
    """
    return run(url, data_dir, partial(_upgrade, to=to))


def schema_state(url: str, data_dir: Path) -> SchemaState:
    """Return where the schema stands, without changing anything; blocks. Raises StorageError."""
    place = locate(url, data_dir)
    with as_storage_errors(place):
        is_there = not isinstance(place, SqliteFile) or place.path.exists()
    if not is_there:
        return SchemaState(None, known_steps()[-1], is_newer=False)
    return run(url, data_dir, state_of)


def state_of(connection: sqlalchemy.Connection) -> SchemaState:
    """Return where the schema stands, by an open connection."""
    is_empty = not sqlalchemy.inspect(connection).has_table("alembic_version")
    query = sqlalchemy.text("SELECT version_num FROM alembic_version")
    current = None if is_empty else connection.execute(query).scalar()
    known = known_steps()
    is_newer = current is not None and current not in known
    encoding = _ENCODING
    if connection.dialect.name == "postgresql":
        encoding = connection.execute(sqlalchemy.text("SELECT current_setting('server_encoding')")).scalar_one()
    return SchemaState(current, known[-1], is_newer=is_newer, encoding=encoding)


def require_encoding(state: SchemaState) -> None:
    """Raise StorageError, with what to do, unless the database can hold every text: mail has them all."""
    if state.encoding == _ENCODING:
        return
    moving = (
        "" if state.current is None else ", and bring over what is in this one by postroad backup and postroad restore"
    )
    raise StorageError(
        f"the database keeps its texts in {state.encoding}, which not all of mail fits into: make another by "
        f"CREATE DATABASE postroad ENCODING '{_ENCODING}' TEMPLATE template0{moving}"
    )


def require_current(state: SchemaState) -> None:
    """Raise SchemaMismatch, or StorageError for its encoding, with what to do, unless this version can work with the database."""
    require_encoding(state)
    if state.is_newer:
        raise SchemaMismatch(
            f"the database is at schema {state.current}, newer than {state.newest} of this version: install the newer "
            "version, or restore a backup made before the upgrade"
        )
    if not state.is_current:
        raise SchemaMismatch(
            f"the database is at schema {state.current or 'none'}, this version needs {state.newest}: run postroad migrate"
        )


def _upgrade(connection: sqlalchemy.Connection, to: str) -> list[str]:
    if connection.dialect.name == "postgresql":
        connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    before = state_of(connection)
    require_encoding(before)
    if before.is_newer:
        require_current(before)
    _run_steps(connection, to)
    known = known_steps()
    done = known.index(before.current) + 1 if before.current else 0
    reached = state_of(connection).current
    return known[done : known.index(reached) + 1] if reached else []


def known_steps() -> list[str]:
    """Return the names of all steps, first to last; each step's file begins with its name."""
    return sorted(file.name.partition("_")[0] for file in (_SCRIPTS / "versions").glob("[0-9]*.py"))


def _run_steps(connection: sqlalchemy.Connection, to: str) -> None:
    # Alembic takes long to import, and every command and every worker looks where the schema stands.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, to)


def run(url: str, data_dir: Path, work: Callable[[sqlalchemy.Connection], T]) -> T:
    """Run ``work`` in a transaction, apart from any open Database; blocks, and may be called from any thread.

    Raises StorageError.
    """
    place = locate(url, data_dir)
    with as_storage_errors(place):
        if isinstance(place, SqliteFile):
            return _run_sqlite(place, work)
        # In a thread of its own, because the caller's may be running an event loop.
        with ThreadPoolExecutor(1, "migrate") as executor:
            return executor.submit(lambda: asyncio.run(_run_postgres(place, work))).result()


def _run_sqlite(place: SqliteFile, work: Callable[[sqlalchemy.Connection], T]) -> T:
    place.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.closing(connect(place.path)) as raw, engine_over(raw).connect() as connection:
        raw.execute("BEGIN IMMEDIATE")
        value = work(connection)
        connection.commit()
        return value


async def _run_postgres(place: PostgresServer, work: Callable[[sqlalchemy.Connection], T]) -> T:
    # What only PostgreSQL needs is imported only with it; see storage.engine.
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(open_connection, place), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()
