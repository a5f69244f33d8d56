"""Which site gets a session next, and which deliveries it carries.

Every (egress source, site) pair is a *lot* with a ready queue, a concurrency window and a count of working sessions.
A lot is in exactly one place:

=========  ==============================================================  =========================
place      while                                                           leaves it when
=========  ==============================================================  =========================
in turn    something is ready, the site is open and the window has room    a batch is taken
full       something is ready and all sessions of the window are at work   a session ends
paused     the site is left alone                                          the pause ends
barred     this worker has no share of the site's limit                    the shares change
idle       nothing is ready                                                a delivery is added
=========  ==============================================================  =========================

The lots in turn are served round robin, one batch each. Everything is bounded: deliveries ready over all lots, ready
per lot (so that a dead site cannot fill the ready set), and sessions over all lots.
"""

import enum
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush

import msgspec

from postroad.model.delivery import Delivery
from postroad.policy import throttle
from postroad.policy.share import share_of
from postroad.policy.throttle import Window, WindowLimits
from postroad.queue.ready import ReadyQueue


class LotKey(msgspec.Struct, frozen=True, order=True):
    """One egress source towards one site: what sessions, windows and pauses belong to."""

    source: str
    site: str

    def __str__(self) -> str:
        return f"{self.source} → {self.site}"


class SchedulerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of a worker's ready set."""

    ready: int = 10_000
    ready_per_lot: int = 1_000
    sessions: int = 500
    smallest_batch: int = 5
    """With fewer deliveries than this one session carries them all: a connection costs more than a short wait."""
    largest_batch: int = 20
    window: WindowLimits = WindowLimits()


class Batch(msgspec.Struct, frozen=True):
    """The work of one session."""

    key: LotKey
    deliveries: tuple[Delivery, ...]


class Refusal(enum.Enum):
    """Why a delivery cannot wait in the ready set."""

    READY_SET_FULL = "ready-set-full"
    LOT_FULL = "lot-full"
    SITE_PAUSED = "site-paused"
    NO_SHARE = "no-share"
    READY_ALREADY = "ready-already"
    """It waits there since an earlier claim, whose lease has ended."""


