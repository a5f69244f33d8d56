"""What comes back from recipients: a pixel that was asked for, a link that was followed, somebody who unsubscribes."""

import enum
from hashlib import blake2b

import msgspec

from postroad.model.suppression import Way


class HitKind(enum.Enum):
    """What was asked for."""

    OPEN = "open"
    CLICK = "click"
    TRAP = "trap"
    """A link that nobody can see."""


class Place(msgspec.Struct, frozen=True):
    """Where a client is by its address, as far as that is known."""

    country: str = ""
    """Two letters (ISO 3166-1)."""
    city: str = ""
    """Its English name."""


NOWHERE = Place()


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One request for a pixel or a link of a delivery."""

    kind: HitKind
    delivery_id: int
    domain_id: int
    at: int
    url: str = ""
    """Where the link leads."""
    agent: str = ""
    """The User-Agent, shortened."""
    client_address: str = ""
    place: Place = NOWHERE
    is_head: bool = False
    is_prefetch: bool = False
    """The client said that it looks ahead."""
    links_lately: frozenset[int] = frozenset()
    """The fingerprints of different links of the delivery that were followed around that time, by way of any worker."""


def fingerprint(url: str) -> int:
    """Return what tells links apart in little room; the same in every process."""
    return int.from_bytes(blake2b(url.encode(), digest_size=8).digest(), signed=True)


class Unsubscribing(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants no more mail of a sending domain."""

    delivery_id: int
    domain_id: int
    address: str
    tags: tuple[str, ...] = ()
    """From mail with these only; none for all."""
    group_id: int | None = None
    """The group that the one tag stands for; a client's own tag may look like one of a group."""
    way: Way
    at: int
    agent: str = ""
    client_address: str = ""
    place: Place = NOWHERE


class BlockedDestination(msgspec.Struct, frozen=True, kw_only=True):
    """Where tracked links lead to no longer."""

    pattern: str
    """A host, with all below it; or the beginning of a URL."""
    reason: str = ""
    created_at: int
    created_by: str
