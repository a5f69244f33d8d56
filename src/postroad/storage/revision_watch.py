"""One look a second at the revision of the control plane, for all parts of a worker that keep some of it in memory."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from postroad.storage import revision
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.outage import Outage

log = structlog.get_logger()

_LOOK_S = 1.0

Refresh = Callable[[], Awaitable[object]]
"""Reads again what has changed, or forgets it."""


class _Part(msgspec.Struct):
    name: str
    refresh: Refresh
    revision: int | None = None
    """The one that the part was refreshed at; None before the first time."""


class RevisionWatch:
    """Has its parts refreshed when the control plane has changed; ``run`` must be running beside them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._parts: list[_Part] = []
        self._outage = Outage("revision_not_read")

    def add(self, name: str, refresh: Refresh) -> None:
        """Have a part refreshed at the next look, and then after each change."""
        self._parts.append(_Part(name, refresh))

    async def look(self) -> None:
        """Refresh the parts that are older than the control plane; raises StorageError where that cannot be asked.

        A part that storage fails is refreshed again at the next look. Other errors are faults of ours and end the worker.
        """
        current = await self._database.read(revision.current)
        await asyncio.gather(*(_refresh(part, current) for part in self._parts if part.revision != current))

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            try:
                await self.look()
                self._outage.passed()
            except StorageError as error:
                self._outage.failed(error)
            await asyncio.sleep(_LOOK_S)


async def _refresh(part: _Part, current: int) -> None:
    try:
        await part.refresh()
    except StorageError as error:
        log.warning("part_not_refreshed", part=part.name, why=str(error))
    else:
        # Of a change since the look the part may know already; to refresh it once more costs it a read.
        part.revision = current
