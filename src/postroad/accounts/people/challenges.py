"""Challenges for strangers: signed with a key of the installation instead of stored, so that asking for many fills no table.

Only what has proven somebody is stored, until it would expire, so that it does so once. Every worker knows every
worker's challenges.
"""

import hashlib
import hmac
import secrets

import msgspec

from postroad.accounts.people.tokens import hash_of
from postroad.model import base64url
from postroad.model.credential import Secret
from postroad.net.clock import Clock
from postroad.storage import one_time_tokens
from postroad.storage.database import Database
from postroad.storage.one_time_tokens import OneTimeToken

_NONCE_OCTETS = 16
_TIME_OCTETS = 8
_STAMP_OCTETS = _NONCE_OCTETS + _TIME_OCTETS


class Challenge(msgspec.Struct, frozen=True):
    """A challenge that holds: it was made here, for this purpose, and was not used."""

    text: str
    purpose: str
    expires_at: int


class Challenges:
    """Makes challenges, and knows them again."""

    def __init__(self, database: Database, clock: Clock, key: bytes) -> None:
        self._database = database
        self._clock = clock
        self._key = key

    def new(self, purpose: str, valid_ms: int, *, bound_to: str = "") -> Secret:
        """Return a challenge, fit for URLs; it holds only together with what it is bound to."""
        expires_at = self._clock() + valid_ms
        stamp = secrets.token_bytes(_NONCE_OCTETS) + expires_at.to_bytes(_TIME_OCTETS)
        return Secret(base64url.encode(stamp + self._mac(stamp, purpose, bound_to)))

    async def look(self, text: str, purpose: str, *, bound_to: str = "") -> Challenge | None:
        """Return a challenge without using it up, or None where it does not hold, or not any more."""
        octets = _octets(text)
        stamp, mac = octets[:_STAMP_OCTETS], octets[_STAMP_OCTETS:]
        if not hmac.compare_digest(mac, self._mac(stamp, purpose, bound_to)):
            return None
        now, expires_at = self._clock(), int.from_bytes(stamp[_NONCE_OCTETS:])
        if expires_at <= now:
            return None
        used = await self._database.read(one_time_tokens.look, hash_of(text), purpose, now)
        return Challenge(text, purpose, expires_at) if used is None else None

    async def use(self, challenge: Challenge) -> bool:
        """Use a challenge up, once it has proven somebody: of several that try at once, one gets True."""
        used = OneTimeToken(
            purpose=challenge.purpose, user_id=None, created_at=self._clock(), expires_at=challenge.expires_at
        )
        return await self._database.write(one_time_tokens.add_once, hash_of(challenge.text), used)

    def _mac(self, stamp: bytes, purpose: str, bound_to: str) -> bytes:
        said = f"{purpose}\0{bound_to}".encode("utf-8", "replace")
        return hmac.digest(self._key, stamp + said, hashlib.sha256)


def _octets(text: str) -> bytes:
    """Return what a text stands for, nothing where it is no base64url in its one spelling: another would count anew."""
    try:
        octets = base64url.decode(text)
    except ValueError:
        return b""
    return octets if base64url.encode(octets) == text else b""
