"""Opens, clicks and unsubscribes: from requests at the tracker's door to events, counters and suppressions.

Opens and clicks are taken in memory and written in batches, some seconds later: nobody who follows a link waits for
storage, and whether one link was followed or all of them at once is known by then. Unsubscribing is written at once.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import msgspec
import structlog

from postroad.model.tracking import Hit, HitKind, Unsubscribing, fingerprint
from postroad.net.clock import Clock
from postroad.storage import responses
from postroad.storage.database import Database
from postroad.storage.deliveries import NewId
from postroad.storage.errors import StorageError
from postroad.storage.responses import Unsubscribed
from postroad.tracking.verdict import AT_ONCE_MS, LINKS_AT_ONCE, Network

log = structlog.get_logger()

SETTLED_MS = AT_ONCE_MS
"""How old a hit is when it is judged: links that are followed at once are followed within this time."""
_LOOK_S = 0.5
_WAIT_AFTER_FAILURE_S = 2.0
_BATCH = 500
_CLOSING_S = 5.0
_REMEMBERED = 20_000
"""Deliveries whose latest hits are remembered."""
_MOST_OF_DELIVERY = 200
"""Hits of one delivery within a minute that are told of: whoever repeats a request does not fill the disk."""
_MINUTE_MS = 60_000
_LEFT_MS = 10_000
"""How long unsubscribing is answered from memory: not long, for the address may be taken off the list meanwhile."""


class ResponseMeter(Protocol):
    """Hears of what no event tells."""

    def hits_lost(self, reason: str, count: int) -> None:
        """Count opens and clicks that are not told of."""

    def hits_waiting(self, count: int) -> None:
        """Say how many wait to be written."""


class _Minute(msgspec.Struct):
    """How often one delivery was asked for within a minute."""

    begun_at: int
    hits: int = 0


class _Leaving(msgspec.Struct, frozen=True):
    """Somebody who unsubscribes, or did a moment ago."""

    begun_at: int
    write: asyncio.Future[Unsubscribed]


_Scope = tuple[int, int, str, tuple[str, ...]]
"""Delivery, domain, address and tags that somebody unsubscribes from."""
_Clicks = deque[tuple[int, int]]
"""The latest clicks of one delivery: when, and the fingerprint of the link."""


class Responses:
    """Takes what the tracker's door is asked for; ``run`` must be running beside it, and ``close`` writes the rest."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        new_id: NewId,
        *,
        meter: ResponseMeter,
        room: int,
        networks: Sequence[Network] = (),
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._meter = meter
        self._room = room
        self._networks = networks
        self._waiting: deque[Hit] = deque()
        self._settled: deque[Hit] = deque()
        """What is known with the links that were followed around it, and only has to be written."""
        self._minutes: OrderedDict[int, _Minute] = OrderedDict()
        self._clicks: OrderedDict[int, _Clicks] = OrderedDict()
        """By delivery, the one that was clicked last at the end."""
        self._leaving: OrderedDict[_Scope, _Leaving] = OrderedDict()
        self._is_failing = False
        self._flushing: asyncio.Future[None] | None = None

    def take(self, hit: Hit) -> None:
        """Note a hit, to be written soon; it is counted as lost where there is no room for it."""
        if self._count() >= self._room:
            self._meter.hits_lost("overflow", 1)
        elif not self._is_bearable(hit):
            self._meter.hits_lost("repeated", 1)
        else:
            self._waiting.append(hit)
            if hit.kind is not HitKind.OPEN:
                self._clicks.setdefault(hit.delivery_id, deque()).append((hit.at, fingerprint(hit.url)))
                self._clicks.move_to_end(hit.delivery_id)

    async def unsubscribe(self, asked: Unsubscribing) -> None:
        """Put somebody on the list of who unsubscribed; stored and synced by then. Raises StorageError.

        Whoever asks for the same again and again within some seconds has it written once.
        """
        scope = asked.delivery_id, asked.domain_id, asked.address, asked.tags
        leaving = self._leaving.get(scope)
        if leaving is None or (leaving.write.done() and asked.at - leaving.begun_at > _LEFT_MS):
            write = asyncio.ensure_future(
                self._database.write(responses.unsubscribe, asked, new_id=self._new_id),
            )
            leaving = self._leaving[scope] = _Leaving(asked.at, write)
            self._leaving.move_to_end(scope)
            write.add_done_callback(partial(self._forget_failure, scope))
            if len(self._leaving) > _REMEMBERED:
                self._leaving.popitem(last=False)
        await asyncio.shield(leaving.write)

    def _forget_failure(self, scope: _Scope, done: "asyncio.Future[Unsubscribed]") -> None:
        leaving = self._leaving.get(scope)
        if (done.cancelled() or done.exception()) and leaving is not None and leaving.write is done:
            del self._leaving[scope]

    async def run(self) -> None:
        """Write what is old enough, until cancelled."""
        while True:
            await asyncio.sleep(_WAIT_AFTER_FAILURE_S if self._is_failing else _LOOK_S)
            # Shielded, as a transaction that was handed in ends even where nobody waits for it any more: what it wrote must
            # not be written again.
            self._flushing = asyncio.ensure_future(self._flush(self._clock() - SETTLED_MS))
            await asyncio.shield(self._flushing)
            self._meter.hits_waiting(self._count())

    async def close(self) -> None:
        """Write all that waits, within some seconds; what cannot be written is counted as lost."""
        try:
            async with asyncio.timeout(_CLOSING_S):
                if self._flushing is not None:
                    await asyncio.shield(self._flushing)
                await self._flush(self._clock())
        except TimeoutError:
            log.warning("hits_not_written", waiting=self._count())
        if self._count():
            self._meter.hits_lost("stopped", self._count())
            self._waiting.clear()
            self._settled.clear()

    def _count(self) -> int:
        return len(self._waiting) + len(self._settled)

    async def _flush(self, until: int) -> None:
        self._settle(until)
        while await self._write():
            continue

    def _settle(self, until: int) -> None:
        """Note of what is as old as that which links were followed around it, however long it waits to be written."""
        while self._waiting and self._waiting[0].at <= until:
            hit = self._waiting.popleft()
            self._settled.append(hit if hit.kind is HitKind.OPEN else self._with_neighbours(hit))
        # Hits that still wait look back as far as that.
        while self._clicks and next(iter(self._clicks.values()))[-1][0] < until - AT_ONCE_MS:
            self._clicks.popitem(last=False)
        while self._minutes and next(iter(self._minutes.values())).begun_at < until - _MINUTE_MS:
            self._minutes.popitem(last=False)
        while self._leaving and next(iter(self._leaving.values())).begun_at < until - _LEFT_MS:
            self._leaving.popitem(last=False)

    async def _write(self) -> bool:
        """Write a batch of what is settled; tells whether there may be more."""
        batch = [self._settled.popleft() for _ in range(min(_BATCH, len(self._settled)))]
        if not batch:
            return False
        try:
            unknown = await self._database.write(responses.record, batch, new_id=self._new_id, networks=self._networks)
        except StorageError as error:
            self._settled.extendleft(reversed(batch))
            if not self._is_failing:
                log.warning("hits_not_written", waiting=self._count(), why=str(error))
            self._is_failing = True
            return False
        self._is_failing = False
        if unknown:
            self._meter.hits_lost("unknown", unknown)
        return True

    def _is_bearable(self, hit: Hit) -> bool:
        minute = self._minutes.get(hit.delivery_id)
        if minute is None or hit.at - minute.begun_at > _MINUTE_MS:
            minute = self._minutes[hit.delivery_id] = _Minute(hit.at)
            self._minutes.move_to_end(hit.delivery_id)
            if len(self._minutes) > _REMEMBERED:
                self._minutes.popitem(last=False)
        minute.hits += 1
        return minute.hits <= _MOST_OF_DELIVERY

    def _with_neighbours(self, hit: Hit) -> Hit:
        clicks = self._clicks.get(hit.delivery_id, deque())
        while clicks and clicks[0][0] < hit.at - AT_ONCE_MS and len(clicks) > 1:
            clicks.popleft()
        near = {link for at, link in clicks if abs(at - hit.at) <= AT_ONCE_MS}
        # More say nothing more, and would be held for as long as storage is away.
        return msgspec.structs.replace(hit, links_lately=frozenset(sorted(near)[:LINKS_AT_ONCE]))
