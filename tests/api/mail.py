"""Messages of the past in the databases of these tests."""

from typing import Any

import msgspec

from postroad.model.domain import SendingDomain
from postroad.model.ids import lowest_at
from postroad.model.message import Message
from postroad.storage.database import Database
from tests.storage import samples

from .services import NOW

_SHIFT = lowest_at(samples.NOW) - lowest_at(NOW)


async def store_message(database: Database, domain: SendingDomain, *recipients: str, **facts: Any) -> Message:
    """Store a message that was accepted now and waits to be delivered."""
    made = samples.accepted(*recipients, account_id=domain.account_id, domain_id=domain.id, **facts)
    message = msgspec.structs.replace(made.message, id=made.message.id - _SHIFT, accepted_at=NOW)
    deliveries = tuple(
        msgspec.structs.replace(one, id=one.id - _SHIFT, message_id=message.id, accepted_at=NOW)
        for one in made.deliveries
    )
    events = tuple(
        msgspec.structs.replace(
            one, id=one.id - _SHIFT, at=NOW, message_id=message.id, delivery_id=(one.delivery_id or 0) - _SHIFT
        )
        for one in made.events
    )
    stored = msgspec.structs.replace(made, message=message, deliveries=deliveries, events=events)
    await database.accept(stored)
    return message
