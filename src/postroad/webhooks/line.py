"""One receiver while a worker serves it: its due calls, in the order of each message, as many at a time as it keeps up with."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from http import HTTPStatus
from typing import Protocol

import msgspec
import structlog

from postroad.model.ids import partition_of
from postroad.model.webhook import CallAttempt, CallResult, Happening, Health, WaitingCall
from postroad.net.clock import Clock
from postroad.policy.webhook_retry import (
    after_failure,
    after_giving_up,
    after_success,
    is_over,
    is_to_be_told,
    next_try_at,
)
from postroad.storage import webhook_calls
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.outage import Outage
from postroad.storage.outbox import NewId
from postroad.storage.webhook_calls import Material, Outcome, Retry
from postroad.webhooks.attempt import sealed, told
from postroad.webhooks.facts import ReceiverFacts, WebhookFacts
from postroad.webhooks.happenings import happening_of
from postroad.webhooks.outages import Outages
from postroad.webhooks.post import Answer, Poster, result_of
from postroad.webhooks.recorder import Recorder

log = structlog.get_logger()

_AHEAD = 16
"""Calls in memory for each that may be under way."""
_MOST_HELD = 400
_SLOW_MS = 3_000
"""A receiver that takes longer for a call gets fewer at a time: slots are for those that use them."""
_LOOK_S = 1.0
_FIRST_WINDOW = 4
_LANES_OF_BATCHES = 4
_START = (0, 0)


class CallMeter(Protocol):
    """What is counted of calls."""

    def webhook_called(self, result: str, count: int = 1) -> None:
        """Count calls by how they ended."""


class Memory:
    """How many more calls a worker may hold in memory; a line that finds no room holds one."""

    def __init__(self, calls: int) -> None:
        self.left = calls


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What all lines of a worker share."""

    database: Database
    facts: WebhookFacts
    poster: Poster
    recorder: Recorder
    outages: Outages
    meter: CallMeter
    clock: Clock
    new_id: NewId
    chance: Callable[[], float]
    """Returns a random number from 0 up to 1."""
    memory: Memory
    note: Callable[[int, Health], None]
    """Takes how a receiver is doing, where that has changed for good or bad, to be written."""
    slots: asyncio.Semaphore
    """One for each call that the worker may make at the same time."""
    calls_per_address: int
    reading: Outage
    """Tells where calls cannot be read: of all lines together, as there may be thousands."""


class _Item(msgspec.Struct, frozen=True):
    call: WaitingCall
    happening: Happening


