"""Storage that cannot be used: said in a sentence that names it, and not its password."""

import asyncio
import contextlib
import itertools
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from postroad.storage.backup import backup
from postroad.storage.database import Database
from postroad.storage.driver import connect
from postroad.storage.driver_errors import as_storage_errors
from postroad.storage.engine import open_database
from postroad.storage.errors import StorageError, StorageUnavailable
from postroad.storage.location import PostgresServer, SqliteFile, locate
from postroad.storage.migrate import migrate, schema_state
from postroad.storage.secrets import MASTER_KEY_FILE, master_key
from tests.storage.samples import NOW, Place, column

_numbers = itertools.count(1)


async def _open(place: Place) -> Database:
    return await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)


def _damage(path: Path) -> None:
    """Write over all tables and leave the head, by which the file still looks like a database."""
    length = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (length - 4096))


@pytest.mark.parametrize("is_headless", [True, False])
async def test_a_damaged_file_is_said_to_be_damaged_and_where_it_is(sqlite_place: Place, *, is_headless: bool) -> None:
    path = sqlite_place.data_dir / "postroad.sqlite"
    if is_headless:
        path.write_bytes(b"\xff" * 8192)
    else:
        _damage(path)
    said = f"^the database {path} cannot be used: it is damaged.* restore a backup"

    for look in (schema_state, migrate):
        with pytest.raises(StorageError, match=said):
            await asyncio.to_thread(partial(look, *sqlite_place))
    with pytest.raises(StorageError, match=said):
        await _open(sqlite_place)


async def test_a_file_that_is_damaged_while_it_is_open_is_said_to_be_so(sqlite_place: Place) -> None:
    path = sqlite_place.data_dir / "postroad.sqlite"
    database = await _open(sqlite_place)
    _damage(path)
    with pytest.raises(StorageError, match=f"^the database {path} cannot be used: it is damaged"):
        await database.read(column, "SELECT count(*) FROM messages")
    await database.close()


def test_a_full_disk_is_said_to_be_full(sqlite_place: Place) -> None:
    path = sqlite_place.data_dir / "postroad.sqlite"
    with contextlib.closing(connect(path)) as raw:
        raw.execute("PRAGMA max_page_count = 1")
        with (
            pytest.raises(StorageUnavailable, match=f"^the database {path} cannot be used: its disk is full"),
            as_storage_errors(SqliteFile(path)),
        ):
            raw.execute("CREATE TABLE more (id INTEGER)")


@pytest.mark.parametrize("blocked", ["postroad.sqlite", "postroad.sqlite.lock"])
async def test_a_file_that_cannot_be_opened_is_named(sqlite_place: Place, blocked: str) -> None:
    path = sqlite_place.data_dir / blocked
    path.unlink(missing_ok=True)
    path.mkdir()
    with pytest.raises(StorageUnavailable, match=f"^the database {sqlite_place.data_dir}/postroad.sqlite cannot be"):
        await _open(sqlite_place)


def test_a_data_folder_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        StorageUnavailable, match=f"the database {tmp_path}/file/data/postroad.sqlite .* Not a directory"
    ):
        migrate("", tmp_path / "file" / "data")


def test_a_master_key_that_cannot_be_read_or_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / MASTER_KEY_FILE).mkdir()
    for folder in (tmp_path, tmp_path / "file"):
        with pytest.raises(StorageError, match=f"^the master key {folder}/{MASTER_KEY_FILE} cannot be read or made"):
            master_key(folder)
    (tmp_path / MASTER_KEY_FILE).rmdir()
    (tmp_path / MASTER_KEY_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(StorageError, match="is not hexadecimal"):
        master_key(tmp_path)


def test_a_backup_that_cannot_be_written_is_named_and_not_the_database(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar"
    target.mkdir()
    with pytest.raises(StorageError, match=f"^{target} cannot be written: "):
        backup(*place, target, now=NOW)


def test_a_backup_whose_disk_is_full_is_named_and_not_the_database(
    sqlite_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnAFullDisk:
        """As a connection whose copy finds no room: a real one that may hold one page."""

        def __init__(self, path: Path) -> None:
            self._raw = connect(path)
            self._raw.execute("PRAGMA max_page_count = 1")

        def execute(self, *_: object) -> None:
            self._raw.execute("CREATE TABLE more (id INTEGER)")

        def close(self) -> None:
            self._raw.close()

    monkeypatch.setattr("postroad.storage.backup.connect", OnAFullDisk)
    with pytest.raises(StorageError, match=f"^{tmp_path}/backup.tar cannot be written: .*full"):
        backup(*sqlite_place, tmp_path / "backup.tar", now=NOW)


async def test_a_server_that_takes_no_more_clients_is_named_without_its_password(postgres_place: Place) -> None:
    name = f"few_{next(_numbers)}"
    raw = await asyncpg.connect(postgres_place.url)
    await raw.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'geheim' CONNECTION LIMIT 0")
    await raw.close()
    _, at, rest = postgres_place.url.partition("://")[2].rpartition("@")
    url = f"postgresql://{name}:geheim@{rest}" if at else f"{postgres_place.url}&user={name}&password=geheim"
    try:
        for look in (schema_state, migrate):
            with pytest.raises(StorageUnavailable, match="too many connections") as told:
                await asyncio.to_thread(partial(look, url, postgres_place.data_dir))
            assert str(told.value).startswith(f"the database postgresql://{name}@")
            assert urlsplit(url).path in str(told.value)
            assert "geheim" not in str(told.value)
    finally:
        raw = await asyncpg.connect(postgres_place.url)
        await raw.execute(f"DROP ROLE {name}")
        await raw.close()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "postgresql://ada:geheim@db.example:5433/postroad?sslmode=require",
            "postgresql://ada@db.example:5433/postroad",
        ),
        ("postgres://ada@db.example/postroad", "postgresql://ada@db.example/postroad"),
        ("postgresql:///postroad?host=/run&user=ada&password=geheim", "postgresql:///postroad"),
        ("postgresql://ada:ge/heim@db.example/postroad", "postgresql://ada@db.example/postroad"),
        ("postgresql://ada:ge@heim@db.example/postroad", "postgresql://ada@db.example/postroad"),
        ("postgresql://ada:ge?heim@db.example/postroad", "postgresql://…"),
    ],
)
def test_the_address_of_a_server_is_shown_without_its_password(url: str, shown: str) -> None:
    assert str(PostgresServer(url)) == shown


@pytest.mark.parametrize("url", ["postgresql://ada:geheim@db:port/postroad", "postgresql://[ada:geheim@db/postroad"])
def test_an_address_that_makes_no_sense_is_refused_without_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"^database\.url is no address") as told:
        schema_state(url, tmp_path)
    assert "heim" not in str(told.value)


def test_a_file_is_shown_by_its_path() -> None:
    assert str(locate("", Path("/data"))) == "/data/postroad.sqlite"
