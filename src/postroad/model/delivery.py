"""A delivery: one message to one recipient, the unit of the queue."""

import enum
import hashlib
from typing import Any

import msgspec

from postroad.model.envelope import Notify
from postroad.model.options import PLAIN_DELIVERY, DeliveryOptions
from postroad.model.suppression import Suppression


class DeliveryState(enum.Enum):
    """Where a delivery stands.

    scheduled → leased → delivered | bounced | suppressed | cancelled; back to scheduled on a deferral; or held.
    """

    SCHEDULED = "scheduled"
    LEASED = "leased"
    HELD = "held"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the delivery by itself."""
        return self in _FINAL


_FINAL = frozenset({DeliveryState.DELIVERED, DeliveryState.BOUNCED, DeliveryState.SUPPRESSED, DeliveryState.CANCELLED})


class Standing(enum.Enum):
    """A delivery's state as people ask for it: one that was tried in vain is told from one that was not tried yet."""

    SCHEDULED = "scheduled"
    DEFERRED = "deferred"
    LEASED = "leased"
    HELD = "held"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"


def standing_of(state: DeliveryState, attempts: int) -> Standing:
    """Return how a delivery stands."""
    if state is DeliveryState.SCHEDULED and attempts:
        return Standing.DEFERRED
    return Standing(state.value)


class Lease(msgspec.Struct, frozen=True):
    """The right of one incarnation of a worker to work on a delivery until ``until``."""

    owner: int
    """Incarnation id of the worker: never used twice."""
    epoch: int
    """Counts the leases of a delivery; a settlement with an older one is void."""
    until: int


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message's way to one recipient."""

    id: int
    message_id: int
    account_id: int
    domain_id: int
    recipient: str
    destination: str
    pool: str
    lane: int
    priority: int = 0
    """0 is ordinary; a higher number leaves first within its lane."""
    state: DeliveryState = DeliveryState.SCHEDULED
    due_at: int
    expires_at: int
    accepted_at: int
    attempts: int = 0
    """Attempts that have ended."""
    notify: Notify = Notify.UNSET
    original_recipient: str | None = None
    lease: Lease | None = None
    last_reply: str | None = None
    """The last reply or failure in one line, with the host that gave it; why a deferred delivery waits."""
    options: DeliveryOptions = PLAIN_DELIVERY
    maybe_delivered: bool = False
    """An attempt ended without a known end after the final dot: a later one may be a repeat."""
    barrier: Suppression | None = None
    """What was found against it when it was claimed; not stored."""

    @property
    def event_marks(self) -> dict[str, Any]:
        """What every event of the delivery carries, so that it is counted and shown as what it is."""
        marks: dict[str, Any] = {"tags": self.options.tags} if self.options.tags else {}
        if self.options.is_report:
            marks["is_report"] = True
        return marks | {"is_test": True} if self.options.is_test else marks


def lane_of(domain_id: int, destination: str) -> int:
    """Return the lane (sending domain × destination) that shares its turn when deliveries are claimed."""
    digest = hashlib.blake2b(f"{domain_id}:{destination}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1