class Line:
    """Serves one receiver for as long as it has something due.

    Its calls go through lanes, each message always through the same one: within a lane they are made one after another,
    and so in order; a call that has failed waits for its own time and is passed by. How many lanes work at a time
    grows with success and falls back to one with a failure, so that dead receivers leave the worker's slots to others.
    """

    def __init__(
        self,
        parts: Parts,
        receiver: int,
        health: Health,
        first: Sequence[WaitingCall],
        made_of: Material,
        *,
        is_all: bool,
    ) -> None:
        """Begin with the first due calls, which ``is_all`` says to be all that there are."""
        self._parts = parts
        self._first = first
        self._made_of = made_of
        self._is_all = is_all
        self._receiver = receiver
        self.health = health
        self._facts: ReceiverFacts | None = None
        self._cursor = _START
        self._held: set[int] = set()
        """Calls in memory, until what became of them is written."""
        self._lanes: dict[int, deque[_Item]] = {}
        self._ready: deque[int] = deque()
        """Lanes that have something to do and do nothing."""
        self._at_work: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._window = 1 if health.failures else min(_FIRST_WINDOW, parts.calls_per_address)
        self._changed = asyncio.Event()
        self._is_stopping = False

    async def run(self) -> None:
        """Make what is due, and return when there is nothing more, or no more may be made now; the rows say what is left."""
        try:
            if self._may_call():
                await self._begin()
            while not self._is_stopping and self._may_call():
                try:
                    is_more = not self._is_all and await self._read()
                except StorageError as error:
                    self._parts.reading.failed(error, receiver=self._receiver)
                    is_more = True
                    await asyncio.sleep(max(_LOOK_S, self._parts.reading.pause_s))
                if not is_more and not self._held:
                    break
                if not is_more:
                    await self._wait()
            await self._finish()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._hold(self._held, released=True)

    async def _begin(self) -> None:
        first, made_of = self._first, self._made_of
        self._first, self._made_of = (), Material({}, {}, {})
        if self.health.failures and len(first) > 1:
            # One is tried; the rest is read again when it has got through.
            first, self._is_all = first[:1], False
        if not first:
            return
        try:
            await self._take_held(first, self._parts.clock(), made_of)
        except StorageError as error:
            self._parts.reading.failed(error, receiver=self._receiver)
            return
        self._parts.reading.passed()
        self._cursor = (first[-1].due_at, first[-1].id)

    def stop(self) -> None:
        """Begin nothing more; what is under way ends."""
        self._is_stopping = True
        self._drop_waiting()
        self._changed.set()

    async def _finish(self) -> None:
        """Wait for what is under way, and for its record."""
        self._drop_waiting()
        while self._held:
            await self._wait()

    async def _wait(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._changed.wait()
        except TimeoutError:
            return

    def _may_call(self) -> bool:
        return self.health.next_try_at is None or self.health.next_try_at <= self._parts.clock()

    async def _read(self) -> bool:
        """Take what is due next; tells whether there may be more that there is room for."""
        most = self._most()
        room = most - len(self._held)
        if room <= most // 2:
            return False
        now = self._parts.clock()
        # What ends while the page is read may still be on it, and is held no more when it has come.
        held = frozenset(self._held)
        page = await self._parts.database.read(webhook_calls.due, self._receiver, now, room, self._cursor)
        self._parts.reading.passed()
        fresh = [call for call in page if call.id not in held]
        if fresh:
            await self._take_held(fresh, now)
        if page:
            self._cursor = (page[-1].due_at, page[-1].id)
            return True
        is_at_start, self._cursor = self._cursor == _START, _START
        return not is_at_start and not self._held

    def _most(self) -> int:
        """Return how many calls to hold in memory: as many as keep the lanes at work that may be."""
        if self.health.failures or self._parts.memory.left <= 0:
            return 1
        batch = 1 if self._facts is None else self._facts.format.batch
        return min(_AHEAD * self._window * batch, max(_MOST_HELD, 2 * batch))

    def _hold(self, ids: Collection[int], *, released: bool = False) -> None:
        self._parts.memory.left += len(ids) if released else -len(ids)
        if released:
            self._held.difference_update(tuple(ids))
        else:
            self._held.update(ids)

    async def _take_held(self, calls: Sequence[WaitingCall], now: int, made_of: Material | None = None) -> None:
        ids = {call.id for call in calls}
        self._hold(ids)
        try:
            await self._take(calls, now, made_of)
        except BaseException:
            self._hold(ids, released=True)
            raise

    async def _take(self, calls: Sequence[WaitingCall], now: int, made_of: Material | None) -> None:
        facts = await self._parts.facts.of_call(calls[0])
        if facts is None:
            self._drop(calls, "gone")
            return
        if made_of is None:
            made_of = await self._parts.database.read(webhook_calls.material, calls)
        self._facts = facts
        silent, late = [], []
        for call in calls:
            happening = happening_of(call, facts, made_of)
            if happening is None or not facts.format.speaks_of(happening.event.type):
                silent.append(call)
            elif is_over(call.created_at, now) and call.attempts == 0:
                late.append(_Item(call, happening))
            else:
                self._queue(_Item(call, happening), facts)
        if silent:
            self._drop(silent, "silent")
        if late:
            waited = Answer(error="its time was over before it could be tried: the address was paused, or too slow")
            self._give_up(late, facts, waited)
        self._start()

    def _queue(self, item: _Item, facts: ReceiverFacts) -> None:
        lanes = _LANES_OF_BATCHES if facts.format.batch > 1 else self._parts.calls_per_address
        # The lowest bits of ids are nearly always the same: a multiplicative hash spreads them (Knuth, TAOCP 3 §6.4).
        number = ((item.call.message_id or item.call.id) * 0x9E37_79B9_7F4A_7C15 >> 32) % lanes
        lane = self._lanes.setdefault(number, deque())
        if not lane and number not in self._at_work:
            self._ready.append(number)
        lane.append(item)

    def _start(self) -> None:
        while self._ready and len(self._at_work) < self._window and self._may_call():
            number = self._ready.popleft()
            self._at_work.add(number)
            task = asyncio.get_running_loop().create_task(self._work(number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, number: int) -> None:
        lane = self._lanes[number]
        while lane and len(self._at_work) <= self._window and self._may_call() and not self._is_stopping:
            facts = self._facts
            assert facts is not None, "what is in a lane was taken with the facts of its receiver"
            items = [lane.popleft() for _ in range(min(facts.format.batch, len(lane)))]
            async with self._parts.slots:
                await self._call(items, facts)
        self._at_work.discard(number)
        if lane:
            self._ready.append(number)
        if self._may_call():
            self._start()
        else:
            self._drop_waiting()

    async def _call(self, items: Sequence[_Item], facts: ReceiverFacts) -> None:
        parts = self._parts
        first = items[0].call
        happenings = [item.happening for item in items]
        began = parts.clock()
        call, answer = None, Answer(error="an internal error kept the call from being made")
        try:
            call = sealed(facts, first.id, happenings, began)
            answer = await parts.poster.post(facts.url, call, began)
        except Exception:
            # A fault of ours is tried again like one of the receiver's, and leaves the worker to the others.
            log.exception("call_not_made", receiver=self._receiver, call=first.id)
        result = result_of(answer, facts.format)
        self._judge(result, answer, facts)
        now = parts.clock()
        by_result: dict[CallResult, list[_Item]] = {}
        retries = []
        for item in items:
            ends_as, retry = self._next(item.call, result, answer, now)
            by_result.setdefault(ends_as, []).append(item)
            if retry is not None:
                retries.append(retry)
        attempts = [
            told(
                facts,
                event_ids=[item.call.event_id for item in part],
                event_types=[item.happening.event.type.value for item in part],
                message_ids=[item.call.message_id for item in part],
                attempt_id=parts.new_id(partition_of(part[0].call.id)),
                call_id=part[0].call.id,
                at=began,
                attempt=part[0].call.attempts + 1,
                call=call,
                answer=answer,
                result=ends_as,
            )
            for ends_as, part in by_result.items()
        ]
        if given_up := by_result.get(CallResult.GIVEN_UP):
            self._count_given_up(len(given_up), facts, answer.error)
        self._record(items, attempts, retries)

    def _next(self, call: WaitingCall, result: CallResult, answer: Answer, now: int) -> tuple[CallResult, Retry | None]:
        if result is not CallResult.FAILED:
            return result, None
        attempts = call.attempts + 1
        due_at = next_try_at(attempts, call.created_at, now, self._parts.chance(), answer.retry_after_s)
        if due_at is None:
            return CallResult.GIVEN_UP, None
        return result, Retry(call.id, due_at, attempts)

    def _judge(self, result: CallResult, answer: Answer, facts: ReceiverFacts) -> None:
        """Note how the receiver is doing, and tell its admins where that has changed."""
        before = self.health
        # RFC 9110 §15.5.11: the address wants no more calls at all. A callback's messages each named it anew.
        is_gone = answer.status == HTTPStatus.GONE and facts.receiver.webhook_id is not None
        if result is CallResult.REFUSED and not is_gone and before.failures and before.paused_at is None:
            # One call is unwanted: that says neither that the others get through nor that they do not.
            return
        if result is CallResult.FAILED or is_gone or (result is CallResult.REFUSED and before.paused_at is not None):
            self._window = 1
            self.health = after_failure(
                before,
                self._parts.clock(),
                self._parts.chance(),
                answer.error,
                answer.retry_after_s,
                is_gone=is_gone,
            )
            if self.health.paused_at is not None and before.paused_at is None:
                log.info("webhook_paused", receiver=self._receiver, why=answer.error)
                self._parts.note(self._receiver, self.health)
                tell = self._parts.outages.gone if is_gone else self._parts.outages.paused
                tell(facts.receiver, facts.domain.name, self.health)
            return
        self.health = after_success(before)
        wider = self._window - 1 if answer.duration_ms > _SLOW_MS else self._window + 1
        self._window = min(max(wider, 1), self._parts.calls_per_address)
        if before.paused_at is not None:
            log.info("webhook_resumed", receiver=self._receiver)
            self._parts.note(self._receiver, self.health)
            self._parts.outages.works_again(facts.receiver, facts.domain.name, before)

    def _give_up(self, items: Sequence[_Item], facts: ReceiverFacts, answer: Answer) -> None:
        """End calls without an attempt."""
        now = self._parts.clock()
        attempts = [
            told(
                facts,
                event_ids=[item.call.event_id],
                event_types=[item.happening.event.type.value],
                message_ids=[item.call.message_id],
                attempt_id=self._parts.new_id(partition_of(item.call.id)),
                call_id=item.call.id,
                at=now,
                attempt=item.call.attempts,
                call=None,
                answer=answer,
                result=CallResult.GIVEN_UP,
            )
            for item in items
        ]
        self._count_given_up(len(items), facts, answer.error)
        self._record(items, attempts, [])

    def _count_given_up(self, count: int, facts: ReceiverFacts, why: str) -> None:
        now = self._parts.clock()
        is_to_be_told_now = is_to_be_told(self.health, now)
        self.health = after_giving_up(self.health, count, now)
        if is_to_be_told_now:
            self._parts.note(self._receiver, self.health)
            self._parts.outages.given_up(facts.receiver, facts.domain.name, self.health, count, why)

    def _record(self, items: Sequence[_Item], attempts: Sequence[CallAttempt], retries: Sequence[Retry]) -> None:
        for one in attempts:
            self._parts.meter.webhook_called(one.result.value, len(one.event_ids))
        waiting = {one.id for one in retries}
        ids = [item.call.id for item in items]
        ended = [one for one in ids if one not in waiting]
        outcome = Outcome(attempts=attempts, ended=ended, retries=retries)
        self._parts.recorder.add(outcome, lambda: self._forget(ids))

    def _drop(self, calls: Sequence[WaitingCall], why: str) -> None:
        """End calls that nobody is to hear of: their receiver or event is gone, or its format has no word for them."""
        self._parts.meter.webhook_called(why, len(calls))
        ids = [call.id for call in calls]
        self._parts.recorder.add(Outcome(ended=ids), lambda: self._forget(ids))

    def _forget(self, ids: Sequence[int]) -> None:
        self._hold(ids, released=True)
        self._changed.set()

    def _drop_waiting(self) -> None:
        """Leave to the table what waits in the lanes."""
        for lane in self._lanes.values():
            self._hold([item.call.id for item in lane], released=True)
            lane.clear()
        self._ready.clear()
        self._changed.set()
