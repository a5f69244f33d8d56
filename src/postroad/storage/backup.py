"""Backup while running, and restore into an empty place.

A backup is one tar file: a manifest, the master key where it is a file of the data folder, and the database: on SQLite as a
file, on PostgreSQL as one COPY file per table out of one snapshot. With the key it holds everything that it takes to read the
secrets in it, so it is as secret as they are. A backup is restored with the engine it was made with.
"""

import asyncio
import contextlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import msgspec

from postroad.storage import workers
from postroad.storage.driver import connect, sqlite
from postroad.storage.driver_errors import as_storage_errors, what_failed
from postroad.storage.errors import SchemaMismatch, StorageError
from postroad.storage.location import PostgresServer, SqliteFile, locate
from postroad.storage.migrate import SchemaState, migrate, run, schema_state
from postroad.storage.schema import metadata
from postroad.storage.secrets import MASTER_KEY_FILE, is_key_of
from postroad.storage.server import connect as open_connection

_FORMAT = 2
_FORMATS_READ = range(1, _FORMAT + 1)
"""The first one did not say which columns are in the files of PostgreSQL."""
_MANIFEST = "manifest.json"
_SQLITE_MEMBER = "postroad.sqlite"
_NEVER_MS = 1 << 62


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself."""

    format: int
    engine: str
    schema: str
    made_at: int
    last_numbers: dict[str, int] = {}
    """The last id that each table which numbers its rows gave out (PostgreSQL), so that none is given twice."""
    columns: dict[str, list[str]] = {}
    """The columns in each table's file, in their order (PostgreSQL)."""
    holds_key: bool = False
    """Whether the master key that the secrets in it are encrypted with is in it too."""


