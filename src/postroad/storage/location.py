"""Where the database is: what ``database.url`` means."""

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec

from postroad.storage.errors import BadParameter, StorageError

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# https://www.postgresql.org/docs/current/libpq-connect.html: those that the driver or the server heeds. The driver takes
# all others for settings of the server, which then refuses every connection, or does what nobody meant.
_PARAMETERS = frozenset({
    "host", "port", "dbname", "user", "password", "passfile", "service", "target_session_attrs", "connect_timeout",
    "application_name", "options", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl",
    "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version", "channel_binding", "krbsrvname",
    "gsslib",
})  # fmt: skip


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
    def parameters(self) -> dict[str, str]:
        """What stands behind the question mark; the last of a name counts. Raises StorageError."""
        query = urlsplit(self.url).query
        try:
            return dict(parse_qsl(query, strict_parsing=True)) if query else {}
        except ValueError:
            # What it says may be a piece of the password.
            raise StorageError("database.url has a query that is not name=value&name=value") from None


def locate(url: str, data_dir: Path) -> SqliteFile | PostgresServer:
    """Return what ``url`` names; an empty one is the file in the data folder. Raises StorageError, BadParameter."""
    if not url:
        return SqliteFile(data_dir / "postroad.sqlite")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise StorageError("database.url is no address") from error
    if parts.scheme in {"postgresql", "postgres"}:
        server = PostgresServer(url)
        _require_known(server)
        return server
    # Three slashes and a relative path, or four and an absolute one, as SQLAlchemy writes it.
    if parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1:
        return SqliteFile(data_dir / parts.path[1:])
    raise StorageError(f"database.url is postgresql://… or sqlite:///path, not {parts.scheme or 'that'!r}")


def _require_known(server: PostgresServer) -> None:
    parameters = server.parameters
    for name in parameters:
        if name not in _PARAMETERS:
            # A question mark in a password that was not escaped makes a parameter of the rest of it.
            is_name = "@" not in urlsplit(server.url).query
            raise BadParameter(f"its parameter {name if is_name else 'behind the question mark'} is not known")
    if parameters.get("sslmode", "prefer") not in _SSL_MODES:
        raise BadParameter(f"its parameter sslmode is one of {', '.join(_SSL_MODES)}")
    timeout = parameters.get("connect_timeout", "0")
    if not (timeout.isascii() and timeout.isdigit() and len(timeout) < 7):
        raise BadParameter("its parameter connect_timeout is a whole number of seconds")
    if parameters.get("channel_binding", "prefer") not in {"disable", "prefer"}:
        raise BadParameter(
            "its parameter channel_binding can only be prefer or disable: leave it out, and have the server's certificate"
            " verified by sslmode=verify-full"
        )
