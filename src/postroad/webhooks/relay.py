"""Step 12 of the flow: calls that wait become posts to their receivers, each receiver served by one worker at a time."""

import asyncio
import random
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from postroad.model.ids import partition_of
from postroad.model.webhook import CallAttempt, CallResult, Health, WaitingCall
from postroad.net.clock import Clock
from postroad.policy.webhook_retry import LIFETIME_MS
from postroad.storage import webhook_calls
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.outage import Outage
from postroad.storage.outbox import NewId
from postroad.webhooks.attempt import told
from postroad.webhooks.facts import ReceiverFacts, WebhookFacts
from postroad.webhooks.line import CallMeter, Line, Memory, Parts
from postroad.webhooks.outages import Outages
from postroad.webhooks.post import Answer, Poster
from postroad.webhooks.recorder import Recorder
from postroad.webhooks.settings import WebhooksSettings

log = structlog.get_logger()

_LEASE_MS = 60_000
_RENEW_S = 15.0
_CLAIM = 100
_FIRST_PAGE = 16
_MOST_LINES = 2_000
_CALLS_IN_MEMORY = 20_000
_SWEEP_S = 30.0
_SWEPT = 500
_IDLE_MS = 2_000
_EXPECTED_FOR_MS = 5_000
"""How long calls are looked for after some were written here: events are written together, and one leads to the next."""


