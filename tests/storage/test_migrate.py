"""The schema: made in steps, refused when it is another one than this version's."""

import asyncio
import contextlib
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from alembic.config import Config
from alembic.script import ScriptDirectory

import postroad.storage.migrations
from postroad.cli import findings
from postroad.config import Settings
from postroad.config.settings import DatabaseSettings
from postroad.node.installation import ensure_schema
from postroad.storage import accounts, counters, statistics
from postroad.storage.backup import backup, restore
from postroad.storage.counters import Dimension
from postroad.storage.database import Database
from postroad.storage.driver import connect
from postroad.storage.engine import open_database
from postroad.storage.errors import SchemaMismatch, StorageError, StorageUnavailable
from postroad.storage.location import PostgresServer, SqliteFile, locate
from postroad.storage.migrate import _run_steps, known_steps, migrate, run, schema_state
from postroad.storage.schema import control_plane, metadata
from postroad.storage.statistics import Hours
from tests.databases import empty_database
from tests.storage.samples import NOW, Place


async def _open(place: Place) -> Database:
    return await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)


def test_migrating_runs_each_step_once(empty_place: Place) -> None:
    before = schema_state(*empty_place)
    steps = migrate(*empty_place)
    after = schema_state(*empty_place)

    assert (before.current, before.is_current, before.is_newer) == (None, False, False)
    assert steps[0] == "0001"
    assert (after.current, after.is_current) == (steps[-1], True)
    assert migrate(*empty_place) == []


def test_files_are_named_for_their_steps_in_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(postroad.storage.migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    steps = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]

    assert steps[::-1] == known_steps()


def test_looking_where_the_schema_stands_does_not_import_alembic() -> None:
    """Every command looks; only a migration pays for what it alone needs."""
    code = "import sys, postroad.storage.engine; print({'alembic', 'sqlalchemy.ext.asyncio'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "set()"


async def test_nodes_that_migrate_at_the_same_time_take_turns(empty_place: Place) -> None:
    results = await asyncio.gather(*(asyncio.to_thread(migrate, *empty_place) for _ in range(3)))

    assert sorted(map(len, results))[:2] == [0, 0]
    assert schema_state(*empty_place).is_current


async def test_a_database_that_is_not_migrated_is_not_opened(empty_place: Place) -> None:
    with pytest.raises(SchemaMismatch, match="run postroad migrate"):
        await _open(empty_place)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_of_another_encoding_is_refused_and_can_be_moved_to_one_of_utf_8(
    postgres_server: Any, tmp_path: Path, encoding: str
) -> None:
    of_encoding = f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
    place = Place(empty_database(postgres_server, of_encoding), tmp_path)
    said = f"keeps its texts in {encoding}.*CREATE DATABASE postroad ENCODING 'UTF8' TEMPLATE template0"
    settings = Settings(database=DatabaseSettings(url=place.url), data_dir=str(tmp_path))

    def make(connection: sqlalchemy.Connection) -> None:
        # As versions did that took it.
        _run_steps(connection, "head")
        connection.execute(control_plane.accounts.insert().values(name="Zoë", created_at=NOW))

    for is_made in (False, True):
        if is_made:
            run(*place, make)
        with pytest.raises(StorageError, match=f"{said}.*postroad restore" if is_made else f"{said}$"):
            ensure_schema(settings)
        with pytest.raises(StorageError, match=said):
            migrate(*place)
        finding = findings.database(settings)
        assert (finding.status, f"keeps its texts in {encoding}" in finding.text) == ("wrong", True)
        assert finding.remedy.startswith("Make another by CREATE DATABASE")
    with pytest.raises(StorageError, match=said):
        asyncio.run(_open(place))

    backup(*place, tmp_path / "saved.tar", now=NOW)
    moved = Place(empty_database(postgres_server), tmp_path / "moved")
    restore(tmp_path / "saved.tar", *moved)
    assert [one.name for one in run(*moved, accounts.list_all)] == ["Zoë"]


async def test_a_newer_schema_is_refused_with_what_to_do(place: Place) -> None:
    def pretend(connection: sqlalchemy.Connection) -> None:
        connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = '9999'"))

    database = await _open(place)
    await database.write(pretend)
    await database.close()

    assert schema_state(*place).is_newer
    with pytest.raises(SchemaMismatch, match="install the newer"):
        await _open(place)
    with pytest.raises(SchemaMismatch, match="install the newer"):
        await asyncio.to_thread(migrate, *place)


