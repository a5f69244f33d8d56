"""Backup while mail goes on, and restore into an empty place."""

import asyncio
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from postroad.model.domain import DomainState, SendingDomain
from postroad.model.search_words import recipient_term
from postroad.storage import accounts, bodies, domains, message_search, search_index, workers
from postroad.storage import backup as archive
from postroad.storage.backup import backup, restore
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.errors import StorageError
from postroad.storage.message_search import Wanted
from postroad.storage.migrate import known_steps, migrate, run, schema_state
from postroad.storage.schema import metadata
from postroad.storage.search_index import Pass
from postroad.storage.secrets import MASTER_KEY_FILE, ensure_secret, is_key_of
from postroad.storage.vault import open_vault
from tests.databases import empty_database
from tests.storage.samples import DATA_TABLES, NOW, Place, accepted, claim, column, count_rows


async def _open(place: Place) -> Database:
    return await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)


@pytest.fixture
def elsewhere(empty_place: Place, tmp_path: Path) -> Place:
    """An empty place apart from ``place``."""
    return Place(empty_place.url, tmp_path / "elsewhere")


@pytest.fixture
def elsewhere_in_postgres(postgres_server: Any, tmp_path: Path) -> Place:
    """An empty database on the server, apart from ``postgres_place``."""
    return Place(empty_database(postgres_server), tmp_path / "elsewhere")


