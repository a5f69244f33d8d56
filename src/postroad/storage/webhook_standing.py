"""How webhooks stand: how their receivers have been doing, what waits for them, and the last call to each."""

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, func, select

from postroad.model.ids import partition_of
from postroad.model.webhook import WELL, CallAttempt, Health, Webhook
from postroad.storage import webhook_calls, webhook_log, webhooks
from postroad.storage.schema.data_plane import webhook_calls as calls
from postroad.storage.webhook_log import LogSelector

COUNTED_UP_TO = 1_000


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one webhook stands."""

    health: Health = WELL
    waiting: int = 0
    """Calls, counted up to ``COUNTED_UP_TO``."""
    oldest_at: int | None = None
    """When the oldest of those was written."""
    last: CallAttempt | None = None
    """The newest attempt at a call, a test or not."""

    @property
    def waits_more(self) -> bool:
        """Whether more may wait than were counted."""
        return self.waiting >= COUNTED_UP_TO


def standings(connection: Connection, webhook_ids: Collection[int]) -> dict[int, Standing]:
    """Return how webhooks stand, each by a few bounded looks."""
    health = webhook_calls.health_of(connection, webhook_ids)
    return {one: _standing(connection, one, health.get(one, WELL)) for one in webhook_ids}


def dead(connection: Connection, domain_ids: Collection[int]) -> list[tuple[Webhook, Health]]:
    """Return the webhooks of domains that the circuit breaker has paused and no person, the first to fail first."""
    paused = webhook_calls.paused_webhooks(connection)
    found = [one for one in webhooks.get_many(connection, paused) if one.domain_id in set(domain_ids)]
    live = [(one, paused[one.id]) for one in found if one.paused_at is None]
    return sorted(live, key=lambda pair: pair[1].failing_since or 0)


def next_try_at(connection: Connection, call_id: int) -> int | None:
    """Return when a call is to be tried; None where it waits no more."""
    mine = select(calls.c.due_at).where(calls.c.partition == partition_of(call_id), calls.c.id == call_id)
    return connection.execute(mine).scalar_one_or_none()


def _standing(connection: Connection, webhook_id: int, health: Health) -> Standing:
    some = select(calls.c.created_at).where(calls.c.receiver == webhook_id)
    some_of_them = some.order_by(calls.c.due_at, calls.c.id).limit(COUNTED_UP_TO).subquery()
    query = select(func.count(), func.min(some_of_them.c.created_at)).select_from(some_of_them)
    waiting, oldest_at = connection.execute(query).one()
    last = webhook_log.search(connection, LogSelector(receiver=webhook_id), 1)
    return Standing(health=health, waiting=waiting, oldest_at=oldest_at, last=last[0] if last else None)
