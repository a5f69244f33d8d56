"""Steering the queue by hand: hold, release, retry, cancel, each recorded with who did it."""

import enum
from typing import Any

import msgspec

from postroad.model.actor import Actor
from postroad.model.audit import entry_of
from postroad.net.clock import Clock
from postroad.storage import audit, deliveries
from postroad.storage.database import Database
from postroad.storage.deliveries import NewId, Selector, Steering

_AT_ONCE = 1_000


class Verb(enum.Enum):
    """One way to steer."""

    HOLD = "hold"
    RELEASE = "release"
    RESUME = "resume"
    RETRY = "retry"
    CANCEL = "cancel"


_CHANGES = {
    Verb.HOLD: (deliveries.hold, "delivery.held"),
    Verb.RELEASE: (deliveries.release, "delivery.released"),
    Verb.RESUME: (deliveries.resume, "delivery.released"),
    Verb.RETRY: (deliveries.retry_now, "delivery.retried"),
    Verb.CANCEL: (deliveries.cancel, "delivery.cancelled"),
}


class Steered(msgspec.Struct, frozen=True, kw_only=True):
    """What is steered, as the audit log tells it."""

    selector: Selector
    target: str
    """What is selected, for people."""
    account_id: int | None
    """Null where it may be several accounts'."""


async def steer(
    database: Database, actor: Actor, verb: Verb, steered: Steered, *, now: int, new_id: NewId, limit: int
) -> int:
    """Change at most ``limit`` of the selected deliveries, with an audit entry where it is any; returns how many.

    The caller has made sure that the actor may do this to all that is selected.
    """
    steering = Steering(by=actor.name, now=now, new_id=new_id)
    return await database.write(_changed, verb, steered, steering, actor, limit=limit)


async def steer_all(
    database: Database,
    actor: Actor,
    verb: Verb,
    steered: Steered,
    *,
    clock: Clock,
    new_id: NewId,
    most: int | None = None,
) -> tuple[int, bool]:
    """Change all of the selected deliveries, some at a time, so that others write between them.

    Args:
        database: Where they are.
        actor: Who may do this to all that is selected; the caller has made sure of it.
        verb: What is done.
        steered: The selected deliveries, and what the audit log calls them.
        clock: Tells when each part is changed.
        new_id: Makes the ids of events.
        most: After so many no further part is begun; None for no bound.

    Returns how many were changed, and whether those were all.
    """
    count = 0
    while most is None or count < most:
        changed = await steer(database, actor, verb, steered, now=clock(), new_id=new_id, limit=_AT_ONCE)
        count += changed
        if changed < _AT_ONCE:
            return count, True
    return count, False


def _changed(connection: Any, verb: Verb, steered: Steered, steering: Steering, actor: Actor, *, limit: int) -> int:
    change, action = _CHANGES[verb]
    changed = change(connection, steered.selector, steering, limit)
    if changed:
        audit.record(
            connection,
            entry_of(
                actor,
                action,
                steered.target,
                at=steering.now,
                account_id=steered.account_id,
                after={"deliveries": changed},
            ),
        )
    return changed
