"""What stands in ``database.url`` beside the place holds for each connection to PostgreSQL."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from postroad.storage.backup import backup
from postroad.storage.engine import open_database
from postroad.storage.errors import StorageError, StorageUnavailable
from postroad.storage.migrate import migrate, schema_state
from postroad.storage.postgres import PostgresDatabase
from postroad.storage.secrets import MASTER_KEY_FILE
from tests.storage.samples import NOW, Place, column


async def test_parameters_hold_for_every_connection(postgres_place: Place) -> None:
    url = (
        f"{postgres_place.url}&sslmode=prefer&application_name=relay+one&connect_timeout=5&channel_binding=prefer"
        "&options=-c%20lock_timeout%3D7s"
    )
    await asyncio.to_thread(migrate, url, postgres_place.data_dir)
    (postgres_place.data_dir / MASTER_KEY_FILE).write_text("key")
    await asyncio.to_thread(backup, url, postgres_place.data_dir, postgres_place.data_dir / "backup.tar", now=NOW)
    database = await open_database(url, data_dir=postgres_place.data_dir, clock=lambda: NOW)
    assert isinstance(database, PostgresDatabase)
    listening = asyncio.create_task(database.listen(lambda _pools: None))

    names = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database()"
    assert await database.read(column, names) == ["relay one"]
    async with database._transaction() as raw:
        assert [row[0] for row in await raw.fetch(names)] == ["relay one"]
        assert await raw.fetchval("SELECT current_setting('lock_timeout')") == "7s"
    assert await database.write(column, "SELECT current_setting('lock_timeout')") == ["7s"]

    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await database.close()


async def test_without_a_name_of_its_own_each_connection_has_ours(postgres_place: Place) -> None:
    database = await open_database(postgres_place.url, data_dir=postgres_place.data_dir, clock=lambda: NOW)
    assert await database.write(column, "SELECT current_setting('application_name')") == ["postroad"]
    await database.close()


def test_a_server_that_does_not_answer_is_left_after_the_time_of_the_url(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(StorageUnavailable, match="no answer came in time"):
            schema_state(f"postgresql://u:geheim@127.0.0.1:{port}/x?connect_timeout=1&sslmode=disable", tmp_path)
    assert time.monotonic() - began < 20


def test_authorities_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    url = "postgresql://u:geheim@127.0.0.1:1/x?sslmode=verify-full&sslrootcert=/nowhere/ca.pem"
    with pytest.raises(
        StorageError, match=r"^sslrootcert of database\.url is no file that can be read: /nowhere/ca\.pem$"
    ):
        schema_state(url, tmp_path)


def test_what_the_driver_refuses_in_the_url_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"^database\.url cannot be used: .*target_session_attrs"):
        schema_state("postgresql://u:geheim@127.0.0.1:1/x?target_session_attrs=nonsense", tmp_path)