async def test_the_tables_are_those_that_statements_name(database: Database) -> None:
    def reflect(connection: sqlalchemy.Connection) -> dict[str, dict[str, tuple[str, bool]]]:
        found = sqlalchemy.MetaData()
        found.reflect(connection)
        return {
            name: {column.name: (_family(column), bool(column.nullable)) for column in table.columns}
            for name, table in found.tables.items()
            # The tables of SQLite's full-text index are its own affair.
            if name != "alembic_version" and not name.startswith("search_words")
        }

    expected = {
        name: {column.name: (_family(column), bool(column.nullable)) for column in table.columns}
        for name, table in metadata.tables.items()
    }
    assert expected == await database.read(reflect)


def _family(column: sqlalchemy.Column[object]) -> str:
    """SQLite has one kind of integer, whatever it is called."""
    kind = column.type
    if isinstance(kind, sqlalchemy.Integer | sqlalchemy.BigInteger):
        return "integer"
    return {"BYTEA": "BLOB"}.get(str(kind).upper(), str(kind).upper())


async def test_what_was_counted_is_kept_and_counted_by_four_weeks_too(empty_place: Place) -> None:
    day = NOW // 86_400_000
    written = [
        f"INSERT INTO {table} (domain_id, {period}, dimension, key, type, count) VALUES (1, {at}, 'tag', 'a', 'bounced', {count})"
        for table, period, at, count in (
            ("counters_daily", "day", day - 60, 5),
            ("counters_daily", "day", day - 59, 6),
            ("counters_daily", "day", day, 7),
            ("counters_hourly", "hour", day * 24, 7),
        )
    ]
    written.append(
        "INSERT INTO counter_deltas (id, partition, domain_id, hour, dimension, key, type, count) "
        f"VALUES (1, 0, 1, {day * 24}, 'tag', 'a', 'bounced', 8)"
    )

    def write(connection: sqlalchemy.Connection) -> None:
        for statement in written:
            connection.execute(sqlalchemy.text(statement))

    await asyncio.to_thread(migrate, empty_place.url, empty_place.data_dir, "0004")
    await asyncio.to_thread(run, empty_place.url, empty_place.data_dir, write)
    await asyncio.to_thread(migrate, *empty_place)
    database = await _open(empty_place)
    seen = []
    for _ in range(2):
        for hours in (Hours((day - 120) * 24, (day + 1) * 24), Hours(day * 24, day * 24 + 1)):
            seen.append(await database.read(statistics.read_keys, Dimension.TAG, hours, [1], 9))
        await database.write(counters.fold, 9)
    await database.close()

    assert seen == [{"a": {"bounced": 26}}, {"a": {"bounced": 15}}] * 2


async def test_a_server_that_is_away_is_said_so(place: Place) -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"
    with pytest.raises(StorageUnavailable):
        await open_database(url, data_dir=place.data_dir, clock=lambda: NOW)


def test_urls_name_files_and_servers() -> None:
    folder = Path("/data")
    assert locate("", folder) == SqliteFile(Path("/data/postroad.sqlite"))
    assert locate("sqlite:///mail.sqlite", folder) == SqliteFile(Path("/data/mail.sqlite"))
    assert locate("sqlite:////srv/mail.sqlite", folder) == SqliteFile(Path("/srv/mail.sqlite"))
    server = locate("postgres://u:p@db/postroad?sslmode=require", folder)
    assert isinstance(server, PostgresServer)
    assert server.parameters == {"sslmode": "require"}
    for wrong in ("mysql://db/x", "sqlite://mail", "mail.sqlite"):
        with pytest.raises(StorageError, match=r"database\.url"):
            locate(wrong, folder)


def test_a_new_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    def open_it(path: Path, together: threading.Barrier) -> str:
        together.wait(10)
        with contextlib.closing(connect(path)) as connection:
            mode: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
            return mode

    with ThreadPoolExecutor(8) as openers:
        for number in range(100):
            together = threading.Barrier(8)
            opened = [openers.submit(open_it, tmp_path / f"{number}.db", together) for _ in range(8)]
            assert {one.result() for one in opened} == {"wal"}
