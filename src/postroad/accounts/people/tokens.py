"""Random tokens of links and sessions: their holder has them, the database only their hashes."""

import hashlib
import secrets

from postroad.model.credential import Secret

_OCTETS = 32


def new_token() -> Secret:
    """Return a token that nobody can guess, fit for URLs and cookies."""
    return Secret(secrets.token_urlsafe(_OCTETS))


def hash_of(token: str) -> bytes:
    """Return what is stored of a token: one hashing is enough, because it is long and random."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
