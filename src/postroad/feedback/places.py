"""Where on earth a client address is, by a database file that the operator supplies (MaxMind DB)."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import maxminddb
import structlog

from postroad.model.tracking import NOWHERE, Place

log = structlog.get_logger()

_LOOK_S = 60.0
_State = tuple[int, int, int]


class PlacesError(Exception):
    """The file cannot be used; the message says which and why in one sentence."""


class PlaceDatabase:
    """A file that was read; what becomes of it afterwards disturbs nobody."""

    def __init__(self, path: Path) -> None:
        """Read a file, some 60 MB of memory for one with cities; raises PlacesError."""
        try:
            with _copied(path) as copy:
                self._reader = maxminddb.open_database(copy, maxminddb.MODE_AUTO)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            raise PlacesError(f"{path} is no MaxMind database that can be read: {error}") from error
        self.kind = self._reader.metadata().database_type

    def find(self, address: str) -> Place:
        """Return where an address is, as far as is known."""
        try:
            found = self._reader.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError):
            # No address, one of IPv6 where the file knows none, or a broken entry.
            return NOWHERE
        if not isinstance(found, dict):
            return NOWHERE
        country = found.get("country") or found.get("registered_country")
        return Place(_text(country, "iso_code"), _text(_inside(found.get("city"), "names"), "en"))


class Places:
    """Answers from the file of the settings as it is now; ``run`` reads a changed one and must be running beside it."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._database: PlaceDatabase | None = None
        self._state: _State | None = None
        self._complaint = ""

    def find(self, address: str) -> Place:
        """Return where an address is; nowhere without a file."""
        return NOWHERE if self._database is None else self._database.find(address)

    async def run(self) -> None:
        """Look every minute for another file, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Read the file where it has changed; one that cannot be used is complained of once, and the one before stays."""
        if self._path is None:
            return
        try:
            state = _state_of(self._path)
            if state == self._state:
                return
            self._state = state
            self._database = await asyncio.to_thread(PlaceDatabase, self._path)
        except PlacesError as error:
            if str(error) != self._complaint:
                log.warning("geo_database_not_read", reason=str(error))
            self._complaint = str(error)
            return
        self._complaint = ""
        log.info("geo_database_read", kind=self._database.kind)


def _state_of(path: Path) -> _State:
    try:
        stat = path.stat()
    except OSError as error:
        raise PlacesError(f"cannot read {path}: {error.strerror}") from error
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@contextlib.contextmanager
def _copied(path: Path) -> Iterator[str]:
    """Give a copy in memory a path: a mapped file that is overwritten in place would end the process."""
    if not hasattr(os, "memfd_create"):
        yield str(path)
        return
    content = path.read_bytes()
    with os.fdopen(os.memfd_create("places"), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


def _inside(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _text(value: Any, name: str) -> str:
    found = _inside(value, name)
    return found if isinstance(found, str) else ""
