"""From outcomes to rows: settlements are gathered while a transaction is under way and written as the next one."""

import asyncio
from collections import deque
from typing import Protocol

import structlog

from postroad.delivery.contents import Origin
from postroad.delivery.givens import Givens
from postroad.delivery.leases import LeaseLedger
from postroad.delivery.reports import Reporter
from postroad.model.delivery import Delivery, DeliveryState
from postroad.model.ids import partition_of
from postroad.model.message import Accepted
from postroad.model.outcome import BounceClass, Bounced, Deferred, Delivered, Outcome, Settlement
from postroad.model.suppression import Suppression
from postroad.policy.retry import RetrySchedule
from postroad.policy.settlement import SettlingFacts, cancel, settle, suppress
from postroad.storage.database import Database
from postroad.storage.outage import Outage

log = structlog.get_logger()

_LARGEST_BATCH = 500
_GATHER_S = 0.01
"""How long a settlement waits for others: nobody waits for it, and a sync costs more than settling twenty."""
_BEHIND = 5_000
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


class DeliveryMeter(Protocol):
    """Counts how attempts end; ``telemetry.metrics`` does."""

    def delivered(self, destination: str, duration_ms: float, wait_ms: float) -> None:
        """Count a delivery that its host took."""

    def deferred(self, destination: str, duration_ms: float, *, maybe_delivered: bool = False) -> None:
        """Count an attempt that will be repeated."""

    def bounced(self, destination: str, bounce_class: BounceClass, duration_ms: float) -> None:
        """Count a delivery given up."""

    def ready(self, count: int) -> None:
        """Say how many leased deliveries wait in memory."""


class SettlementWriter:
    """Writes settlements, many to a transaction, and keeps those that cannot be written until they are.

    A batch that fails is tried again in smaller parts, so that one bad row holds up nobody but itself for long.
    """

    def __init__(self, database: Database, ledger: LeaseLedger) -> None:
        self._database = database
        self._ledger = ledger
        self._waiting: deque[tuple[Settlement, Accepted | None]] = deque()
        self._something_waits = asyncio.Event()
        self._batch_size = _LARGEST_BATCH
        self._pause_s = 0.0
        self._turn = asyncio.Lock()
        self._outage = Outage("settling_failed")

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_behind(self) -> bool:
        """Whether so much waits to be written that no new work should begin."""
        return len(self._waiting) >= _BEHIND

    def add(self, settlement: Settlement, report: Accepted | None = None) -> None:
        """Have a settlement written, and its report accepted in the same transaction."""
        self._waiting.append((settlement, report))
        self._something_waits.set()

    async def keep_writing(self) -> None:
        """Write what waits, until cancelled."""
        while True:
            await self._something_waits.wait()
            self._something_waits.clear()
            while self._waiting:
                await asyncio.sleep(max(self._pause_s, _GATHER_S))
                await self.write_batch()

    async def flush(self) -> None:
        """Write everything, a batch under way included."""
        while self._waiting or self._turn.locked():
            if not await self.write_batch():
                await asyncio.sleep(self._pause_s)

    async def write_batch(self) -> bool:
        """Write the next batch; returns whether it was written."""
        async with self._turn:
            return await self._write_batch()

    async def _write_batch(self) -> bool:
        batch = [self._waiting.popleft() for _ in range(min(self._batch_size, len(self._waiting)))]
        if not batch:
            return True
        # Whether an earlier try was written after all is told by the lease: storage gives late events new ids.
        settlements = [settlement for settlement, _ in batch]
        reports = {settlement.delivery_id: report for settlement, report in batch if report is not None}
        try:
            settled = await self._database.settle(settlements, reports)
        except asyncio.CancelledError:
            self._waiting.extendleft(reversed(batch))
            raise
        except Exception as error:  # noqa: BLE001 - logged, and tried again
            self._outage.failed(error, settlements=len(batch), waiting=len(self._waiting))
            self._waiting += batch
            self._batch_size = max(1, self._batch_size // 2)
            self._pause_s = min(max(_FIRST_PAUSE_S, self._pause_s * 2), _LONGEST_PAUSE_S)
            return False
        self._outage.passed()
        self._batch_size = min(_LARGEST_BATCH, self._batch_size * 2)
        self._pause_s = 0.0
        if len(settled) < len(batch):
            log.warning("settlements_void", settlements=len(batch) - len(settled))
        self._ledger.drop_settled(settlements)
        return True


class Settler:
    """Makes settlements of outcomes and hands them to the writer."""

    def __init__(
        self,
        writer: SettlementWriter,
        reporter: Reporter,
        meter: DeliveryMeter,
        schedule: RetrySchedule,
        givens: Givens,
    ) -> None:
        self._writer = writer
        self._reporter = reporter
        self._meter = meter
        self._schedule = schedule
        self._givens = givens

    def settle(self, delivery: Delivery, outcome: Outcome, origin: Origin | None, content: bytes | None) -> None:
        """Record what an attempt showed.

        Args:
            delivery: What was attempted.
            outcome: What the attempt showed.
            origin: The message; null where its row is gone, and with it whom to tell.
            content: The message's bytes for the report, where they are at hand.
        """
        now = self._givens.clock()
        settlement = settle(delivery, outcome, self._reporter.sender_facts(origin), self._facts(delivery, now))
        report = None
        if settlement.report is not None and origin is not None:
            report = self._reporter.report(delivery, settlement, outcome, origin, content)
        self._writer.add(settlement, report)
        self._count(delivery, outcome, settlement, now)

    def cancel(self, delivery: Delivery, reason: str) -> None:
        """Record that a delivery is dropped without an attempt."""
        self._writer.add(cancel(delivery, reason, self._facts(delivery, self._givens.clock())))

    def suppress(self, delivery: Delivery, barrier: Suppression) -> None:
        """Record that a delivery ends without an attempt, because the lists of its domain stop it."""
        self._writer.add(suppress(delivery, barrier, self._facts(delivery, self._givens.clock())))

    def _facts(self, delivery: Delivery, now: int) -> SettlingFacts:
        return SettlingFacts(
            now=now,
            jitter=self._givens.jitter(),
            event_id=self._givens.make_id(now, partition_of(delivery.message_id)),
            schedule=self._schedule,
        )

    def _count(self, delivery: Delivery, outcome: Outcome, settlement: Settlement, now: int) -> None:
        if delivery.options.is_test:
            return
        duration_ms = outcome.facts.duration_ms
        match outcome:
            case Delivered():
                self._meter.delivered(delivery.destination, duration_ms, now - delivery.accepted_at)
            case Deferred(maybe_delivered=maybe) if settlement.state is DeliveryState.SCHEDULED:
                self._meter.deferred(delivery.destination, duration_ms, maybe_delivered=maybe)
            case Deferred(bounce_class=bounce_class) | Bounced(bounce_class=bounce_class):
                self._meter.bounced(delivery.destination, bounce_class, duration_ms)
