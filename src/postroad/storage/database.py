"""The one handle on the database, whichever engine is behind it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import msgspec
import structlog
from sqlalchemy import Connection

from postroad.model.delivery import Delivery, DeliveryState
from postroad.model.event import Event
from postroad.model.message import Accepted, Stored
from postroad.model.outcome import Settlement
from postroad.storage.errors import KeyReused
from postroad.storage.outbox import Outbox

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

Clock = Callable[[], int]
"""Returns milliseconds since 1970-01-01 UTC."""
DueListener = Callable[[frozenset[str]], None]
"""Called with the pools in which deliveries may have become due; none when it may be any."""


class BatchMeter(Protocol):
    """Hears of every transaction that was written."""

    def batch_written(self, batch: str, rows: int, duration_ms: float) -> None:
        """Count a transaction by what it wrote, how many callers shared it, and how long it took with its commit."""


class Unmeasured:
    """Counts nothing: for commands and tests."""

    def batch_written(self, batch: str, rows: int, duration_ms: float) -> None:
        """Do nothing."""


def tell_of_batch(meter: BatchMeter, batch: str, rows: int, duration_ms: float) -> None:
    """Tell the meter of a transaction; its rows are written and its callers are told, whatever the meter meets."""
    try:
        meter.batch_written(batch, rows, duration_ms)
    except Exception:
        log.exception("batch_not_counted", batch=batch)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's request for due deliveries."""

    pools: tuple[str, ...]
    owner: int
    """Incarnation id of the worker."""
    now: int
    lease_until: int
    limit: int
    per_lane: int
    """How many one lane may give per round, so that its next ones wait for the others' turns."""


class SettleRequest(msgspec.Struct, frozen=True):
    """One caller's settlements, with the reports that are accepted if their delivery's settlement takes effect."""

    settlements: Sequence[Settlement]
    reports: Mapping[int, Accepted]


class Database(ABC):
    """Runs repository functions in transactions, and the hot calls of many callers as few of them."""

    is_postgres: bool

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._due_listeners: set[DueListener] = set()
        self.outbox: Outbox | None = None
        """Makes calls of the events that are accepted, settled and appended; a worker sets it, commands do none of these."""

    @abstractmethod
    async def read(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``fn`` in a snapshot that cannot write."""

    @abstractmethod
    async def write(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``fn`` in a transaction and return once it is committed and synced.

        ``fn`` may be run a second time when another caller's share of the transaction failed.
        """

    @abstractmethod
    async def accept(self, accepted: Accepted) -> Stored:
        """Store a message with all that belongs to it; returns what was stored, after the synced commit.

        Deliveries that repeat one of an earlier message are not stored. Those to recipients that the lists of the
        sending domain stop are stored as ended.

        Raises:
            CallRepeated: The message is of a named call that was answered before.
        """

    @abstractmethod
    async def accept_all(self, batch: Sequence[Accepted]) -> Sequence[Stored]:
        """Store several messages in one commit, all of them or none; returns what was stored of each.

        Raises:
            KeyReused: An idempotency key of one of them stands for another content.
            CallRepeated: They are of a named call that was answered before.
        """

    @abstractmethod
    async def claim(self, claim: Claim) -> list[Delivery]:
        """Lease due deliveries, going round the lanes; what the lists stop by now has its ``barrier``."""

    @abstractmethod
    async def settle(self, settlements: Sequence[Settlement], reports: Mapping[int, Accepted]) -> frozenset[int]:
        """Record what attempts came to; returns the deliveries whose lease still held, the others are untouched.

        A report (by delivery id) is accepted in the same transaction, and only with its delivery's settlement.
        """

    @abstractmethod
    async def renew(self, owner: int, delivery_ids: Sequence[int], until: int) -> frozenset[int]:
        """Lengthen leases; returns the deliveries that ``owner`` still holds."""

    @abstractmethod
    async def release(self, owner: int, delivery_ids: Sequence[int], due_at: int | None) -> None:
        """Give leases back without an attempt; null keeps the due time."""

    @abstractmethod
    async def release_owner(self, owner: int) -> int:
        """Free what a dead incarnation of a worker held; returns how many."""

    @abstractmethod
    async def append_events(self, events: Sequence[Event]) -> None:
        """Write events that stand alone, such as rejections, and count them."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what was handed in and let go of the database."""

    async def listen(self, callback: DueListener) -> None:
        """Call ``callback`` when deliveries become due, until cancelled; a hint, so that polling may be slow."""
        self._due_listeners.add(callback)
        try:
            await asyncio.Event().wait()
        finally:
            self._due_listeners.discard(callback)

    def _announce_due(self, stored: Iterable[Accepted]) -> None:
        if self._due_listeners and (pools := pools_made_due(stored)):
            for callback in tuple(self._due_listeners):
                callback(pools)


def sorted_by_call(calls: Sequence[Sequence[Accepted]], stored: Sequence[Stored]) -> list[Sequence[Stored]]:
    """Return what was stored of each call's messages; raises KeyReused, which undoes the transaction.

    What shares the transaction is run again without the call that this is the fault of.
    """
    other = next((one.repeats for one in stored if one.repeats is not None and one.repeats.is_reused), None)
    if other is not None:
        raise KeyReused(other)
    results, position = [], 0
    for call in calls:
        results.append(stored[position : position + len(call)])
        position += len(call)
    return results


def pools_made_due(stored: Iterable[Accepted]) -> frozenset[str]:
    """Return the pools in which stored messages wait to be claimed."""
    return frozenset(
        delivery.pool
        for accepted in stored
        for delivery in accepted.deliveries
        if delivery.state is DeliveryState.SCHEDULED
    )