class WaitReason(enum.Enum):
    """What a delivery in the ready set waits for."""

    TURN = "turn"
    """Others of its site are before it, and the next batch may take it."""
    WINDOW = "window"
    """All the sessions that its site may have are at work."""
    SESSIONS = "sessions"
    """All the sessions that this worker may have are at work."""
    PAUSE = "pause"
    SHARE = "share"


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Why a delivery in the ready set waits."""

    reason: WaitReason
    key: LotKey
    ready: int
    """Deliveries that wait for the same site, this one included."""
    sessions: int
    """Sessions of the site at work."""
    window: int
    until: int | None = None
    detail: str = ""


class _Lot:
    __slots__ = ("key", "queue", "sessions", "share", "used_at", "window")

    def __init__(self, key: LotKey, window: Window, share: int, now: int) -> None:
        self.key = key
        self.queue = ReadyQueue()
        self.window = window
        self.share = share
        self.sessions = 0
        self.used_at = now

    @property
    def room(self) -> int:
        """How many more sessions the site may have."""
        return min(self.window.sessions, self.share) - self.sessions


class Scheduler:
    """The ready set of one worker."""

    def __init__(self, limits: SchedulerLimits, worker: int, workers: Iterable[int] = ()) -> None:
        self._limits = limits
        self._worker = worker
        self._workers = tuple(workers) or (worker,)
        self._lots: dict[LotKey, _Lot] = {}
        self._turns: OrderedDict[LotKey, None] = OrderedDict()
        self._pauses: list[tuple[int, LotKey]] = []
        self._key_of: dict[int, LotKey] = {}
        self._sessions = 0

    def __len__(self) -> int:
        return len(self._key_of)

    @property
    def sessions(self) -> int:
        """How many sessions are at work."""
        return self._sessions

    @property
    def room(self) -> int:
        """How many more deliveries the ready set takes."""
        return self._limits.ready - len(self._key_of)

    def refusal(self, key: LotKey, now: int) -> Refusal | None:
        """Return why a delivery of a lot cannot be added now; null when it can."""
        if len(self._key_of) >= self._limits.ready:
            return Refusal.READY_SET_FULL
        lot = self._lots.get(key)
        if lot is None:
            return None if self._share(key) else Refusal.NO_SHARE
        if lot.window.is_paused(now):
            return Refusal.SITE_PAUSED
        if not lot.share:
            return Refusal.NO_SHARE
        return Refusal.LOT_FULL if len(lot.queue) >= self._limits.ready_per_lot else None

    def add(self, key: LotKey, delivery: Delivery, now: int) -> Refusal | None:
        """Put a delivery into the ready queue of its lot, or say why it cannot wait there."""
        if delivery.id in self._key_of:
            return Refusal.READY_ALREADY
        refusal = self.refusal(key, now)
        if refusal is not None:
            return refusal
        lot = self._lot(key, now)
        lot.queue.add(delivery)
        self._key_of[delivery.id] = key
        self._place(lot, now)
        return None

    def next_batch(self, now: int) -> Batch | None:
        """Take the work of one more session; null while nothing may leave.

        The caller owes a call of :meth:`ended` for every batch.
        """
        self._resume(now)
        if not self._turns or self._sessions >= self._limits.sessions:
            return None
        key, _ = self._turns.popitem(last=False)
        lot = self._lots[key]
        deliveries = lot.queue.take(self._batch_size(lot))
        for delivery in deliveries:
            del self._key_of[delivery.id]
        lot.sessions += 1
        self._sessions += 1
        lot.used_at = now
        self._place(lot, now)
        return Batch(key, tuple(deliveries))

    def ended(self, key: LotKey, now: int) -> None:
        """Note that the session of one batch has ended."""
        lot = self._lots[key]
        lot.sessions -= 1
        self._sessions -= 1
        lot.used_at = now
        self._place(lot, now)

    def worked(self, key: LotKey, now: int) -> None:
        """Note that a session did its work, which opens the window."""
        self._alter(key, now, lambda window: throttle.worked(window, self._limits.window))

    def throttled(self, key: LotKey, now: int, jitter: float, reason: str) -> Window:
        """Note that the site asked for less; returns its window, whose pause is for all workers."""
        return self._alter(
            key, now, lambda window: throttle.throttled(window, self._limits.window, now, jitter, reason)
        )

    def refused(self, key: LotKey, now: int, jitter: float, reason: str) -> Window:
        """Note that no host of the site let us in; returns its window, whose pause is for all workers."""
        return self._alter(key, now, lambda window: throttle.refused(window, self._limits.window, now, jitter, reason))

    def pause(self, key: LotKey, until: int, reason: str, now: int) -> None:
        """Keep a pause that another worker has found."""
        self._alter(key, now, lambda window: throttle.paused_elsewhere(window, until, reason))

    def paused_until(self, key: LotKey) -> int | None:
        """Return when a lot's last pause ends or ended; null for a lot that was never paused."""
        lot = self._lots.get(key)
        return (lot.window.paused_until or None) if lot is not None else None

    def withdraw(self, key: LotKey, now: int) -> list[Delivery]:
        """Take everything out of one lot's ready queue, as when its site is paused for long."""
        lot = self._lots.get(key)
        if lot is None:
            return []
        deliveries = lot.queue.take(len(lot.queue))
        for delivery in deliveries:
            del self._key_of[delivery.id]
        self._place(lot, now)
        return deliveries

    def withdraw_all(self, now: int) -> list[Delivery]:
        """Empty the ready set, as when the worker stops."""
        return [delivery for key in list(self._lots) for delivery in self.withdraw(key, now)]

    def set_workers(self, workers: Iterable[int], now: int) -> list[LotKey]:
        """Share the limits among these live workers; returns the lots with ready deliveries that lost their share."""
        live = tuple(sorted(workers)) or (self._worker,)
        if live == self._workers:
            return []
        self._workers = live
        for lot in self._lots.values():
            lot.share = self._share(lot.key)
            self._place(lot, now)
        return [lot.key for lot in self._lots.values() if not lot.share and len(lot.queue)]

    def next_resume_at(self) -> int | None:
        """Return when the next pause ends."""
        return self._pauses[0][0] if self._pauses else None

    def forget_idle(self, now: int, after_ms: int = 600_000) -> None:
        """Forget lots that have had nothing to do for a while."""
        for key, lot in list(self._lots.items()):
            is_idle = not lot.sessions and not lot.queue
            # From the end of a pause on: whether the site is back must be tried before the failures are forgotten.
            if is_idle and now - max(lot.used_at, lot.window.paused_until) >= after_ms:
                del self._lots[key]

    def why(self, delivery_id: int, now: int) -> Wait | None:
        """Return what a delivery in the ready set waits for; null when it is not there."""
        key = self._key_of.get(delivery_id)
        if key is None:
            return None
        lot = self._lots[key]
        reason, until, detail = self._reason(lot, now)
        return Wait(
            reason=reason,
            key=key,
            ready=len(lot.queue),
            sessions=lot.sessions,
            window=min(lot.window.sessions, lot.share),
            until=until,
            detail=detail,
        )

    def depths(self) -> Iterator[tuple[LotKey, int, int]]:
        """Yield each lot with its ready deliveries and its working sessions."""
        for lot in self._lots.values():
            yield lot.key, len(lot.queue), lot.sessions

    def _reason(self, lot: _Lot, now: int) -> tuple[WaitReason, int | None, str]:
        if lot.window.is_paused(now):
            return WaitReason.PAUSE, lot.window.paused_until, lot.window.reason
        if not lot.share:
            return WaitReason.SHARE, None, "other workers own the site's limit"
        if lot.room <= 0:
            return WaitReason.WINDOW, None, lot.window.reason
        if self._sessions >= self._limits.sessions:
            return WaitReason.SESSIONS, None, f"all {self._limits.sessions} sessions of this worker are at work"
        return WaitReason.TURN, None, ""

    def _batch_size(self, lot: _Lot) -> int:
        """Return how many deliveries the next session carries: an even part, but neither too few nor too many."""
        even = -(-len(lot.queue) // lot.room)
        return max(self._limits.smallest_batch, min(even, self._limits.largest_batch))

    def _lot(self, key: LotKey, now: int) -> _Lot:
        lot = self._lots.get(key)
        if lot is None:
            lot = self._lots[key] = _Lot(key, throttle.open_window(self._limits.window), self._share(key), now)
        return lot

    def _share(self, key: LotKey) -> int:
        if len(self._workers) == 1:
            return self._limits.window.maximum
        return share_of(self._limits.window.maximum, str(key), self._worker, self._workers)

    def _alter(self, key: LotKey, now: int, change: Callable[[Window], Window]) -> Window:
        lot = self._lot(key, now)
        before = lot.window
        lot.window = change(before)
        if lot.window.is_paused(now) and lot.window.paused_until != before.paused_until:
            heappush(self._pauses, (lot.window.paused_until, key))
        if lot.window is not before:
            self._place(lot, now)
        return lot.window

    def _resume(self, now: int) -> None:
        while self._pauses and self._pauses[0][0] <= now:
            _, key = heappop(self._pauses)
            lot = self._lots.get(key)
            if lot is not None:
                self._place(lot, now)

    def _place(self, lot: _Lot, now: int) -> None:
        """Put a lot in turn, or take it out, by what is true of it now."""
        if lot.queue and lot.room > 0 and not lot.window.is_paused(now):
            self._turns.setdefault(lot.key)
        else:
            self._turns.pop(lot.key, None)
