"""Batches: messages that a client holds, lets go or cancels together."""

from collections.abc import Callable

from postroad.messages.steering import Steered, Verb, steer_all
from postroad.model.actor import Actor
from postroad.model.refused import MissingError, RefusedError
from postroad.model.send_batch import BatchStatus, SendBatch
from postroad.net.clock import Clock
from postroad.storage import send_batches
from postroad.storage.database import Database
from postroad.storage.deliveries import NewId, Selector

MOST = 100_000
"""Batches of one sending domain; those without messages are forgotten after a while."""
MOST_SHOWN = 1_000
_VERBS = {BatchStatus.PAUSE: Verb.HOLD, BatchStatus.CANCEL: Verb.CANCEL, None: Verb.RESUME}


class Batches:
    """Keeps the batches of sending domains, and does with their deliveries what is asked."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId, new_name: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._new_name = new_name

    async def make(self, account_id: int, domain_id: int) -> SendBatch:
        """Make a batch; raises RefusedError where the domain has too many."""
        if await self._database.read(send_batches.count, domain_id) >= MOST:
            raise RefusedError(f"The sending domain has {MOST:,} batches already; use one of them.")
        batch = SendBatch(id=self._new_name(), account_id=account_id, domain_id=domain_id, created_at=self._clock())
        await self._database.write(send_batches.add, batch)
        return batch

    async def get(self, domain_id: int, batch_id: str) -> SendBatch:
        """Return a batch of a sending domain; raises MissingError."""
        found = await self._database.read(send_batches.get, batch_id)
        if found is None or found.domain_id != domain_id:
            raise MissingError("There is no such batch.", field="batch_id")
        return found

    async def asked_of(self, domain_id: int) -> list[SendBatch]:
        """Return the batches of a domain that are held or cancelled, newest first."""
        return await self._database.read(send_batches.asked_of, domain_id, MOST_SHOWN)

    async def set_status(self, actor: Actor, batch: SendBatch, status: BatchStatus | None) -> None:
        """Hold, cancel or let go what is of a batch and waits; what comes of it later meets the same.

        What was cancelled stays so, and what a worker is sending leaves.
        """
        await self._database.write(send_batches.set_status, batch.id, status)
        await self.carry_out(actor, batch, status)

    async def carry_out(self, actor: Actor, batch: SendBatch, status: BatchStatus | None) -> None:
        """Do with the deliveries of a batch what its status says."""
        steered = Steered(
            selector=Selector(batch_id=batch.id, domain_id=batch.domain_id),
            target=f"batch {batch.id}",
            account_id=batch.account_id,
        )
        await steer_all(self._database, actor, _VERBS[status], steered, clock=self._clock, new_id=self._new_id)
