"""What a node says of itself: health, readiness, metrics, and why a delivery waits."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from postroad.net.clock import now_ms
from postroad.node.disk import least_room
from postroad.node.worker_process import WorkerProcess
from postroad.storage import complaints, deliveries, webhook_calls
from postroad.storage import workers as worker_rows
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.telemetry.exposition import QueueFigure, Stored, WebhookFigures, render_all

log = structlog.get_logger()

_READINESS_S = 5.0
_CALLS_COUNTED = 100_000


class NodeStatus:
    """What the admin listener says of all workers together."""

    def __init__(
        self, workers: Sequence[WorkerProcess], database: Database, folders: Sequence[Path], metrics_dir: Path
    ) -> None:
        self._workers = workers
        self._database = database
        self._folders = folders
        self._metrics_dir = metrics_dir

    def health(self) -> dict[str, Any]:
        """Return the worker processes; the node is alive when at least one is."""
        workers = [
            {"slot": slot, "pid": worker.pid, "number": worker.number, "serving": worker.is_serving}
            for slot, worker in enumerate(self._workers)
        ]
        return {"ok": any(worker["pid"] for worker in workers), "pid": os.getpid(), "workers": workers}

    async def readiness(self) -> dict[str, Any]:
        """Write a row, and ask for room on the disk and a worker that serves: with these, mail can be taken."""
        serving = sum(worker.is_serving for worker in self._workers)
        problem = await storage_problem(self._database, self._folders)
        return {"ok": problem is None and serving > 0, "workers_serving": serving, "storage": problem or "ok"}

    async def metrics(self) -> bytes:
        """Return what the workers counted, and the queue as it is now."""
        return await rendered_metrics(self._database, self._metrics_dir)

    async def why(self, delivery_id: int) -> str | None:
        """Return which limit a delivery waits for in the worker that holds it; None when none of this node does."""
        answers = await asyncio.gather(*(worker.why(delivery_id) for worker in self._workers))
        return next((answer for answer in answers if answer is not None), None)


class WorkerStatus:
    """The same from within one worker, for the one port of ``postroad dev``."""

    def __init__(self, database: Database, folders: Sequence[Path], why: Callable[[int], str | None]) -> None:
        self._database = database
        self._folders = folders
        self._why = why

    def health(self) -> dict[str, Any]:
        """Return this process: it answers, so it is alive."""
        return {"ok": True, "pid": os.getpid()}

    async def readiness(self) -> dict[str, Any]:
        """Write a row, and ask for room on the disk: this worker serves, as it answers."""
        problem = await storage_problem(self._database, self._folders)
        return {"ok": problem is None, "storage": problem or "ok"}

    async def metrics(self) -> bytes:
        """Return what all workers of the node counted, and the queue as it is now."""
        return await rendered_metrics(self._database, Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))

    async def why(self, delivery_id: int) -> str | None:
        """Return which limit a delivery waits for, if this worker holds it."""
        return self._why(delivery_id)


async def storage_problem(database: Database, folders: Sequence[Path]) -> str | None:
    """Write a row as it is and return what kept it from being written, or would keep mail from it."""
    try:
        async with asyncio.timeout(_READINESS_S):
            # SQLite writes nothing where a row stays as it is, and a row has room where a message has none.
            room = await asyncio.to_thread(least_room, folders)
            if room is not None and room.is_lacking:
                return f"the disk is full: {room}"
            await database.write(worker_rows.touch)
    except TimeoutError:
        return f"no write within {_READINESS_S:g} s"
    except StorageError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename} cannot be looked at: {error.strerror}"
    return None


async def rendered_metrics(database: Database, directory: Path) -> bytes:
    """Return all metrics; without those that are stored while the database cannot be read."""
    try:
        now = now_ms()
        figures = [QueueFigure(*row) for row in await database.read(deliveries.queue_figures, now)]
        feedback = await database.read(complaints.counts)
        backlog = await database.read(webhook_calls.backlog, _CALLS_COUNTED)
    except StorageError as error:
        log.warning("queue_not_counted", error=str(error))
        return render_all(directory)
    webhooks = WebhookFigures(
        waiting=backlog.calls,
        oldest_age_s=0.0 if backlog.oldest_at is None else max(0, now - backlog.oldest_at) / 1000,
        paused=backlog.paused,
    )
    return render_all(directory, Stored(queue=figures, feedback=feedback, webhooks=webhooks))
