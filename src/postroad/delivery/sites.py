"""What sites say of our pace: this worker's sessions report it, and what matters to all is shared through the table.

A pause that one worker has earned is written to ``site_limits`` and kept by the others within about a second. The live
workers are read on the same round, since limits are divided among them.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from postroad.delivery.agent import SiteEvent, SiteEventKind
from postroad.delivery.parts import Parts
from postroad.model.delivery import Delivery
from postroad.model.outcome import Delivered, Outcome, Scope
from postroad.policy.failure import SET_UP
from postroad.policy.settlement import reply_line
from postroad.policy.throttle import Window
from postroad.queue.scheduler import LotKey
from postroad.storage import site_limits, workers
from postroad.storage.errors import StorageError
from postroad.storage.outage import Outage
from postroad.storage.site_limits import SiteLimit
from postroad.storage.workers import Worker

log = structlog.get_logger()

SendBack = Callable[[Sequence[Delivery], int], None]
"""Gives deliveries back to the table until an instant."""

_ROUND_S = 1.0
_OVERLAP_MS = 5_000
"""Clocks of nodes differ a little, and a row is seen only once it is committed."""
_NO_SHARE_MS = 2_000


class Sites:
    """Keeps the scheduler's windows true to what the sites say."""

    def __init__(self, parts: Parts, send_back: SendBack, worker_silence_s: int) -> None:
        self._scheduler = parts.scheduler
        self._database = parts.database
        self._givens = parts.givens
        self._owner = parts.ledger.owner
        self._pools = frozenset(parts.router.pools)
        self._send_back = send_back
        self._silence_ms = worker_silence_s * 1000
        self._to_tell: dict[LotKey, Window] = {}
        self._seen_until = 0
        self._outage = Outage("sharing_limits_failed")

    def on_site_event(self, event: SiteEvent) -> None:
        """Note what a connection told; refusals count once no host of the route takes us (see ``Reception``)."""
        if event.kind is SiteEventKind.THROTTLED:
            self.throttled(LotKey(event.source, event.site), event.detail)

    def reception(self, key: LotKey) -> "Reception":
        """Return what gathers how a site receives one batch."""
        return Reception(self, key)

    def worked(self, key: LotKey) -> None:
        """Note that a session did its work."""
        self._scheduler.worked(key, self._givens.clock())

    def throttled(self, key: LotKey, reason: str) -> None:
        """Note that a site asked for less."""
        paused_until = self._scheduler.paused_until(key)
        window = self._scheduler.throttled(key, self._givens.clock(), self._givens.jitter(), reason)
        self._note(key, window, paused_until)

    def refused(self, key: LotKey, reason: str) -> None:
        """Note that no host of a site let us in."""
        paused_until = self._scheduler.paused_until(key)
        window = self._scheduler.refused(key, self._givens.clock(), self._givens.jitter(), reason)
        self._note(key, window, paused_until)

    async def keep_sharing(self) -> None:
        """Tell the other workers and hear of them, until cancelled."""
        while True:
            await asyncio.sleep(_ROUND_S)
            try:
                await self.share()
                self._outage.passed()
            except StorageError as error:
                self._outage.failed(error)

    async def share(self) -> None:
        """Write the pauses found here, keep those found elsewhere, and divide the limits among the live workers."""
        now = self._givens.clock()
        while self._to_tell:
            key, window = next(iter(self._to_tell.items()))
            await self._database.write(site_limits.store, _limit_of(key, window, now))
            if self._to_tell.get(key) is window:
                del self._to_tell[key]
        limits, live = await self._database.read(_read_round, self._seen_until - _OVERLAP_MS, now - self._silence_ms)
        for limit in limits:
            if limit.paused_until is not None and limit.paused_until > now:
                self._keep_pause(LotKey(limit.source, limit.site), limit.paused_until, limit.reason)
        self._seen_until = max([self._seen_until, *(limit.updated_at for limit in limits)])
        sharing = [one.incarnation for one in live if "delivery" in one.roles and self._pools & set(one.pools)]
        for key in self._scheduler.set_workers({self._owner, *sharing}, now):
            self._send_back(self._scheduler.withdraw(key, now), now + _NO_SHARE_MS)

    def _note(self, key: LotKey, window: Window, paused_before: int | None) -> None:
        now = self._givens.clock()
        if window.is_paused(now) and window.paused_until != paused_before:
            log.info("site_paused", source=key.source, site=key.site, until=window.paused_until, reason=window.reason)
            self._to_tell[key] = window
            self._send_back(self._scheduler.withdraw(key, now), window.paused_until)

    def _keep_pause(self, key: LotKey, until: int, reason: str) -> None:
        now = self._givens.clock()
        if until > (self._scheduler.paused_until(key) or 0):
            self._scheduler.pause(key, until, reason, now)
            self._send_back(self._scheduler.withdraw(key, now), until)


class Reception:
    """How a site receives one batch: the worst that was met counts, once."""

    def __init__(self, sites: Sites, key: LotKey) -> None:
        self._sites = sites
        self._key = key
        self._has_worked = False
        self._refusal: str | None = None
        self._throttling: str | None = None

    def note(self, outcome: Outcome) -> None:
        """Note how one attempt of the batch went."""
        is_in_set_up = outcome.facts.phase in SET_UP
        if isinstance(outcome, Delivered) or outcome.scope is not Scope.SITE:
            self._has_worked = self._has_worked or not is_in_set_up
        elif is_in_set_up:
            self._refusal = reply_line(outcome.facts)
        else:
            self._throttling = reply_line(outcome.facts)

    def close(self) -> None:
        """Let the window know."""
        if self._refusal is not None and not self._has_worked:
            self._sites.refused(self._key, self._refusal)
        elif self._throttling is not None:
            self._sites.throttled(self._key, self._throttling)
        elif self._has_worked:
            self._sites.worked(self._key)


def _read_round(connection: Any, changed_since: int, alive_since: int) -> tuple[list[SiteLimit], list[Worker]]:
    return site_limits.changed_since(connection, changed_since), workers.live(connection, alive_since)


def _limit_of(key: LotKey, window: Window, now: int) -> SiteLimit:
    return SiteLimit(
        source=key.source,
        site=key.site,
        window=window.sessions,
        paused_until=window.paused_until,
        reason=window.reason,
        updated_at=now,
    )
