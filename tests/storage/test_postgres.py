"""What only PostgreSQL has: a server that goes away and comes back."""

import asyncio

import asyncpg
import pytest

from postroad.model.message import Stored
from postroad.storage.database import Database
from postroad.storage.driver_errors import as_storage_errors
from postroad.storage.engine import open_database
from postroad.storage.errors import StorageUnavailable
from postroad.storage.postgres import PostgresDatabase
from tests.storage.samples import NOW, Place, accepted, claim, column


@pytest.fixture
def place(postgres_place: Place) -> Place:
    """Only the one engine, for all that is built on a place."""
    return postgres_place


async def _cut_all(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()"
    )
    await connection.close()


async def test_after_the_server_cut_us_off_the_calls_work_again(database: Database, place: Place) -> None:
    await database.accept(accepted())
    await database.read(column, "SELECT 1")
    await _cut_all(place.url)

    results = await asyncio.gather(*(database.accept(accepted()) for _ in range(5)), return_exceptions=True)
    assert {type(result) for result in results} <= {StorageUnavailable, Stored}

    await database.accept(accepted())
    claimed = await database.claim(claim())
    assert len(claimed) == 2 + sum(isinstance(result, Stored) for result in results)
    assert len(await database.read(column, "SELECT id FROM messages")) == len(claimed)


async def test_a_listener_comes_back_after_a_cut(database: Database, place: Place) -> None:
    heard: asyncio.Queue[frozenset[str]] = asyncio.Queue()
    listening = asyncio.create_task(database.listen(heard.put_nowait))
    assert await asyncio.wait_for(heard.get(), 10) == frozenset()
    await _cut_all(place.url)

    assert await asyncio.wait_for(heard.get(), 10) == frozenset()

    await _accept_patiently(database)
    assert await asyncio.wait_for(heard.get(), 10) == {"default"}
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def _accept_patiently(database: Database) -> None:
    try:
        await database.accept(accepted())
    except StorageUnavailable:
        await database.accept(accepted())


async def test_a_burst_is_announced_few_times(database: Database) -> None:
    heard: asyncio.Queue[frozenset[str]] = asyncio.Queue()
    listening = asyncio.create_task(database.listen(heard.put_nowait))
    await asyncio.wait_for(heard.get(), 10)

    await asyncio.gather(*(database.accept(accepted(pool=f"p{number % 3}")) for number in range(300)))
    pools: set[str] = set()
    messages = 0
    while pools != {"p0", "p1", "p2"}:
        pools |= await asyncio.wait_for(heard.get(), 10)
        messages += 1

    assert messages <= 6
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_handles_of_two_nodes_hear_each_other(database: Database, place: Place) -> None:
    other = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)
    heard: asyncio.Queue[frozenset[str]] = asyncio.Queue()
    listening = asyncio.create_task(other.listen(heard.put_nowait))
    await asyncio.wait_for(heard.get(), 10)

    await database.accept(accepted())

    assert await asyncio.wait_for(heard.get(), 10) == {"default"}
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await other.close()


@pytest.mark.parametrize(("found", "used"), [("off", "on"), ("local", "local")])
async def test_commits_are_synced_whatever_the_server_is_set_to(place: Place, found: str, used: str) -> None:
    connection = await asyncpg.connect(place.url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = {found}")
    await connection.close()

    database = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)
    assert isinstance(database, PostgresDatabase)
    assert await database.write(column, "SELECT current_setting('synchronous_commit')") == [used]
    async with database._transaction() as raw:
        assert await raw.fetchval("SELECT current_setting('synchronous_commit')") == used
    await database.close()


def test_a_connection_that_was_cut_off_in_an_answer_is_storage_that_is_away() -> None:
    with pytest.raises(StorageUnavailable), as_storage_errors():
        raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