def backup(url: str, data_dir: Path, target: Path, *, now: int) -> Manifest:
    """Write a backup of a database that may be in use; blocks. ``target`` appears when it is complete.

    Raises StorageError.
    """
    place = locate(url, data_dir)
    state = schema_state(url, data_dir)
    if state.current is None:
        raise StorageError("there is no database to back up")
    if not target.parent.is_dir():
        raise StorageError(f"there is no folder {target.parent} to write a backup into")
    with _writing(target), _folder_beside(target) as folder:
        key_file = data_dir / MASTER_KEY_FILE
        if key_file.exists():
            shutil.copyfile(key_file, folder / MASTER_KEY_FILE)
        facts = _Facts(state.current, {}, {})
        if isinstance(place, SqliteFile):
            _copy_sqlite(place, folder / _SQLITE_MEMBER, target)
        else:
            facts = _in_own_loop(_export(place, folder, target))
        manifest = Manifest(
            format=_FORMAT,
            engine=_engine_of(place),
            schema=facts.schema,
            made_at=now,
            columns=facts.columns,
            last_numbers=facts.last_numbers,
            holds_key=key_file.exists() and run(url, data_dir, lambda connection: is_key_of(connection, data_dir)),
        )
        (folder / _MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        _pack(folder, target)
    return manifest


def restore(source: Path, url: str, data_dir: Path) -> Manifest:
    """Bring a backup to an empty place and to the newest schema; blocks. Raises StorageError where it is not empty."""
    place = locate(url, data_dir)
    _require_readable(source)
    key_file = data_dir / MASTER_KEY_FILE
    with _writing(data_dir), _folder_beside(_made(data_dir) / "restore") as folder:
        manifest = _unpack(source, folder)
        state = schema_state(url, data_dir)
        _require_fitting(manifest, place, state.newest)
        _require_empty(place, state, key_file, folder / MASTER_KEY_FILE)
        if (folder / MASTER_KEY_FILE).exists():
            _move_synced(folder / MASTER_KEY_FILE, key_file)
        if isinstance(place, SqliteFile):
            _made(place.path.parent)
            _move_synced(folder / _SQLITE_MEMBER, place.path)
        else:
            migrate(url, data_dir, to=manifest.schema)
            _in_own_loop(_import(place, folder, manifest))
    migrate(url, data_dir)
    # None of the workers of that time is alive: what they held is free, and may have been delivered since.
    run(url, data_dir, lambda connection: workers.expire(connection, _NEVER_MS))
    return manifest


def _engine_of(place: SqliteFile | PostgresServer) -> str:
    return "SQLite" if isinstance(place, SqliteFile) else "PostgreSQL"


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Say of what is written that it cannot be: the database may be well. Raises StorageError."""
    try:
        yield
    except (ConnectionError, TimeoutError):
        raise
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {what_failed(error)}") from error
    except sqlite.OperationalError as error:
        raise StorageError(f"{target} cannot be written: {error}") from error


@contextlib.contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    """Make a folder on the disk of ``target`` that only its owner can look into, and remove it afterwards."""
    try:
        made = tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent)
    except OSError as error:
        raise StorageError(f"{target.parent} cannot be written: {error.strerror}") from error
    with made as folder:
        yield Path(folder)


def _copy_sqlite(place: SqliteFile, copy: Path, target: Path) -> None:
    with as_storage_errors(place), contextlib.closing(connect(place.path)) as raw, _writing(target):
        # One read transaction, beside which writing goes on.
        raw.execute("VACUUM INTO ?", (str(copy),))


class _Facts(msgspec.Struct, frozen=True):
    """What a copy is of, out of the snapshot that it was made of."""

    schema: str
    columns: dict[str, list[str]]
    last_numbers: dict[str, int]


async def _export(place: PostgresServer, folder: Path, target: Path) -> _Facts:
    with as_storage_errors(place):
        connection = await open_connection(place)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                schema = await connection.fetchval("SELECT version_num FROM alembic_version")
                columns = await _columns_of(connection)
                for table, its_columns in columns.items():
                    with _writing(target):
                        await connection.copy_from_table(
                            table, output=folder / f"{table}.copy", columns=its_columns, format="binary"
                        )
                numbers = {table: number for table, _, number in await connection.fetch(_LAST_NUMBERS)}
                return _Facts(schema, columns, numbers)
        finally:
            await connection.close()


async def _import(place: PostgresServer, folder: Path, manifest: Manifest) -> None:
    with as_storage_errors(place):
        connection = await open_connection(place)
        try:
            async with connection.transaction():
                there = await _columns_of(connection)
                columns = manifest.columns or _columns_as_declared(there)
                # What is of others in the same schema stays as it is.
                tables = [table for table in await _parents_first(connection, there) if table in columns]
                # What the steps themselves wrote is in the backup too, as it is by now.
                await connection.execute(f"TRUNCATE {', '.join(tables)}")
                for table in tables:
                    await connection.copy_to_table(
                        table, source=folder / f"{table}.copy", columns=columns[table], format="binary"
                    )
                for table, column, _ in await connection.fetch(_LAST_NUMBERS):
                    if table not in tables:
                        continue
                    # Backups of the first versions lack some: those begin behind the rows that are there.
                    highest = f"SELECT coalesce(max({column}), 0) FROM {table}"  # noqa: S608 - our own names
                    number = max(await connection.fetchval(highest), manifest.last_numbers.get(table, 0))
                    await connection.execute(_SET_LAST_NUMBER, table, column, number)
        finally:
            await connection.close()


async def _columns_of(connection: Any) -> dict[str, list[str]]:
    """Return the tables that are there and their columns: at an older schema they are others than this version's."""
    return dict(await connection.fetch(_COLUMNS))


async def _parents_first(connection: Any, tables: Iterable[str]) -> list[str]:
    """Return the tables in an order in which what refers to a row finds it."""
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(tables, ()))
    for child, parent in await connection.fetch(_REFERENCES):
        order.add(child, parent)
    return list(order.static_order())


