"""What only SQLite has: one writer, a log that is copied back, a lock between processes."""

import asyncio
import threading
from pathlib import Path

import pytest

from postroad.storage import accounts
from postroad.storage.engine import open_database
from postroad.storage.errors import StorageUnavailable
from postroad.storage.migrate import migrate
from postroad.storage.sqlite import SqliteDatabase
from tests.storage.samples import NOW, accepted, column


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    await asyncio.to_thread(migrate, "", tmp_path)
    return tmp_path / "postroad.sqlite"


async def _open(file: Path, *, is_checkpointer: bool = True) -> SqliteDatabase:
    database = await open_database("", data_dir=file.parent, clock=lambda: NOW, is_checkpointer=is_checkpointer)
    assert isinstance(database, SqliteDatabase)
    return database


async def test_callers_that_wait_share_a_transaction(file: Path) -> None:
    database = await _open(file)
    transactions = 0
    run_together = database._writer._run_together

    def counted(jobs: object) -> None:
        nonlocal transactions
        transactions += 1
        run_together(jobs)  # type: ignore[arg-type]

    database._writer._run_together = counted  # type: ignore[method-assign]
    with database._writer.turn():
        waiting = [asyncio.ensure_future(database.write(accounts.add, f"a{number}", NOW)) for number in range(50)]
        await asyncio.sleep(0.05)
    await asyncio.gather(*waiting)

    assert transactions <= 2
    await database.close()


async def test_writers_wait_while_another_process_has_its_turn(file: Path) -> None:
    mine, theirs = await _open(file), await _open(file, is_checkpointer=False)
    with theirs._writer.turn():
        waiting = asyncio.ensure_future(mine.accept(accepted()))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
    await waiting
    await mine.close()
    await theirs.close()


async def test_the_log_is_copied_back_and_starts_anew(file: Path) -> None:
    database = await _open(file)
    wal = file.with_name("postroad.sqlite-wal")
    await database.accept(accepted(content=b"x" * 3_000_000))
    assert wal.stat().st_size > 3_000_000

    assert database._checkpointer is not None
    await asyncio.to_thread(database._checkpointer.checkpoint)

    assert wal.stat().st_size == 0
    assert len(await database.read(column, "SELECT id FROM messages")) == 1
    await database.close()


async def test_a_caller_that_gave_up_does_not_stop_the_writer(file: Path) -> None:
    database = await _open(file)
    with database._writer.turn():
        gone = asyncio.ensure_future(database.accept(accepted()))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
    await database.accept(accepted())

    assert len(await database.read(column, "SELECT id FROM messages")) == 2
    await database.close()


async def test_two_event_loops_may_share_the_handle(file: Path) -> None:
    database = await _open(file)
    elsewhere = threading.Thread(target=lambda: asyncio.run(database.accept(accepted())))
    elsewhere.start()
    await database.accept(accepted())
    await asyncio.to_thread(elsewhere.join)

    assert len(await database.read(column, "SELECT id FROM messages")) == 2
    await database.close()


async def test_a_full_disk_is_said_to_be_temporary_and_nothing_is_half_stored(file: Path) -> None:
    database = await _open(file)

    def shrink(connection: object) -> None:
        pages = database._raw.execute("PRAGMA page_count").fetchone()[0]
        database._raw.execute(f"PRAGMA max_page_count = {pages + 5}")

    await database.write(shrink)
    with pytest.raises(StorageUnavailable, match="full"):
        await database.accept(accepted(content=b"x" * 1_000_000))

    for table in ("messages", "bodies", "deliveries", "events"):
        assert await database.read(column, f"SELECT * FROM {table}") == []
    await database.close()


async def test_the_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    await asyncio.to_thread(migrate, "", folder)
    database = await _open(folder / "postroad.sqlite")
    await database.accept(accepted())
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.glob("postroad.sqlite*")}
    del modes["postroad.sqlite.lock"]  # which is empty
    assert modes == dict.fromkeys(("postroad.sqlite", "postroad.sqlite-wal", "postroad.sqlite-shm"), 0o600)
    assert folder.stat().st_mode & 0o777 == 0o700
    await database.close()
