"""What became of calls, gathered while a transaction is under way and written as the next one."""

import asyncio
from collections import deque
from collections.abc import Callable

from postroad.storage import webhook_calls
from postroad.storage.database import Database
from postroad.storage.outage import Outage
from postroad.storage.webhook_calls import Outcome

_LARGEST_BATCH = 200
_GATHER_S = 0.01
"""How long an outcome waits for others: a sync costs more than many rows."""
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0

Written = Callable[[], None]
"""Called once an outcome is stored."""


class Recorder:
    """Writes outcomes, and keeps those that cannot be written until they are.

    A batch that fails is tried again in smaller parts, so that one bad row holds up nobody but itself for long.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[tuple[Outcome, Written]] = deque()
        self._something_waits = asyncio.Event()
        self._batch_size = _LARGEST_BATCH
        self._pause_s = 0.0
        self._turn = asyncio.Lock()
        self._writing: asyncio.Future[None] | None = None
        self._outage = Outage("calls_not_recorded")

    def add(self, outcome: Outcome, written: Written) -> None:
        """Have an outcome written."""
        self._waiting.append((outcome, written))
        self._something_waits.set()

    async def run(self) -> None:
        """Write what waits, until cancelled."""
        while True:
            await self._something_waits.wait()
            self._something_waits.clear()
            while self._waiting:
                await asyncio.sleep(max(self._pause_s, _GATHER_S))
                # Shielded, as a transaction that was handed in ends even where nobody waits for it any more: what it
                # wrote must not be written again.
                self._writing = asyncio.ensure_future(self._take_turn())
                await asyncio.shield(self._writing)

    async def flush(self) -> None:
        """Write everything, a batch under way included."""
        while self._waiting or self._turn.locked():
            await self._take_turn()
            if self._pause_s:
                await asyncio.sleep(self._pause_s)

    async def _take_turn(self) -> None:
        async with self._turn:
            await self._write_batch()

    async def _write_batch(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(self._batch_size, len(self._waiting)))]
        if not batch:
            return
        try:
            await self._database.write(webhook_calls.record, _joined([outcome for outcome, _ in batch]))
        except Exception as error:  # noqa: BLE001 - logged, and tried again
            self._outage.failed(error, outcomes=len(batch), waiting=len(self._waiting))
            self._waiting += batch
            self._batch_size = max(1, self._batch_size // 2)
            self._pause_s = min(max(_FIRST_PAUSE_S, self._pause_s * 2), _LONGEST_PAUSE_S)
            return
        self._outage.passed()
        self._batch_size = min(_LARGEST_BATCH, self._batch_size * 2)
        self._pause_s = 0.0
        for _, written in batch:
            written()


def _joined(outcomes: list[Outcome]) -> Outcome:
    return Outcome(
        attempts=[one for outcome in outcomes for one in outcome.attempts],
        ended=[one for outcome in outcomes for one in outcome.ended],
        retries=[one for outcome in outcomes for one in outcome.retries],
    )
