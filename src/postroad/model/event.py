"""Events: immutable facts about messages and deliveries."""

import enum
from typing import Any

import msgspec

from postroad.model.options import Callback


class EventType(enum.Enum):
    """What happened; the words of the glossary."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    HELD = "held"
    RELEASED = "released"
    DEDUPLICATED = "deduplicated"
    """The same message was handed in again, and is not delivered again."""
    COMPLAINED = "complained"
    """A recipient told their mailbox provider that they do not want the message, and the provider told us."""
    OPENED = "opened"
    """The pixel of a delivery was asked for; ``verdict`` says by a human, a machine or a proxy."""
    CLICKED = "clicked"
    """A link of a delivery was followed, by the one or the other."""
    UNSUBSCRIBED = "unsubscribed"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One fact, in the partition of its message; a rejection has no message and its own id's partition."""

    id: int
    type: EventType
    at: int
    account_id: int
    domain_id: int
    message_id: int | None = None
    delivery_id: int | None = None
    recipient: str | None = None
    data: dict[str, Any] = {}
    """Facts of this type, by the names of the event reference; stored as JSON."""
    callback: Callback | None = None
    """Where it is posted, instead of to the webhooks of its domain; what writes it makes a call of that, and forgets it."""

    @property
    def is_of_report(self) -> bool:
        """Whether it is about a report of our own: no mail of the domain's, so it is counted nowhere and posted to nobody."""
        return "is_report" in self.data
