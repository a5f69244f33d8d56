"""Opens, clicks and unsubscribes: from requests at the tracker's door to events, counters and suppressions.

Opens and clicks are taken in memory and written in batches, some seconds later: nobody who follows a link waits for
storage, and whether one link was followed or all of them at once is known by then. As requests of one recipient come to
several workers, each tells the others of clicks first. Unsubscribing is written at once.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

import msgspec
import structlog

from postroad.model.tracking import Hit, HitKind, Place, Unsubscribing
from postroad.net.clock import Clock
from postroad.storage import recent_clicks, responses
from postroad.storage.database import Database
from postroad.storage.deliveries import NewId
from postroad.storage.errors import StorageError
from postroad.storage.responses import Unsubscribed
from postroad.tracking.verdict import AT_ONCE_MS, Network

Asked = TypeVar("Asked", Hit, Unsubscribing)

log = structlog.get_logger()

_LOOK_S = 0.5
SETTLED_MS = AT_ONCE_MS + 1_000
"""How long ago a hit was noted when it is judged: links that are followed at once are followed within this time, and by
then every worker has noted its own, half a second for its look and another for the write."""
_WAIT_AFTER_FAILURE_S = 2.0
_BATCH = 500
_CLOSING_S = 5.0
_REMEMBERED = 20_000
"""Deliveries whose hits are counted."""
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


FindPlace = Callable[[str], Place]
"""Returns where a client address is."""


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
        find_place: FindPlace,
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._meter = meter
        self._room = room
        self._networks = networks
        self._find_place = find_place
        self._waiting: deque[Hit] = deque()
        self._noted: deque[tuple[int, Hit]] = deque()
        """What other workers know of, and since when."""
        self._minutes: OrderedDict[int, _Minute] = OrderedDict()
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

    async def unsubscribe(self, asked: Unsubscribing) -> None:
        """Put somebody on the list of who unsubscribed; stored and synced by then. Raises StorageError.

        Whoever asks for the same again and again within some seconds has it written once.
        """
        scope = asked.delivery_id, asked.domain_id, asked.address, asked.tags
        leaving = self._leaving.get(scope)
        if leaving is None or (leaving.write.done() and asked.at - leaving.begun_at > _LEFT_MS):
            write = asyncio.ensure_future(
                self._database.write(responses.unsubscribe, self._placed(asked), new_id=self._new_id),
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
        """Note what is new and write what is old enough, until cancelled."""
        while True:
            await asyncio.sleep(_WAIT_AFTER_FAILURE_S if self._is_failing else _LOOK_S)
            # Shielded, as a transaction that was handed in ends even where nobody waits for it any more: what it wrote must
            # not be written again.
            self._flushing = asyncio.ensure_future(self._flush(SETTLED_MS))
            await asyncio.shield(self._flushing)
            self._meter.hits_waiting(self._count())

    async def close(self) -> None:
        """Write all that waits, within some seconds; what cannot be written is counted as lost."""
        try:
            async with asyncio.timeout(_CLOSING_S):
                if self._flushing is not None:
                    await asyncio.shield(self._flushing)
                await self._flush(0)
        except TimeoutError:
            log.warning("hits_not_written", waiting=self._count())
        if self._count():
            self._meter.hits_lost("stopped", self._count())
            self._waiting.clear()
            self._noted.clear()

    def _count(self) -> int:
        return len(self._waiting) + len(self._noted)

    async def _flush(self, age_ms: int) -> None:
        """Note all that is new, and write what was noted so long ago."""
        try:
            while self._waiting:
                await self._note()
            while self._noted and self._noted[0][0] <= self._clock() - age_ms:
                await self._write(self._clock() - age_ms)
            self._is_failing = False
        except StorageError as error:
            if not self._is_failing:
                log.warning("hits_not_written", waiting=self._count(), why=str(error))
            self._is_failing = True
        self._forget(self._clock() - age_ms)

    def _forget(self, until: int) -> None:
        while self._minutes and next(iter(self._minutes.values())).begun_at < until - _MINUTE_MS:
            self._minutes.popitem(last=False)
        while self._leaving and next(iter(self._leaving.values())).begun_at < until - _LEFT_MS:
            self._leaving.popitem(last=False)

    async def _note(self) -> None:
        """Tell other workers of a batch of clicks; raises StorageError."""
        batch = list(islice(self._waiting, _BATCH))
        clicks = [hit for hit in batch if hit.kind is not HitKind.OPEN]
        if clicks:
            await self._database.write(recent_clicks.note, clicks, self._clock())
        noted_at = self._clock()
        for hit in batch:
            self._waiting.popleft()
            self._noted.append((noted_at, hit))

    async def _write(self, until: int) -> None:
        """Write a batch of what was noted by then; raises StorageError."""
        batch = [self._placed(hit) for noted_at, hit in islice(self._noted, _BATCH) if noted_at <= until]
        unknown = await self._database.write(responses.record, batch, new_id=self._new_id, networks=self._networks)
        for _ in batch:
            self._noted.popleft()
        if unknown:
            self._meter.hits_lost("unknown", unknown)

    def _placed(self, asked: Asked) -> Asked:
        return msgspec.structs.replace(asked, place=self._find_place(asked.client_address))

    def _is_bearable(self, hit: Hit) -> bool:
        minute = self._minutes.get(hit.delivery_id)
        if minute is None or hit.at - minute.begun_at > _MINUTE_MS:
            minute = self._minutes[hit.delivery_id] = _Minute(hit.at)
            self._minutes.move_to_end(hit.delivery_id)
            if len(self._minutes) > _REMEMBERED:
                self._minutes.popitem(last=False)
        minute.hits += 1
        return minute.hits <= _MOST_OF_DELIVERY
