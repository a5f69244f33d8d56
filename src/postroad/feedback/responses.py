"""Opens, clicks and unsubscribes: from requests at the tracker's door to events, counters and suppressions.

Opens and clicks are taken in memory and written in batches, some seconds later: nobody who follows a link waits for
storage, and whether one link was followed or all of them at once is known by then. Unsubscribing is written at once.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog

from postroad.model.tracking import Hit, HitKind, Unsubscribing
from postroad.net.clock import Clock
from postroad.storage import responses
from postroad.storage.database import Database
from postroad.storage.deliveries import NewId
from postroad.storage.errors import StorageError
from postroad.storage.responses import Unsubscribed
from postroad.tracking.verdict import Network

log = structlog.get_logger()

SETTLED_MS = 3_000
"""How old a hit is when it is judged: links that are followed at once are followed within this time."""
_LOOK_S = 0.5
_WAIT_AFTER_FAILURE_S = 2.0
_BATCH = 500
_CLOSING_S = 5.0
_REMEMBERED = 20_000
"""Deliveries whose latest clicks are remembered."""
_MOST_OF_DELIVERY = 200
"""Hits of one delivery within a minute that are told of: whoever repeats a request does not fill the disk."""
_MINUTE_MS = 60_000


class ResponseMeter(Protocol):
    """Hears of what no event tells."""

    def hits_lost(self, reason: str, count: int) -> None:
        """Count opens and clicks that are not told of."""

    def hits_waiting(self, count: int) -> None:
        """Say how many wait to be written."""


class _Lately(msgspec.Struct):
    """What was asked for of one delivery in the last minute."""

    begun_at: int
    hits: int = 0
    clicks: dict[str, int] = {}
    """When each link was followed last."""


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
        self._lately: OrderedDict[int, _Lately] = OrderedDict()
        self._is_failing = False
        self._flushing: asyncio.Future[None] | None = None

    def take(self, hit: Hit) -> None:
        """Note a hit, to be written soon; it is counted as lost where there is no room for it."""
        if len(self._waiting) >= self._room:
            self._meter.hits_lost("overflow", 1)
        elif self._is_bearable(hit):
            self._waiting.append(hit)
        else:
            self._meter.hits_lost("repeated", 1)

    async def unsubscribe(self, asked: Unsubscribing) -> Unsubscribed:
        """Put somebody on the list of who unsubscribed; stored and synced by then. Raises StorageError."""
        return await self._database.write(responses.unsubscribe, asked, new_id=self._new_id)

    async def run(self) -> None:
        """Write what is old enough, until cancelled."""
        while True:
            await asyncio.sleep(_WAIT_AFTER_FAILURE_S if self._is_failing else _LOOK_S)
            # Shielded, as a transaction that was handed in ends even where nobody waits for it any more: what it wrote must
            # not be written again.
            self._flushing = asyncio.ensure_future(self._flush(self._clock() - SETTLED_MS))
            await asyncio.shield(self._flushing)
            self._meter.hits_waiting(len(self._waiting))

    async def close(self) -> None:
        """Write all that waits, within some seconds; what cannot be written is counted as lost."""
        try:
            async with asyncio.timeout(_CLOSING_S):
                if self._flushing is not None:
                    await asyncio.shield(self._flushing)
                await self._flush(self._clock())
        except TimeoutError:
            log.warning("hits_not_written", waiting=len(self._waiting))
        if self._waiting:
            self._meter.hits_lost("stopped", len(self._waiting))
            self._waiting.clear()

    async def _flush(self, until: int) -> None:
        while await self._write(until):
            continue

    async def _write(self, until: int) -> bool:
        """Write a batch of what is as old as that; tells whether there may be more."""
        batch: list[Hit] = []
        while self._waiting and len(batch) < _BATCH and self._waiting[0].at <= until:
            batch.append(self._waiting.popleft())
        if not batch:
            return False
        seen = [self._with_neighbours(hit) for hit in batch]
        try:
            unknown = await self._database.write(responses.record, seen, new_id=self._new_id, networks=self._networks)
        except StorageError as error:
            self._waiting.extendleft(reversed(batch))
            if not self._is_failing:
                log.warning("hits_not_written", waiting=len(self._waiting), why=str(error))
            self._is_failing = True
            return False
        self._is_failing = False
        if unknown:
            self._meter.hits_lost("unknown", unknown)
        return True

    def _is_bearable(self, hit: Hit) -> bool:
        lately = self._lately.get(hit.delivery_id)
        if lately is None or hit.at - lately.begun_at > _MINUTE_MS:
            lately = self._lately[hit.delivery_id] = _Lately(hit.at)
            self._lately.move_to_end(hit.delivery_id)
            if len(self._lately) > _REMEMBERED:
                self._lately.popitem(last=False)
        lately.hits += 1
        if lately.hits > _MOST_OF_DELIVERY:
            return False
        if hit.kind is not HitKind.OPEN:
            lately.clicks[hit.url] = hit.at
        return True

    def _with_neighbours(self, hit: Hit) -> Hit:
        lately = self._lately.get(hit.delivery_id)
        if hit.kind is HitKind.OPEN or lately is None:
            return hit
        near = sum(abs(at - hit.at) <= SETTLED_MS for at in lately.clicks.values())
        return msgspec.structs.replace(hit, links_lately=near)
