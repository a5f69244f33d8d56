"""Ids that a command makes: they need a worker number, which the command holds for as long as it runs."""

import contextlib
import os
import socket
from collections.abc import AsyncIterator

import msgspec

from postroad.model.ids import IdSource
from postroad.net.clock import now_ms
from postroad.storage import workers
from postroad.storage.database import Database
from postroad.storage.workers import WorkerLease


class CommandIds(msgspec.Struct, frozen=True):
    """The ids of one command."""

    database: Database
    lease: WorkerLease
    source: IdSource

    def next(self, partition: int) -> int:
        """Return a new id for a partition."""
        return self.source.next(now_ms(), partition)

    async def keep(self) -> None:
        """Say that the command still works: a number that nobody heard of for a while is given to another."""
        await self.database.write(workers.heartbeat, self.lease.incarnation, now_ms())


@contextlib.asynccontextmanager
async def command_ids(database: Database) -> AsyncIterator[CommandIds]:
    """Hold a worker number for the length of the block."""
    lease = await database.write(
        workers.lease, node=socket.gethostname(), pid=os.getpid(), pools=(), roles=("command",), now=now_ms()
    )
    try:
        yield CommandIds(database, lease, IdSource(lease.number))
    finally:
        await database.write(workers.remove, lease.incarnation)
