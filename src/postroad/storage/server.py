"""Connections to a PostgreSQL server: ``database.url`` is read here only, so that all of them read it alike."""

import os
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import asyncpg

from postroad.storage.errors import StorageError
from postroad.storage.location import PostgresServer

_CONNECT_TIMEOUT_S = 60
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")


async def connect(place: PostgresServer, settings: Mapping[str, str] | None = None, **options: Any) -> Any:
    """Return a new connection of asyncpg; ``settings`` are the server's, for it alone. Raises StorageError."""
    arguments = arguments_for(place, settings or {})
    try:
        return await asyncpg.connect(**arguments, **options)
    except asyncpg.ClientConfigurationError as error:
        raise StorageError(f"database.url cannot be used: {error.args[0]}") from None
    except ssl.SSLError:
        # A certificate that is refused is a ValueError as well.
        raise
    except ValueError:
        # What it says may be a piece of the password.
        raise StorageError(f"database.url is no address of a database: {place}") from None


def arguments_for(place: PostgresServer, settings: Mapping[str, str]) -> dict[str, Any]:
    """Return what asyncpg is to be given to connect with ``settings`` of the server. Raises StorageError."""
    parameters = place.parameters
    for name in _FILES:
        if name in parameters and not os.access(parameters[name], os.R_OK):
            raise StorageError(f"{name} of database.url is no file that can be read: {parameters[name]}")
    # Without a limit nobody would hear of a server that does not answer: libpq's 0 is our own limit.
    timeout_s = int(parameters.pop("connect_timeout", "0")) or _CONNECT_TIMEOUT_S
    # The driver binds no channels, as both values that are let through allow.
    parameters.pop("channel_binding", None)
    name = parameters.pop("application_name", "postroad")
    query = f"?{urlencode(parameters)}" if parameters else ""
    return {
        "dsn": f"{place.url.partition('?')[0]}{query}",
        "timeout": timeout_s,
        "server_settings": {"application_name": name, **settings},
    }
