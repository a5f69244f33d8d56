"""Addresses to unsubscribe by mail: each names its delivery and sending domain and is signed, as unsubscribe links are.

The local part may have 64 octets (RFC 5321 §4.5.3.1.1), too few for the recipient's address: a mark of it is signed instead.
With it somebody who writes from that address is known even where the delivery is no longer kept.
"""

import hmac
import struct
from collections.abc import Sequence

import msgspec

from postroad.model.ids import to_base32
from postroad.policy.suppression import comparable

PREFIX = "unsubscribe+"
_PURPOSE = b"unsubscribe-by-mail\0"
_FACTS = struct.Struct(">QI4s")
_SIGNATURE_OCTETS = 10
_OCTETS = _FACTS.size + _SIGNATURE_OCTETS
_LETTERS = 42
"""26 octets in Crockford's base32: with the prefix 54 letters."""
_ALPHABET = {letter: value for value, letter in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")} | {
    "I": 1,
    "L": 1,
    "O": 0,
}


class LeavingToken(msgspec.Struct, frozen=True):
    """Whose mail somebody wants no more of."""

    delivery_id: int
    domain_id: int
    mark: bytes
    """Of the recipient's address."""


def make_leaving_address(delivery_id: int, domain_id: int, recipient: str, *, host: str, key: bytes) -> str:
    """Return ``unsubscribe+<token>@<host>``; the token is worth nothing at another host."""
    facts = _FACTS.pack(delivery_id, domain_id, mark_of(recipient, key))
    octets = facts + _signature(facts, host, key)
    return f"{PREFIX}{to_base32(int.from_bytes(octets), _LETTERS).lower()}@{host}"


def read_leaving_address(address: str, keys: Sequence[bytes]) -> LeavingToken | None:
    """Return what an address of ours says, in any case of its letters; None of every other."""
    local, _, host = address.rpartition("@")
    letters = local[len(PREFIX) :].upper()
    if local[: len(PREFIX)].lower() != PREFIX or len(letters) != _LETTERS:
        return None
    value = 0
    for letter in letters:
        if letter not in _ALPHABET:
            return None
        value = value << 5 | _ALPHABET[letter]
    if value >> (8 * _OCTETS):
        return None
    octets = value.to_bytes(_OCTETS)
    facts, signature = octets[: _FACTS.size], octets[_FACTS.size :]
    if not any(hmac.compare_digest(signature, _signature(facts, host, key)) for key in keys):
        return None
    delivery_id, domain_id, mark = _FACTS.unpack(facts)
    return None if delivery_id >> 63 else LeavingToken(delivery_id, domain_id, mark)


def mark_of(recipient: str, key: bytes) -> bytes:
    """Return what an address is known by again."""
    return hmac.digest(key, _PURPOSE + comparable(recipient).encode("utf-8", "surrogateescape"), "sha256")[:4]


def _signature(facts: bytes, host: str, key: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + host.lower().encode() + b"\0" + facts, "sha256")[:_SIGNATURE_OCTETS]
