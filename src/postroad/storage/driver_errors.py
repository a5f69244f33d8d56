"""What the drivers raise, turned into storage's own errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy import exc

from postroad.storage.driver import sqlite
from postroad.storage.errors import Conflict, StorageError, StorageUnavailable
from postroad.storage.location import PostgresServer, SqliteFile

_CONFLICTS = (exc.IntegrityError, sqlite.IntegrityError, asyncpg.IntegrityConstraintViolationError)
_UNREACHABLE = (
    exc.OperationalError,
    exc.InterfaceError,
    exc.TimeoutError,
    sqlite.OperationalError,
    asyncpg.InterfaceError,
    # A connection that the server cut off in the middle of an answer is left in a state of its own.
    asyncpg.InternalClientError,
    OSError,
)
_PASSING_CLASSES = frozenset({"08", "25", "40", "53", "55", "57", "58"})
"""SQLSTATE classes of a server that is away, read-only, full, busy or going down, and of a lost race."""
# https://sqlite.org/rescode.html, whose words ("disk I/O error") do not say what to do.
_SQLITE_FAULTS = {
    8: "it cannot be written",
    10: "its disk is full or broken",
    11: "it is damaged, so restore a backup",
    13: "its disk is full",
    14: "its file cannot be opened",
    26: "it is damaged or no database, so restore a backup",
}


@contextmanager
def as_storage_errors(place: SqliteFile | PostgresServer | None = None) -> Iterator[None]:
    """Turn a driver's error into Conflict, StorageUnavailable or StorageError, with the cause kept.

    What is wrong with the database itself is said together with where it is.
    """
    try:
        yield
    except _CONFLICTS as error:
        raise Conflict(_first_line(error)) from error
    except _UNREACHABLE as error:
        raise StorageUnavailable(_sentence(error, place)) from error
    except (exc.DBAPIError, asyncpg.PostgresError, sqlite.Error) as error:
        if may_pass(error):
            raise StorageUnavailable(_sentence(error, place)) from error
        raise StorageError(_sentence(error, place)) from error


def may_pass(error: BaseException) -> bool:
    """Return whether the same call may work later, because the fault is with the database and not with the call."""
    if isinstance(error, exc.DBAPIError):
        if error.connection_invalidated:
            return True
        error = error.orig or error
    state = getattr(error, "sqlstate", None) or ""
    return isinstance(error, _UNREACHABLE) or state[:2] in _PASSING_CLASSES


def what_failed(error: OSError) -> str:
    """Return what the system says, and of which file, without its number."""
    if isinstance(error, TimeoutError) and not error.args:
        return "no answer came in time"
    words = error.strerror or str(error) or type(error).__name__
    return words if error.filename is None else f"{words}: {error.filename}"


def _sentence(error: BaseException, place: SqliteFile | PostgresServer | None) -> str:
    origin = _origin(error)
    fault = _SQLITE_FAULTS.get(getattr(origin, "sqlite_errorcode", 0) & 0xFF)
    words = what_failed(origin) if isinstance(origin, OSError) else _first_line(error)
    said = words if fault is None else f"{fault} ({words})"
    return said if place is None else f"the database {place} cannot be used: {said}"


def _first_line(error: BaseException) -> str:
    origin = _origin(error)
    return next(iter(str(origin).splitlines()), "") or type(origin).__name__


def _origin(error: BaseException) -> BaseException:
    # SQLAlchemy adds the statement and its parameters, which may be secrets: only the driver's own words go on.
    return error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