def _rewrite_manifest(archive: Path, **facts: Any) -> None:
    """Have a backup say other things of itself."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        manifest = Path(folder) / "manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | facts))
        with tarfile.open(archive, "w") as packed:
            for member in Path(folder).iterdir():
                packed.add(member, member.name)


same_engine = pytest.mark.parametrize(
    ("place", "empty_place"), [("sqlite", "sqlite"), ("postgres", "postgres")], indirect=True
)


@same_engine
async def test_a_backup_of_a_running_database_is_whole(place: Place, elsewhere: Place, tmp_path: Path) -> None:
    database = await _open(place)
    vault = await open_vault(database, place.data_dir)
    secret = await database.write(ensure_secret, vault, "return-path", b"kept secret")
    before = [accepted(content=b"x" * 300_000) for _ in range(30)]
    await asyncio.gather(*(database.accept(one) for one in before))
    running = True

    async def go_on() -> None:
        while running:
            await database.accept(accepted("a@example.net", "b@example.net"))

    traffic = asyncio.create_task(go_on())
    await asyncio.to_thread(backup, *place, tmp_path / "saved.tar", now=NOW)
    running = False
    await traffic
    await database.close()
    await asyncio.to_thread(restore, tmp_path / "saved.tar", *elsewhere)

    restored = await _open(elsewhere)
    counts = await restored.read(count_rows, DATA_TABLES)
    assert counts["messages"] == counts["bodies"] >= 30
    assert counts["deliveries"] == counts["events"] == 30 + 2 * (counts["messages"] - 30)
    contents = await restored.read(bodies.read_many, [one.message.id for one in before])
    assert contents == {one.message.id: one.content for one in before}
    again = await open_vault(restored, elsewhere.data_dir)
    assert await restored.write(ensure_secret, again, "return-path", b"another") == secret
    await restored.close()


@same_engine
async def test_what_workers_held_is_free_after_a_restore(place: Place, elsewhere: Place, tmp_path: Path) -> None:
    database = await _open(place)
    held_by = await database.write(workers.lease, node="n", pid=1, pools=[], roles=[], now=NOW)
    await database.accept(accepted())
    await database.claim(claim(owner=held_by.incarnation))
    await asyncio.to_thread(backup, *place, tmp_path / "saved.tar", now=NOW)
    await database.close()
    await asyncio.to_thread(restore, tmp_path / "saved.tar", *elsewhere)

    restored = await _open(elsewhere)
    (delivery,) = await restored.claim(claim())
    assert delivery.maybe_delivered
    assert await restored.read(workers.live, 0) == []
    await restored.close()


@same_engine
async def test_ids_go_on_after_a_restore(place: Place, elsewhere: Place, tmp_path: Path) -> None:
    def remove_all(connection: sqlalchemy.Connection) -> None:
        connection.execute(sqlalchemy.text("DELETE FROM accounts"))

    database = await _open(place)
    removed = await database.write(accounts.add, "removed", NOW)
    await database.write(remove_all)
    await asyncio.to_thread(backup, *place, tmp_path / "saved.tar", now=NOW)
    await database.close()
    await asyncio.to_thread(restore, tmp_path / "saved.tar", *elsewhere)

    restored = await _open(elsewhere)
    assert (await restored.write(accounts.add, "new", NOW)).id > removed.id
    await restored.close()


async def test_every_sequence_goes_on_after_a_restore(
    postgres_place: Place, tmp_path: Path, elsewhere_in_postgres: Place
) -> None:
    use_all = "SELECT nextval(quote_ident(sequencename)::regclass) FROM pg_sequences, generate_series(1, 7)"
    stand = "SELECT sequencename::text || last_value FROM pg_sequences ORDER BY 1"
    database = await _open(postgres_place)
    await database.write(column, use_all)
    before = await database.read(column, stand)
    await asyncio.to_thread(backup, *postgres_place, tmp_path / "saved.tar", now=NOW)
    await database.close()
    await asyncio.to_thread(restore, tmp_path / "saved.tar", *elsewhere_in_postgres)

    restored = await _open(elsewhere_in_postgres)
    assert await restored.read(column, stand) == before
    assert {"accounts_id_seq7", "inbound_routes_id_seq7", "list_checks_id_seq7"} <= set(before)
    await restored.close()


def test_tables_of_others_in_the_same_schema_stay_as_they_are(
    postgres_place: Place, tmp_path: Path, elsewhere_in_postgres: Place
) -> None:
    def theirs(place: Place, name: str) -> None:
        run(*place, lambda connection: connection.execute(sqlalchemy.text(f"CREATE TABLE {name} AS SELECT 7 AS kept")))

    theirs(postgres_place, "theirs_before")
    theirs(elsewhere_in_postgres, "theirs_after")
    backup(*postgres_place, tmp_path / "saved.tar", now=NOW)
    restore(tmp_path / "saved.tar", *elsewhere_in_postgres)

    query = sqlalchemy.text("SELECT kept FROM theirs_after")
    assert run(*elsewhere_in_postgres, lambda connection: connection.execute(query).scalars().all()) == [7]


@same_engine
async def test_ids_go_on_behind_the_rows_of_a_backup_that_does_not_say_what_was_given_out(
    place: Place, elsewhere: Place, tmp_path: Path
) -> None:
    database = await _open(place)
    last = await database.write(accounts.add, "last", NOW)
    await asyncio.to_thread(backup, *place, tmp_path / "saved.tar", now=NOW)
    await database.close()
    _rewrite_manifest(tmp_path / "saved.tar", last_numbers={})
    await asyncio.to_thread(restore, tmp_path / "saved.tar", *elsewhere)

    restored = await _open(elsewhere)
    assert (await restored.write(accounts.add, "new", NOW)).id > last.id
    await restored.close()


@pytest.mark.parametrize(("given", "is_held"), [("", True), ("ab" * 32, False)])
async def test_a_backup_says_whether_the_key_of_its_secrets_is_in_it(
    place: Place, tmp_path: Path, given: str, *, is_held: bool
) -> None:
    """A key that was left in the folder, before another one was given by the environment, opens nothing."""
    (place.data_dir / MASTER_KEY_FILE).write_text("00" * 32)
    database = await _open(place)
    await open_vault(database, place.data_dir, given)

    manifest = await asyncio.to_thread(backup, *place, tmp_path / "saved.tar", now=NOW)

    assert manifest.holds_key is is_held
    assert await database.read(is_key_of, place.data_dir, given)
    assert not await database.read(is_key_of, place.data_dir, "cd" * 32)
    assert not await database.read(is_key_of, place.data_dir, "no key")
    assert not await database.read(is_key_of, tmp_path / "elsewhere")
    await database.close()


@pytest.mark.parametrize("schema", ["0001", "0008", "0015", known_steps()[-1]])
@pytest.mark.parametrize("is_first_format", [False, True])
def test_a_backup_of_an_older_schema_comes_back_as_what_it_was_made_of_is_migrated(
    empty_place: Place,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    schema: str,
    *,
    is_first_format: bool,
) -> None:
    saved, elsewhere = empty_place.data_dir / "saved.tar", Place("", empty_place.data_dir / "elsewhere")
    if empty_place.url:
        elsewhere = Place(empty_database(request.getfixturevalue("postgres_server")), elsewhere.data_dir)
    migrate(*empty_place, to=schema)
    run(*empty_place, _fill_every_table)
    with monkeypatch.context() as patched:
        if is_first_format:
            patched.setattr(archive, "_columns_of", _columns_in_the_first_format)
        backup(*empty_place, saved, now=NOW)
    if is_first_format:
        _rewrite_manifest(saved, format=1, columns={})
    restore(saved, *elsewhere)

    assert schema_state(*elsewhere).is_current
    migrate(*empty_place)
    run(*empty_place, lambda connection: workers.expire(connection, 1 << 62))
    before = run(*empty_place, _rows)
    assert run(*elsewhere, _rows) == before
    assert {"accounts", "domains", "messages", "deliveries", "smtp_users"} <= {
        name for name, rows in before.items() if rows
    }


async def _columns_in_the_first_format(connection: Any) -> dict[str, list[str]]:
    """Return them as the version declared them that wrote its backups so."""
    return archive._columns_as_declared(dict(await connection.fetch(archive._COLUMNS)))


def _fill_every_table(connection: sqlalchemy.Connection) -> None:
    """Put a row into each table that has none, at whichever schema; all that refers refers to the number 1."""
    there = sqlalchemy.MetaData()
    there.reflect(connection, resolve_fks=False)
    values: dict[type, Any] = {str: "{}", int: 1, bool: True, bytes: b"1"}
    for table in there.sorted_tables:
        if table.name in metadata.tables and not connection.execute(sqlalchemy.select(table)).first():
            row = {column.name: values[column.type.python_type] for column in table.columns}
            connection.execute(table.insert().values(row))


def _rows(connection: sqlalchemy.Connection) -> dict[str, list[Any]]:
    return {
        name: [tuple(row) for row in connection.execute(sqlalchemy.select(table))]
        for name, table in metadata.tables.items()
    }


async def test_a_place_in_use_is_not_restored_into(place: Place, tmp_path: Path) -> None:
    database = await _open(place)
    await database.accept(accepted())
    await asyncio.to_thread(backup, *place, tmp_path / "saved.tar", now=NOW)

    with pytest.raises(StorageError, match="empty"):
        await asyncio.to_thread(restore, tmp_path / "saved.tar", *place)

    assert len(await database.read(column, "SELECT id FROM messages")) == 1
    await database.close()


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_a_place_where_a_journal_was_left_is_not_restored_into(sqlite_place: Place, tmp_path: Path, end: str) -> None:
    backup(*sqlite_place, tmp_path / "saved.tar", now=NOW)
    left = tmp_path / "elsewhere" / f"postroad.sqlite{end}"
    left.parent.mkdir()
    left.write_bytes(b"of another database")

    with pytest.raises(StorageError, match=f"{left} exists: restore into an empty data folder"):
        restore(tmp_path / "saved.tar", "", left.parent)

    assert [path.name for path in left.parent.iterdir()] == [left.name]


async def test_a_backup_is_for_its_owner_and_leaves_nothing_beside_it(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    await asyncio.to_thread(backup, *place, folder / "saved.tar", now=NOW)

    assert [path.name for path in folder.iterdir()] == ["saved.tar"]
    assert (folder / "saved.tar").stat().st_mode & 0o777 == 0o600


def test_an_engine_does_not_take_the_others_backup(sqlite_place: Place, postgres_place: Place, tmp_path: Path) -> None:
    backup(*sqlite_place, tmp_path / "saved.tar", now=NOW)

    with pytest.raises(StorageError, match="backup of SQLite"):
        restore(tmp_path / "saved.tar", postgres_place.url, tmp_path / "elsewhere")


def test_another_master_key_is_not_overwritten(sqlite_place: Place, tmp_path: Path) -> None:
    (sqlite_place.data_dir / MASTER_KEY_FILE).write_text("00" * 32)
    backup(*sqlite_place, tmp_path / "saved.tar", now=NOW)
    other = tmp_path / "other"
    other.mkdir()
    (other / MASTER_KEY_FILE).write_text("11" * 32)

    with pytest.raises(StorageError, match="another master key"):
        restore(tmp_path / "saved.tar", "", other)

    assert [path.name for path in other.iterdir()] == [MASTER_KEY_FILE]


@pytest.mark.parametrize("content", [b"", b"not a tar file at all"])
def test_what_is_no_backup_is_said_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "saved.tar").write_bytes(content)

    with pytest.raises(StorageError, match="not a whole backup"):
        restore(tmp_path / "saved.tar", "", tmp_path / "elsewhere")


def test_nothing_is_backed_up_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no database"):
        backup("", tmp_path, tmp_path / "saved.tar", now=NOW)


def test_a_cut_backup_is_said_so(sqlite_place: Place, tmp_path: Path) -> None:
    backup(*sqlite_place, tmp_path / "saved.tar", now=NOW)
    whole = (tmp_path / "saved.tar").read_bytes()
    (tmp_path / "saved.tar").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(StorageError, match="not a whole backup"):
        restore(tmp_path / "saved.tar", "", tmp_path / "elsewhere")


@same_engine
async def test_messages_are_found_after_a_restore_as_before(place: Place, elsewhere: Place, tmp_path: Path) -> None:
    database = await _open(place)
    account = await database.write(accounts.add, "acme", NOW)
    domain = SendingDomain(
        id=0, account_id=account.id, name="news.example.com", state=DomainState.ACTIVE, created_at=NOW
    )
    domain_id = (await database.write(domains.add, domain)).id
    mine: dict[str, Any] = {"account_id": account.id, "domain_id": domain_id}
    await database.accept(accepted("zoe@example.net", subject="Indexed before", **mine))
    await database.write(search_index.fill, Pass.FIRST, 1 << 62, 10)
    await database.accept(accepted("zoe@example.net", subject="Not indexed before", **mine))
    await asyncio.to_thread(backup, *place, tmp_path / "saved.tar", now=NOW)
    await database.close()
    await asyncio.to_thread(restore, tmp_path / "saved.tar", *elsewhere)

    restored = await _open(elsewhere)
    wanted = Wanted(account_id=account.id, terms=("before", recipient_term("zoe@example.net")))
    at_first = [one.message.subject for one in (await restored.read(message_search.search, wanted, 10)).found]
    await restored.write(search_index.fill, Pass.FIRST, 1 << 62, 10)
    later = [one.message.subject for one in (await restored.read(message_search.search, wanted, 10)).found]
    assert at_first == later == ["Not indexed before", "Indexed before"]
    await restored.close()


def test_a_backup_that_is_not_there_is_said_so_and_no_data_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as refused:
        restore(tmp_path / "nofile.tar", "", tmp_path / "data")

    assert str(refused.value) == f"{tmp_path / 'nofile.tar'} cannot be read: No such file or directory"
    assert not (tmp_path / "data").exists()


def test_a_tar_file_of_something_else_is_no_backup(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "other.tar", "w") as archive:
        archive.add(__file__, "other.py")

    with pytest.raises(StorageError, match=r"not a whole backup: it has no manifest\.json that can be read"):
        restore(tmp_path / "other.tar", "", tmp_path / "data")


def test_a_backup_is_written_into_a_folder_that_is_there(sqlite_place: Place, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=f"there is no folder {tmp_path / 'nowhere'} to write a backup into"):
        backup(*sqlite_place, tmp_path / "nowhere" / "saved.tar", now=NOW)

    assert not (tmp_path / "nowhere").exists()
