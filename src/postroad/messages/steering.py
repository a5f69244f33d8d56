"""Steering the queue by hand: hold, release, retry, cancel, each recorded with who did it."""

import enum
from typing import Any

import msgspec

from postroad.model.actor import Actor
from postroad.model.audit import entry_of
from postroad.storage import audit, deliveries
from postroad.storage.database import Database
from postroad.storage.deliveries import NewId, Selector, Steering


class Verb(enum.Enum):
    """One way to steer."""

    HOLD = "hold"
    RELEASE = "release"
    RETRY = "retry"
    CANCEL = "cancel"


_CHANGES = {
    Verb.HOLD: (deliveries.hold, "delivery.held"),
    Verb.RELEASE: (deliveries.release, "delivery.released"),
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
