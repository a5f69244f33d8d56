"""SQLite's one writer of this process: a thread that gathers what is waiting and commits it together."""

import asyncio
import fcntl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import msgspec
import structlog

from postroad.storage.database import BatchMeter, tell_of_batch
from postroad.storage.driver import sqlite
from postroad.storage.errors import StorageUnavailable

log = structlog.get_logger()


class Operation(Protocol):
    """Runs the jobs of many callers within the open transaction: payloads in, one result for each out."""

    __name__: str

    def __call__(self, batch: Sequence[Any], /) -> Sequence[Any]:
        """Run them."""


_JOBS_PER_TRANSACTION = 256
_GATHER_S = 0.003
"""How long a transaction waits for more callers when the one before had several: a sync costs more than the wait."""


class _Job(msgspec.Struct):
    operation: Operation
    payload: Any
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Runs jobs in transactions of many, each committed and synced before its callers hear of it."""

    def __init__(
        self, raw: "sqlite.Connection", lock_path: Path, after_commit: Callable[[], None], meter: BatchMeter
    ) -> None:
        self._raw = raw
        self._turn = lock_path.open("ab")
        self._after_commit = after_commit
        self._meter = meter
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._was_shared = False
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def submit(self, operation: Operation, payload: Any) -> Any:
        """Run ``operation`` with ``payload`` among others in the next transaction, and return its result."""
        if self._closed:
            raise StorageUnavailable("the database has been closed")
        loop = asyncio.get_running_loop()
        job = _Job(operation, payload, loop, loop.create_future())
        self._queue.put(job)
        return await job.future

    def close(self) -> None:
        """Finish what was handed in; blocks."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._turn.close()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the right to write among all processes on this file."""
        # SQLite's own busy handler polls with growing sleeps; a lock wakes its next holder at once.
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def _run(self) -> None:
        is_open = True
        while is_open:
            jobs, is_open = self._gather()
            if jobs:
                self._was_shared = len(jobs) > 1
                self._commit(jobs)
                _wake_callers(jobs)

    def _gather(self) -> tuple[list[_Job], bool]:
        """Wait for a job and take what else is waiting; false when the end has been reached."""
        jobs: list[_Job] = []
        try:
            while len(jobs) < _JOBS_PER_TRANSACTION:
                job = self._queue.get(block=not jobs)
                if not jobs and job is not None and self._was_shared:
                    time.sleep(_GATHER_S)
                if job is None:
                    return jobs, False
                jobs.append(job)
        except Empty:
            pass
        return jobs, True

    def _commit(self, jobs: Sequence[_Job]) -> None:
        try:
            self._run_together(jobs)
        except Exception as error:  # noqa: BLE001 - each job's error goes to its caller
            if len(jobs) == 1:
                jobs[0].error = error
                return
            # One caller's error is its own: the others' rows are written all the same.
            log.warning("storage_batch_split", jobs=len(jobs), error=str(error))
            for job in jobs:
                self._commit([job])

    def _run_together(self, jobs: Sequence[_Job]) -> None:
        groups = _by_operation(jobs)
        with self.turn():
            started = time.perf_counter()
            self._raw.execute("BEGIN IMMEDIATE")
            try:
                for operation, group in groups.items():
                    results = operation([job.payload for job in group])
                    for job, result in zip(group, results, strict=True):
                        job.result = result
                self._raw.commit()
            except BaseException:
                self._raw.rollback()
                raise
            finally:
                self._after_commit()
        duration_ms = (time.perf_counter() - started) * 1000
        for operation, group in groups.items():
            tell_of_batch(self._meter, operation.__name__.lstrip("_"), len(group), duration_ms)


def _by_operation(jobs: Sequence[_Job]) -> dict[Operation, list[_Job]]:
    groups: dict[Operation, list[_Job]] = {}
    for job in jobs:
        groups.setdefault(job.operation, []).append(job)
    return groups


def _wake_callers(jobs: Sequence[_Job]) -> None:
    """Hand over the results, by one call into each event loop, because each call wakes its selector."""
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in jobs:
        loops.setdefault(job.loop, []).append(job)
    for loop, group in loops.items():
        try:
            loop.call_soon_threadsafe(_resolve, group)
        except RuntimeError:
            log.warning("storage_caller_gone", jobs=len(group))


def _resolve(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
