"""Signed identifiers: an id of ours that comes back from outside, and shows that it was ours.

29 characters of Crockford's base32: 13 of the id as people see it, 16 (80 bits) of HMAC-SHA256 over purpose and id.
Upper and lower case are the same, as some hosts change the case of addresses.
"""

import functools
import hmac
from collections.abc import Sequence

from postroad.model.ids import from_text, text_of, to_base32

LENGTH = 29
_ID_LENGTH = 13


def sign_identifier(identifier: int, purpose: str, key: bytes) -> str:
    """Return the signed form of an id; a token made for one purpose is not valid for another."""
    return (text_of(identifier) + _mark(identifier, purpose, key)).lower()


def read_identifier(token: str, purpose: str, keys: Sequence[bytes]) -> int | None:
    """Return the id of a token that one of the keys signed for this purpose, or None."""
    if len(token) != LENGTH or not token.isascii():
        return None
    try:
        identifier = from_text(token[:_ID_LENGTH])
    except ValueError:
        return None
    mark = token[_ID_LENGTH:].upper()
    # All keys are compared, so that the time says nothing about which of them fits.
    matches = [hmac.compare_digest(mark, _mark(identifier, purpose, key)) for key in keys]
    return identifier if any(matches) else None


def _mark(identifier: int, purpose: str, key: bytes) -> str:
    keyed = _keyed(key).copy()
    keyed.update(b"%b\0%d" % (purpose.encode(), identifier))
    return to_base32(int.from_bytes(keyed.digest()[:10]), LENGTH - _ID_LENGTH)


@functools.lru_cache(maxsize=16)
def _keyed(key: bytes) -> hmac.HMAC:
    # Twice for each message: a copy costs half of a new one, and unlike hmac.digest it does not hand the GIL over.
    return hmac.new(key, digestmod="sha256")
