"""What the drivers raise, turned into storage's own errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy import exc

from postroad.storage.driver import sqlite
from postroad.storage.errors import Conflict, StorageError, StorageUnavailable

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


@contextmanager
def as_storage_errors() -> Iterator[None]:
    """Turn a driver's error into Conflict, StorageUnavailable or StorageError, with the cause kept."""
    try:
        yield
    except _CONFLICTS as error:
        raise Conflict(_first_line(error)) from error
    except _UNREACHABLE as error:
        raise StorageUnavailable(_first_line(error)) from error
    except (exc.DBAPIError, asyncpg.PostgresError, sqlite.Error) as error:
        if may_pass(error):
            raise StorageUnavailable(_first_line(error)) from error
        raise StorageError(_first_line(error)) from error


def may_pass(error: BaseException) -> bool:
    """Return whether the same call may work later, because the fault is with the database and not with the call."""
    if isinstance(error, exc.DBAPIError):
        if error.connection_invalidated:
            return True
        error = error.orig or error
    state = getattr(error, "sqlstate", None) or ""
    return isinstance(error, _UNREACHABLE) or state[:2] in _PASSING_CLASSES


def _first_line(error: BaseException) -> str:
    # SQLAlchemy adds the statement and its parameters, which may be secrets: only the driver's own words go on.
    origin = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    return next(iter(str(origin).splitlines()), "") or type(origin).__name__