class Relay:
    """Makes the calls of one worker; ``run`` until cancelled, then ``stop``."""

    def __init__(
        self,
        *,
        database: Database,
        facts: WebhookFacts,
        poster: Poster,
        outages: Outages,
        meter: CallMeter,
        owner: int,
        clock: Clock,
        new_id: NewId,
        settings: WebhooksSettings,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock
        self._settings = settings
        self._recorder = Recorder(database)
        self._parts = Parts(
            database=database,
            facts=facts,
            poster=poster,
            recorder=self._recorder,
            outages=outages,
            meter=meter,
            clock=clock,
            new_id=new_id,
            chance=chance,
            note=self._note,
            memory=Memory(_CALLS_IN_MEMORY),
            slots=asyncio.Semaphore(settings.calls_at_once),
            calls_per_address=settings.calls_per_address,
            reading=Outage("calls_not_read"),
        )
        self._outage = Outage("receivers_not_claimed")
        self._lines: dict[int, tuple[Line, asyncio.Task[None]]] = {}
        self._noted: dict[int, Health] = {}
        self._ended: dict[int, Health] = {}
        self._last: int | None = None
        self._calls_made = 0
        self._expected_until = 0
        self._is_stopping = False

    def __len__(self) -> int:
        return len(self._lines)

    async def run(self) -> None:
        """Serve receivers until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._recorder.run())
                group.create_task(self._keep_claiming())
                group.create_task(self._keep_leases())
                group.create_task(self._keep_sweeping())
        finally:
            self._is_stopping = True

    async def stop(self, within_s: float) -> None:
        """After the end of ``run``: let calls under way end, within that time, record them and give leases back."""
        self._is_stopping = True
        for line, _ in self._lines.values():
            line.stop()
        try:
            async with asyncio.timeout(within_s):
                flushing = asyncio.ensure_future(self._keep_flushing())
                try:
                    await asyncio.gather(*(task for _, task in self._lines.values()), return_exceptions=True)
                finally:
                    flushing.cancel()
                await self._recorder.flush()
                await self._release()
                await self._parts.outages.finish()
        except TimeoutError:
            log.warning("calls_cut_off", receivers=len(self._lines))
        except StorageError as error:
            log.warning("receivers_not_released", error=str(error))
        for _, task in self._lines.values():
            task.cancel()

    async def _keep_flushing(self) -> None:
        while True:
            await self._recorder.flush()
            await asyncio.sleep(0.02)

    async def _keep_claiming(self) -> None:
        while True:
            try:
                await self._release()
                is_more = await self._claim()
            except StorageError as error:
                self._outage.failed(error)
                await asyncio.sleep(self._outage.pause_s)
                continue
            self._outage.passed()
            if not is_more:
                await self._pause()

    async def _pause(self) -> None:
        """Wait until the next look: longer where no call is to be expected, as each look costs storage a read."""
        for _ in range(max(1, _IDLE_MS // self._settings.poll_ms)):
            await asyncio.sleep(self._settings.poll_ms / 1000)
            if self._is_expecting():
                return

    def _is_expecting(self) -> bool:
        """Whether calls may wait before long; what other workers write for messages of their own is theirs to make first."""
        facts, now = self._parts.facts, self._clock()
        if facts.calls_made != self._calls_made:
            self._calls_made, self._expected_until = facts.calls_made, now + _EXPECTED_FOR_MS
        return bool(facts.has_webhooks or self._lines or self._ended or self._noted) or now < self._expected_until

    async def _claim(self) -> bool:
        """Take receivers that have something due; tells whether there may be more."""
        limit = min(_CLAIM, _MOST_LINES - len(self._lines))
        if limit <= 0 or self._is_stopping:
            return False
        now = self._clock()
        found = await self._database.read(webhook_calls.due_receivers, now, limit, self._last)
        free = [one for one in found if one not in self._lines]
        if not free:
            return False
        self._last = free[-1]
        taken = await self._database.write(webhook_calls.claim, free, self._owner, now, now + _LEASE_MS)
        receivers = [held.receiver for held in taken]
        pages, made_of = await self._database.read(webhook_calls.first_due, receivers, now, _FIRST_PAGE)
        for held in taken:
            page = pages[held.receiver]
            is_all = len(page) < _FIRST_PAGE
            line = Line(self._parts, held.receiver, held.health, page, made_of, is_all=is_all)
            task = asyncio.get_running_loop().create_task(line.run(), name=f"receiver {held.receiver}")
            self._lines[held.receiver] = (line, task)
            task.add_done_callback(partial(self._end, held.receiver))
        return len(found) == limit

    def _end(self, receiver: int, done: "asyncio.Task[None]") -> None:
        line, _ = self._lines.pop(receiver)
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("receiver_not_served", receiver=receiver, exc_info=error)
        self._ended[receiver] = line.health

    def _note(self, receiver: int, health: Health) -> None:
        self._noted[receiver] = health

    async def _release(self) -> None:
        """Give back the receivers that have nothing due for now, and note how they and others are doing."""
        if self._noted:
            noted, self._noted = self._noted, {}
            try:
                await self._database.write(webhook_calls.note, self._owner, noted)
            except StorageError:
                self._noted = noted | self._noted
                raise
        ended, self._ended = self._ended, {}
        if not ended:
            return
        try:
            await self._database.write(webhook_calls.release, self._owner, ended)
        except StorageError:
            self._ended = ended | self._ended
            raise

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            serving = list(self._lines)
            if not serving:
                continue
            try:
                held = await self._database.write(webhook_calls.renew, self._owner, serving, self._clock() + _LEASE_MS)
            except StorageError as error:
                log.warning("receivers_not_renewed", error=str(error))
                continue
            for receiver in set(serving) - held:
                if receiver in self._lines:
                    # Another worker serves it by now; what is under way here may be made twice.
                    log.warning("receiver_lost", receiver=receiver)
                    self._lines[receiver][0].stop()

    async def _keep_sweeping(self) -> None:
        while True:
            # A little apart, so that several workers do not come all at once.
            await asyncio.sleep(_SWEEP_S * (0.5 + self._parts.chance()))
            try:
                await self.sweep()
            except StorageError as error:
                log.warning("calls_not_swept", error=str(error))

    async def sweep(self) -> int:
        """Give up calls whose time is over and those that an address has too many of; returns how many."""
        late = await self._database.read(webhook_calls.expired, self._clock() - LIFETIME_MS, _SWEPT)
        count = await self._give_up(late, "its 72 hours were over before it could be tried: the address was paused")
        bound = self._settings.backlog
        beyond = await self._database.read(webhook_calls.beyond, bound, _SWEPT)
        return count + await self._give_up(beyond, f"more than {bound:,} calls waited for the address")

    async def _give_up(self, calls: Sequence[WaitingCall], why: str) -> int:
        attempts: dict[int, CallAttempt | None] = {}
        known: dict[int, ReceiverFacts] = {}
        for call in calls:
            facts = await self._parts.facts.of_call(call)
            if facts is not None:
                known[call.receiver] = facts
            attempts[call.id] = None if facts is None else self._given_up(call, facts, why)
        if not attempts:
            return 0
        given_up = await self._database.write(webhook_calls.give_up, attempts, self._clock())
        self._parts.meter.webhook_called(CallResult.GIVEN_UP.value, given_up.calls)
        for receiver, (lost, health) in given_up.to_be_told.items():
            facts = known[receiver]
            self._parts.outages.given_up(facts.receiver, facts.domain.name, health, lost, why)
        return given_up.calls

    def _given_up(self, call: WaitingCall, facts: ReceiverFacts, why: str) -> CallAttempt:
        return told(
            facts,
            event_ids=[call.event_id],
            message_ids=[call.message_id],
            attempt_id=self._parts.new_id(partition_of(call.id)),
            call_id=call.id,
            at=self._clock(),
            attempt=call.attempts,
            call=None,
            answer=Answer(error=why),
            result=CallResult.GIVEN_UP,
        )
