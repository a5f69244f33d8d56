"""Rounds of upkeep: one worker of the installation does them, the live one with the lowest number."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from postroad.net.clock import Clock
from postroad.storage import workers
from postroad.storage.database import Database
from postroad.storage.errors import StorageError, StorageUnavailable
from postroad.storage.outage import Outage
from postroad.upkeep.pulse import Pulse
from postroad.upkeep.settings import RetentionSettings
from postroad.upkeep.tasks import TASKS, Task, free_dead_workers

ROLE = "upkeep"
_MOST_SLICES = 200
"""Slices of one task in one round: then the others have their turn, however much is left."""
_PAUSE_S = 0.01
"""Between two slices, so that mail being accepted has most of the database's time."""


class Meter(Protocol):
    """What is counted of upkeep."""

    def upkeep_done(self, task: str, rows: int) -> None:
        """Count the rows one slice dealt with."""


class Upkeep:
    """Does rounds of upkeep for as long as it runs, when it is this worker's turn."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        incarnation: int,
        settings: RetentionSettings,
        pulse: Pulse,
        meter: Meter,
        tasks: Mapping[str, Task] = TASKS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._incarnation = incarnation
        self._settings = settings
        self._pulse = pulse
        self._meter = meter
        self._tasks = tasks
        self._faults = {name: Outage("upkeep_task_failed") for name in tasks}

    async def run(self) -> None:
        """Do a round at each interval until cancelled."""
        outage = Outage("upkeep_interrupted")
        while True:
            try:
                if await self.is_mine():
                    await self.round()
                outage.passed()
            except StorageError as error:
                outage.failed(error)
            await asyncio.sleep(self._settings.interval_s)

    async def is_mine(self) -> bool:
        """Whether this worker is the live one with the lowest number among those that do upkeep.

        Two workers may both think so for a moment; every slice is right when it is done twice at once.
        """
        since = self._clock() - self._settings.worker_silence_s * 1000
        live = await self._database.read(workers.live, since)
        return next((one.incarnation for one in live if ROLE in one.roles), None) == self._incarnation

    async def round(self) -> None:
        """Do every task until nothing is left of it, or its share of the round is used up.

        What fails keeps nothing behind it from its turn. Raises StorageUnavailable at the end where storage was away for
        any task: that is told once, and not of each.
        """
        away: StorageUnavailable | None = None
        for name, task in self._tasks.items():
            if task is free_dead_workers and not self._may_judge_silence():
                # What they hold would be delivered a second time, though they are about to settle it.
                continue
            try:
                await self._do(name, task)
                self._faults[name].passed()
            except StorageUnavailable as error:
                away = away or error
            except StorageError as error:
                self._faults[name].failed(error, task=name)
        if away is not None:
            raise away

    async def _do(self, name: str, task: Task) -> None:
        for _ in range(_MOST_SLICES):
            rows = await task(self._database, self._clock(), self._settings)
            if rows:
                self._meter.upkeep_done(name, rows)
            if rows < self._settings.slice_rows:
                break
            await asyncio.sleep(_PAUSE_S)

    def _may_judge_silence(self) -> bool:
        """Whether whoever is alive could show it all the time: storage was there, as it was for this worker."""
        return self._pulse.steady_ms(self._clock()) >= self._settings.worker_silence_s * 1000
