"""Outcomes of calls are written once, whatever happens to whoever waits for that."""

import asyncio
from typing import Any, cast

import pytest

from postroad.storage.database import Database
from postroad.storage.errors import StorageUnavailable
from postroad.storage.webhook_calls import Outcome
from postroad.webhooks import recorder
from postroad.webhooks.recorder import Recorder


class Writes:
    """Stands in for a database: keeps what is written, late, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.begun = asyncio.Event()
        self.written: list[int] = []

    async def write(self, fn: Any, outcome: Outcome) -> None:
        self.begun.set()
        # As a transaction does that was handed in, it goes on where nobody waits for it any more.
        await asyncio.shield(asyncio.ensure_future(self._commit(outcome)))

    async def _commit(self, outcome: Outcome) -> None:
        await asyncio.sleep(0.02)
        if self.failures:
            self.failures -= 1
            raise StorageUnavailable("gone")
        self.written += outcome.ended


def recorder_over(writes: Writes) -> Recorder:
    return Recorder(cast("Database", writes))


async def test_a_write_that_is_under_way_when_the_worker_ends_is_not_repeated() -> None:
    writes, forgotten = Writes(), []
    recording = recorder_over(writes)
    running = asyncio.create_task(recording.run())
    recording.add(Outcome(ended=[1]), lambda: forgotten.append(1))
    await writes.begun.wait()

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    recording.add(Outcome(ended=[2]), lambda: forgotten.append(2))
    await recording.flush()

    assert (writes.written, forgotten) == ([1, 2], [1, 2])


async def test_what_cannot_be_written_is_kept_until_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_FIRST_PAUSE_S", 0.01)
    writes, forgotten = Writes(failures=2), []
    recording = recorder_over(writes)
    for number in range(5):
        recording.add(Outcome(ended=[number]), lambda number=number: forgotten.append(number))  # type: ignore[misc]
    running = asyncio.create_task(recording.run())

    async with asyncio.timeout(5):
        while len(forgotten) < 5:
            await asyncio.sleep(0.01)
    running.cancel()

    assert sorted(writes.written) == sorted(forgotten) == [0, 1, 2, 3, 4]
