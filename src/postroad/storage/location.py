"""Where the database is: what ``database.url`` means."""

from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from postroad.storage.errors import StorageError


class SqliteFile(msgspec.Struct, frozen=True):
    """An embedded database in one file."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def lock_path(self) -> Path:
        """The file whose lock lets processes take turns at writing."""
        return self.path.with_name(f"{self.path.name}.lock")


class PostgresServer(msgspec.Struct, frozen=True):
    """A database on a PostgreSQL server."""

    url: str

    def __str__(self) -> str:
        """Return the address as people may see it: without the password, and options, which may hold one."""
        rest = self.url.partition("://")[2]
        user, at, host = rest.partition("?")[0].rpartition("@")
        # A password that was not escaped may have cut the address in the middle of it.
        is_whole = at or "@" not in rest
        return f"postgresql://{user.partition(':')[0]}{at}{host}" if is_whole else "postgresql://…"

    @property
    def sqlalchemy_url(self) -> str:
        """The address with the driver that SQLAlchemy is to use."""
        return f"postgresql+asyncpg://{self.url.partition('://')[2]}"


def locate(url: str, data_dir: Path) -> SqliteFile | PostgresServer:
    """Return what ``url`` names; an empty one is the file in the data folder. Raises StorageError."""
    if not url:
        return SqliteFile(data_dir / "postroad.sqlite")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise StorageError("database.url is no address") from error
    if parts.scheme in {"postgresql", "postgres"}:
        return PostgresServer(url)
    # Three slashes and a relative path, or four and an absolute one, as SQLAlchemy writes it.
    if parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1:
        return SqliteFile(data_dir / parts.path[1:])
    raise StorageError(f"database.url is postgresql://… or sqlite:///path, not {parts.scheme or 'that'!r}")
