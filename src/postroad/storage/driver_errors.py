"""What the drivers raise, in storage's own words."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy import exc

from postroad.storage.driver import sqlite
from postroad.storage.errors import Conflict, StorageError, StorageUnavailable

_CONFLICTS = (exc.IntegrityError, sqlite.IntegrityError, asyncpg.IntegrityConstraintViolationError)
UNREACHABLE = (
    exc.OperationalError,
    exc.InterfaceError,
    exc.TimeoutError,
    sqlite.OperationalError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
    ConnectionError,
    asyncio.TimeoutError,
)
"""The database is away, full or busy: the same call may work later."""


@contextmanager
def in_our_words() -> Iterator[None]:
    """Turn a driver's error into Conflict, StorageUnavailable or StorageError, with the cause kept."""
    try:
        yield
    except _CONFLICTS as error:
        raise Conflict(_first_line(error)) from error
    except UNREACHABLE as error:
        raise StorageUnavailable(_first_line(error)) from error
    except exc.DBAPIError as error:
        if error.connection_invalidated:
            raise StorageUnavailable(_first_line(error)) from error
        raise StorageError(_first_line(error)) from error
    except (sqlite.Error, asyncpg.PostgresError) as error:
        raise StorageError(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    # SQLAlchemy adds the statement and its parameters, which may be secrets: only the driver's own words go on.
    origin = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    return next(iter(str(origin).splitlines()), "") or type(origin).__name__
