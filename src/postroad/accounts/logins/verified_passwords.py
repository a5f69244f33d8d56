"""A short memory of passwords that were proven, so that a client which logs in for every message is hashed once."""

import hmac

from postroad.model.credential import Secret


class VerifiedPasswords:
    """Remembers proofs, never passwords: keyed digests under a key that lives and dies with the process."""

    def __init__(self, key: bytes, verified_for_ms: int, capacity: int = 10_000) -> None:
        self._keyed = hmac.new(key, digestmod="sha256")
        self._verified_for_ms = verified_for_ms
        self._capacity = capacity
        self._until: dict[bytes, int] = {}

    def proof_of(self, credential_id: int, stored: str, password: Secret) -> bytes:
        """Return the digest that stands for this password of this version of a credential.

        The digest is of the whole triple, so looking it up tells nothing about a password by the time it takes. Each
        stored password has a salt of its own: once another is set, or the user is removed, no proof of before is asked for.
        """
        text = f"{credential_id}\0{stored}\0{password}"
        keyed = self._keyed.copy()
        keyed.update(text.encode("utf-8", "surrogatepass"))
        return keyed.digest()

    def holds(self, proof: bytes, now: int) -> bool:
        """Whether this proof was made a short while ago."""
        return self._until.get(proof, 0) > now

    def remember(self, proof: bytes, now: int) -> None:
        """Keep a proof; the oldest goes when there are too many."""
        self._until.pop(proof, None)
        while len(self._until) >= self._capacity:
            del self._until[next(iter(self._until))]
        self._until[proof] = now + self._verified_for_ms
