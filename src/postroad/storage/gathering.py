"""Gathers the calls of many callers into one transaction after another (PostgreSQL)."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from postroad.storage.database import BatchMeter, tell_of_batch
from postroad.storage.driver_errors import may_pass

log = structlog.get_logger()

_CALLS_PER_TRANSACTION = 256


class Gathering:
    """While one transaction is under way, the calls of the next one collect."""

    def __init__(self, name: str, run: Callable[[Sequence[Any]], Awaitable[Sequence[Any]]], meter: BatchMeter) -> None:
        self._name = name
        self._run = run
        self._meter = meter
        self._waiting: deque[tuple[Any, asyncio.Future[Any]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def submit(self, payload: Any) -> Any:
        """Run ``payload`` among others in the next transaction, and return its result."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((payload, future))
        if self._task is None:
            self._task = loop.create_task(self._work())
        return await future

    async def finish(self) -> None:
        """Wait until nothing is waiting."""
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), _CALLS_PER_TRANSACTION)
                await self._commit([self._waiting.popleft() for _ in range(count)])
        finally:
            self._task = None

    async def _commit(self, calls: Sequence[tuple[Any, asyncio.Future[Any]]]) -> None:
        started = time.perf_counter()
        try:
            results = await self._run([payload for payload, _ in calls])
        except Exception as error:  # noqa: BLE001 - each call's error goes to its caller
            if len(calls) == 1 or may_pass(error):
                for _, future in calls:
                    if not future.done():
                        future.set_exception(error)
                return
            # One caller's error is its own: the others' rows are written all the same.
            log.warning("storage_batch_split", jobs=len(calls), error=str(error))
            for call in calls:
                await self._commit([call])
            return
        tell_of_batch(self._meter, self._name, len(calls), (time.perf_counter() - started) * 1000)
        for (_, future), result in zip(calls, results, strict=True):
            if not future.done():
                future.set_result(result)