def _columns_as_declared(there: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return what is in the files of a backup that does not say so: what the version that made it declared, in that order."""
    return {
        name: [str(column.name) for column in table.columns if column.name in there[name]]
        for name, table in metadata.tables.items()
        if name in there
    }


# Ordinary tables only: extensions bring views, and tables that they fill themselves.
_COLUMNS = """
SELECT relname::text, array_agg(attname::text ORDER BY attnum) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname <> 'alembic_version'
AND attnum > 0 AND NOT attisdropped
AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
GROUP BY relname ORDER BY relname
"""
_REFERENCES = """
SELECT child.relname::text, parent.relname::text FROM pg_constraint
JOIN pg_class child ON child.oid = conrelid JOIN pg_class parent ON parent.oid = confrelid
WHERE contype = 'f' AND conrelid <> confrelid AND connamespace = current_schema()::regnamespace
"""
# The database's own word on which tables number their rows: a list of ours forgets those that later steps make.
_LAST_NUMBERS = """
SELECT table_name::text, column_name::text,
       coalesce(pg_sequence_last_value(pg_get_serial_sequence(table_name, column_name)::regclass), 0)
FROM information_schema.columns
WHERE table_schema = current_schema() AND pg_get_serial_sequence(table_name, column_name) IS NOT NULL
"""
_SET_LAST_NUMBER = "SELECT setval(pg_get_serial_sequence($1, $2), greatest($3::bigint, 1), $3::bigint > 0)"


def _in_own_loop(work: Any) -> Any:
    # In a thread of its own, because the caller's may be running an event loop.
    with ThreadPoolExecutor(1, "backup") as executor:
        return executor.submit(asyncio.run, work).result()


def _pack(folder: Path, target: Path) -> None:
    draft = folder / "draft.tar"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for member in sorted(folder.iterdir()):
                if member != draft:
                    archive.add(member, member.name)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
    _sync_folder(target.parent)


def _require_readable(source: Path) -> None:
    try:
        source.open("rb").close()
    except OSError as error:
        raise StorageError(f"{source} cannot be read: {error.strerror}") from error


def _unpack(source: Path, folder: Path) -> Manifest:
    try:
        with tarfile.open(source) as archive:
            # "data" refuses members that would leave the folder.
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise StorageError(f"{source} is not a whole backup: it is no tar file, or was cut off") from error
    except OSError as error:
        raise StorageError(f"{source} cannot be unpacked beside the data: {error.strerror or error}") from error
    try:
        manifest = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise StorageError(f"{source} is not a whole backup: it has no {_MANIFEST} that can be read") from error
    if manifest.format not in _FORMATS_READ:
        raise StorageError(f"{source} has format {manifest.format}, this version reads up to {_FORMAT}")
    return manifest


def _require_fitting(manifest: Manifest, place: SqliteFile | PostgresServer, newest: str) -> None:
    if manifest.engine != _engine_of(place):
        raise StorageError(f"this is a backup of {manifest.engine}, and database.url is {_engine_of(place)}")
    if manifest.schema > newest:
        raise SchemaMismatch(f"the backup is at schema {manifest.schema}, newer than {newest} of this version")


def _require_empty(place: SqliteFile | PostgresServer, state: SchemaState, key_file: Path, saved_key: Path) -> None:
    if isinstance(place, SqliteFile):
        # SQLite takes a journal that another database left for one of this: it would write its pages into it.
        for path in (place.path, *(Path(f"{place.path}{end}") for end in ("-wal", "-shm", "-journal"))):
            if path.exists():
                raise StorageError(f"{path} exists: restore into an empty data folder")
    if state.current is not None:
        raise StorageError("the database is not empty: restore into an empty one")
    if key_file.exists() and saved_key.exists() and key_file.read_bytes() != saved_key.read_bytes():
        raise StorageError(f"{key_file} is another master key than the backup's: restore into an empty data folder")


def _move_synced(source: Path, target: Path) -> None:
    source.chmod(0o600)
    with source.open("rb+") as file:
        os.fsync(file.fileno())
    source.replace(target)
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
