"""What a node says of itself: health, readiness, metrics, and why a delivery waits."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from postroad.net.clock import now_ms
from postroad.node.worker_process import WorkerProcess
from postroad.storage import deliveries
from postroad.storage import workers as worker_rows
from postroad.storage.engine import Database
from postroad.storage.errors import StorageError
from postroad.telemetry.exposition import QueueFigure, render_all

_READINESS_S = 5.0


class Status:
    """What the admin listener says of all workers together."""

    def __init__(self, workers: Sequence[WorkerProcess], database: Database, metrics_dir: Path) -> None:
        self._workers = workers
        self._database = database
        self._metrics_dir = metrics_dir

    def health(self) -> dict[str, Any]:
        """Return the worker processes; they are alive when at least one is."""
        workers = [
            {"slot": slot, "pid": worker.pid, "number": worker.number, "serving": worker.is_serving}
            for slot, worker in enumerate(self._workers)
        ]
        return {"ok": any(worker["pid"] for worker in workers), "pid": os.getpid(), "workers": workers}

    async def readiness(self) -> dict[str, Any]:
        """Write a row, and ask for a worker that serves: with both, mail can be taken."""
        serving = [worker.is_serving for worker in self._workers]
        problem = await self._storage_problem()
        return {"ok": problem is None and any(serving), "workers_serving": sum(serving), "storage": problem or "ok"}

    async def _storage_problem(self) -> str | None:
        try:
            await asyncio.wait_for(self._database.write(worker_rows.touch), _READINESS_S)
        except TimeoutError:
            return f"no write within {_READINESS_S:g} s"
        except StorageError as error:
            return str(error)
        return None

    async def metrics(self) -> bytes:
        """Return what the workers counted, and the queue as it is now."""
        figures = await self._database.read(deliveries.queue_figures, now_ms())
        return render_all(self._metrics_dir, [QueueFigure(*figure) for figure in figures])

    async def why(self, delivery_id: int) -> str | None:
        """Return which limit a delivery waits for in the worker that holds it; None when none of this node does."""
        answers = await asyncio.gather(*(worker.why(delivery_id) for worker in self._workers))
        return next((answer for answer in answers if answer is not None), None)
