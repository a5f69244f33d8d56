"""Tokens of tracked links: each names its delivery and holds where it leads, so that no table of links is needed.

A token is a head of 32 letters and a payload, both in base64url (RFC 4648 §5) without padding. The head is 24 octets:

==========  ======================================================================================
key         1: the number of the key it is signed with
kind        1: what it is for
domain      4: the id of the sending domain
delivery    8: the id of the delivery
mark        10: the beginning of HMAC-SHA256 over the host of the link, all of the above and the payload
==========  ======================================================================================

So a token is worth nothing under another host, for another purpose, or with another destination, and the head has the
same length whatever it says: a message is laid out once, and each recipient's heads are put into it.
"""

import base64
import binascii
import enum
import hmac
import struct
from collections.abc import Mapping

import msgspec

from postroad.model.unsubscribe_group import group_of_tag

HEAD_LETTERS = 32
LONGEST_URL = 2000
"""Octets of a link with its token: what some clients, proxies and filters stop at."""
_FACTS = struct.Struct(">BBIQ")
_MARK_OCTETS = 10
_HEAD_OCTETS = _FACTS.size + _MARK_OCTETS


class Kind(enum.Enum):
    """What a token is for."""

    OPEN = 1
    CLICK = 2
    UNSUBSCRIBE = 3
    TRAP = 4
    """A link that nobody can see: who follows it follows every link."""
    FORM = 5
    """Where a form is sent: its fields come along."""


PATHS = {Kind.OPEN: "/o/", Kind.CLICK: "/c/", Kind.UNSUBSCRIBE: "/u/", Kind.TRAP: "/c/", Kind.FORM: "/c/"}
"""Where the door answers each kind; a trap and a form look like any other link."""


class TrackingKey(msgspec.Struct, frozen=True):
    """One of the installation's keys; those before the present one are kept, as mail is read for years."""

    number: int
    """1 to 255."""
    made_at: int
    secret: bytes

    def __repr__(self) -> str:
        return f"TrackingKey({self.number})"


class Place(msgspec.Struct, frozen=True):
    """Where the tracked links of a sending domain lead."""

    origin: str
    """Such as ``https://t.example.com``."""
    host: str
    """The name in it, without its port: what tokens are bound to."""

    def link(self, kind: Kind) -> str:
        """Return a link up to its token."""
        return self.origin + PATHS[kind]


class Token(msgspec.Struct, frozen=True):
    """What a token says."""

    kind: Kind
    domain_id: int
    delivery_id: int
    payload: bytes


class Signer:
    """Makes the tokens of one delivery."""

    def __init__(self, key: TrackingKey, host: str, *, domain_id: int, delivery_id: int) -> None:
        self._number, self._domain_id, self._delivery_id = key.number, domain_id, delivery_id
        self._keyed = hmac.new(key.secret, host.encode() + b"\0", "sha256")

    def head(self, kind: Kind, payload: bytes = b"") -> bytes:
        """Return the 32 letters that go before the payload."""
        facts = _FACTS.pack(self._number, kind.value, self._domain_id, self._delivery_id)
        keyed = self._keyed.copy()
        keyed.update(facts + payload)
        return base64.urlsafe_b64encode(facts + keyed.digest()[:_MARK_OCTETS])

    def token(self, kind: Kind, payload: bytes = b"") -> str:
        """Return a whole token."""
        return self.head(kind, payload).decode() + written(payload)


def written(payload: bytes) -> str:
    """Return a payload as it stands in a token."""
    return base64.urlsafe_b64encode(payload).rstrip(b"=").decode()


def read_token(text: str, host: str, secrets: Mapping[int, bytes]) -> Token | None:
    """Return what a token says; None where it is cut, altered, or not ours under this host."""
    octets = _octets_of(text)
    if octets is None or len(octets) < _HEAD_OCTETS:
        return None
    number, kind, domain_id, delivery_id = _FACTS.unpack_from(octets)
    payload = octets[_HEAD_OCTETS:]
    secret = secrets.get(number)
    if secret is None or delivery_id >> 63:
        return None
    mark = hmac.digest(secret, host.encode() + b"\0" + octets[: _FACTS.size] + payload, "sha256")[:_MARK_OCTETS]
    if not hmac.compare_digest(mark, octets[_FACTS.size : _HEAD_OCTETS]):
        return None
    return Token(Kind(kind), domain_id, delivery_id, payload)


def _octets_of(text: str) -> bytes | None:
    if not text.isascii() or len(text) > LONGEST_URL:
        return None
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    # One value has one spelling: what the last letter has beyond its octet is nought.
    return octets if written(octets) == text else None


# -- what is signed of an unsubscribe link -------------------------------------------------------------------------------


class Leaving(msgspec.Struct, frozen=True, array_like=True):
    """Who unsubscribes and from what; it is in the link itself, so that it works for as long as the mail is kept."""

    address: str
    tags: tuple[str, ...] = ()
    """From mail with these tags only; none for all mail of the domain."""
    title: str = ""
    """What people call that mail, where its tags are no words for them."""

    @property
    def group_id(self) -> int | None:
        """The group that is left; links that leave none have no title, whatever a client's own tags look like."""
        return group_of_tag(self.tags[0]) if self.title and len(self.tags) == 1 else None


_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(Leaving).decode


def leaving_payload(leaving: Leaving) -> bytes:
    """Return the payload of an unsubscribe link."""
    return _encode(leaving)


def read_leaving(payload: bytes) -> Leaving:
    """Read what was signed."""
    return _decode(payload)
