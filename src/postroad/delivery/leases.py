"""The leases a worker holds: what it may work on, until when, and what it gives back.

A delivery is in the ledger from its claim until its settlement is written or its lease is back in the table. Nothing
leaves the ledger for want of a database: what cannot be written is tried again, and renewed meanwhile.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

import msgspec
import structlog

from postroad.model.delivery import Delivery, Lease
from postroad.model.outcome import Settlement
from postroad.net.clock import Clock
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.outage import Outage

log = structlog.get_logger()

_RENEWED_AT_ONCE = 2_000
_RENEWALS_PER_LEASE = 6
_RETRY_S = 1.0


class LeaseLedger:
    """Keeps, renews and gives back the leases of one worker."""

    def __init__(self, database: Database, clock: Clock, owner: int, lease_s: int) -> None:
        self.owner = owner
        self.lease_ms = lease_s * 1000
        self._database = database
        self._clock = clock
        self._leases: dict[int, Lease] = {}
        self._returns: defaultdict[int | None, list[int]] = defaultdict(list)
        self._something_to_return = asyncio.Event()
        self._turn = asyncio.Lock()
        self._release_outage = Outage("release_failed")
        self._renewal_outage = Outage("renewal_failed")

    def __len__(self) -> int:
        return len(self._leases)

    def __contains__(self, delivery_id: int) -> bool:
        return delivery_id in self._leases

    def new_end(self, now: int) -> int:
        """Return when a lease taken now ends."""
        return now + self.lease_ms

    def take(self, deliveries: Iterable[Delivery]) -> None:
        """Enter leased deliveries."""
        for delivery in deliveries:
            if delivery.lease is None:
                raise ValueError(f"delivery {delivery.id} is not leased")
            self._leases[delivery.id] = delivery.lease

    def holds(self, delivery: Delivery) -> bool:
        """Whether a delivery is held under the very lease it came with; a later one would be of another claim."""
        lease = self._leases.get(delivery.id)
        return lease is not None and delivery.lease is not None and lease.epoch == delivery.lease.epoch

    def left_ms(self, delivery_id: int, now: int) -> int:
        """Return how long a lease still lasts; nothing for one that is not held."""
        lease = self._leases.get(delivery_id)
        return 0 if lease is None else lease.until - now

    def is_overdue(self, now: int) -> bool:
        """Whether the lease that is held longest has ended: renewals failed, or the clock was put forward."""
        longest_held = next(iter(self._leases.values()), None)
        return longest_held is not None and longest_held.until <= now

    def drop(self, delivery_ids: Iterable[int]) -> None:
        """Strike out deliveries whose lease is back in the table."""
        for delivery_id in delivery_ids:
            self._leases.pop(delivery_id, None)

    def drop_settled(self, settlements: Iterable[Settlement]) -> None:
        """Strike out what was settled under the lease it is held by, whether that had any effect or not."""
        for settlement in settlements:
            lease = self._leases.get(settlement.delivery_id)
            if lease is not None and lease.epoch == settlement.epoch:
                del self._leases[settlement.delivery_id]

    def give_back(self, delivery_ids: Iterable[int], due_at: int | None) -> None:
        """Have leases put back into the table without an attempt; null keeps the due time."""
        returned = list(delivery_ids)
        if returned:
            self._returns[due_at] += returned
            self._something_to_return.set()

    async def keep_returning(self) -> None:
        """Write what is given back, until cancelled."""
        while True:
            await self._something_to_return.wait()
            self._something_to_return.clear()
            if not await self.write_returns():
                await asyncio.sleep(_RETRY_S)
                self._something_to_return.set()

    async def write_returns(self) -> bool:
        """Write what is given back so far; returns whether all of it was written."""
        async with self._turn:
            return await self._write_returns()

    async def _write_returns(self) -> bool:
        for due_at in list(self._returns):
            delivery_ids = self._returns.pop(due_at)
            try:
                await self._database.release(self.owner, delivery_ids, due_at)
            except StorageError as error:
                self._release_outage.failed(error, deliveries=len(delivery_ids))
                self._returns[due_at] += delivery_ids
                return False
            self._release_outage.passed()
            self.drop(delivery_ids)
        return True

    async def keep_renewing(self) -> None:
        """Lengthen every lease several times before it would end, until cancelled."""
        while True:
            await asyncio.sleep(self.lease_ms / 1000 / _RENEWALS_PER_LEASE)
            await self.renew()

    async def renew(self) -> None:
        """Lengthen every lease, and remove those that another owner has by now."""
        held = list(self._leases)
        for start in range(0, len(held), _RENEWED_AT_ONCE):
            part = held[start : start + _RENEWED_AT_ONCE]
            until = self.new_end(self._clock())
            try:
                still_ours = await self._database.renew(self.owner, part, until)
            except StorageError as error:
                self._renewal_outage.failed(error, leases=len(part))
                return
            self._renewal_outage.passed()
            self._note_renewal(part, still_ours, until)

    def _note_renewal(self, asked: list[int], still_ours: frozenset[int], until: int) -> None:
        lost = 0
        for delivery_id in asked:
            lease = self._leases.get(delivery_id)
            if lease is None:
                continue  # Settled while the renewal was under way.
            if delivery_id in still_ours:
                self._leases[delivery_id] = msgspec.structs.replace(lease, until=until)
            else:
                del self._leases[delivery_id]
                lost += 1
        if lost:
            log.warning("leases_lost", leases=lost)
