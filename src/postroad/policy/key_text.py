"""How generated keys look: a prefix that names the kind, 256 random bits, and a checksum.

The prefix and checksum let secret scanners recognise a key in a file without asking anybody, and let a mistyped one be
refused without looking it up.
"""

import enum
import hashlib
import zlib

from postroad.model.credential import Secret

RANDOM_BYTES = 32
SHOWN_LENGTH = 10
"""How many of a key's first characters people see: its prefix and 35 bits, which leave 220 unknown."""
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH = 43
_CHECKSUM_LENGTH = 6
_PREFIX_LENGTH = 4
_LENGTH = _PREFIX_LENGTH + _RANDOM_LENGTH + _CHECKSUM_LENGTH


class KeyTextKind(enum.Enum):
    """What a key is for; the values are what its text begins with."""

    DOMAIN = "prd_"
    """Sends for one sending domain."""
    ACCOUNT = "pra_"
    """Manages an account."""
    SIGNING = "prw_"
    """Signs the calls of webhooks."""


def key_text(kind: KeyTextKind, random_bytes: bytes) -> Secret:
    """Return a key of a kind made of 32 random octets."""
    if len(random_bytes) != RANDOM_BYTES:
        raise ValueError(f"a key is made of {RANDOM_BYTES} random octets, not {len(random_bytes)}")
    body = kind.value + _base62(int.from_bytes(random_bytes), _RANDOM_LENGTH)
    return Secret(body + _checksum(body))


def kind_of(text: str) -> KeyTextKind | None:
    """Return what a text is a key for, or None where it cannot be a key of ours."""
    if len(text) != _LENGTH or not text.isascii():
        return None
    body, checksum = text[:-_CHECKSUM_LENGTH], text[-_CHECKSUM_LENGTH:]
    if checksum != _checksum(body):
        return None
    return next((kind for kind in KeyTextKind if body.startswith(kind.value)), None)


def shown_part(text: str) -> str:
    """Return the part of a key by which people know it."""
    return text[:SHOWN_LENGTH]


def digest_of(text: str) -> bytes:
    """Return what is stored of a key: with 256 random bits there is nothing to guess, so no slow hash is needed."""
    return hashlib.sha256(text.encode()).digest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
