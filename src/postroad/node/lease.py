"""A worker's number: leased from the database, kept by a heartbeat, given back at the end."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from postroad.config import Settings
from postroad.net.clock import now_ms
from postroad.node.channel import Plan
from postroad.storage import workers
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.outage import Outage
from postroad.storage.workers import WorkerLease
from postroad.upkeep.pulse import Pulse

log = structlog.get_logger()

_HEARTBEAT_S = 5.0
"""A worker silent for ``retention.worker_silence_s`` is given up; this leaves room for several that fail."""


def node_name(settings: Settings) -> str:
    """Return what this node is called among the others: its machine and its data folder."""
    return f"{socket.gethostname()}:{Path(settings.data_dir).resolve()}"


class HeldLease(WorkerLease, frozen=True):
    """A lease whose heartbeat is written."""

    pulse: Pulse
    """How steadily."""


@asynccontextmanager
async def leased_number(database: Database, plan: Plan) -> AsyncIterator[HeldLease]:
    """Hold a worker number, with its incarnation, for the length of the block; raises StorageError."""
    given = await database.write(
        workers.lease,
        node=node_name(plan.settings),
        pid=os.getpid(),
        pools=tuple(plan.settings.delivery.pools) or (plan.settings.submission.default_pool,),
        roles=plan.roles,
        now=now_ms(),
    )
    lease = HeldLease(given.number, given.incarnation, Pulse(now_ms()))
    beating = asyncio.create_task(_keep(database, lease), name="heartbeat")
    try:
        yield lease
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating
        try:
            await database.write(workers.remove, lease.incarnation)
        except StorageError as error:
            # The supervisor does so as well, and in the end time does.
            log.warning("worker_number_kept", incarnation=lease.incarnation, why=str(error))


async def _keep(database: Database, lease: HeldLease) -> None:
    outage = Outage("heartbeat_not_written")
    while True:
        await asyncio.sleep(_HEARTBEAT_S)
        try:
            is_known = await database.write(workers.heartbeat, lease.incarnation, now_ms())
        except StorageError as error:
            outage.failed(error)
            lease.pulse.miss()
            continue
        outage.passed()
        lease.pulse.beat(now_ms())
        if not is_known:
            # Another node gave this worker up: its number may be somebody else's by now, so it makes no more ids.
            log.error("worker_given_up", incarnation=lease.incarnation)
            os.kill(os.getpid(), signal.SIGTERM)
            return
