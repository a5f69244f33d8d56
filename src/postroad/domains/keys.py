"""DKIM keys: making them, choosing their selectors, and reading them for signing."""

import asyncio
from collections.abc import Iterable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from postroad.model.domain import DkimKey, KeyAlgorithm, KeyState
from postroad.policy.records import SELECTORS, organisational_selector
from postroad.protocol.dkim.key import PrivateKey, SigningKey, parse_private_key, public_value

# RFC 8301 §3.2: signers use keys of at least 2,048 bits; longer ones do not fit one string of a TXT record.
_RSA_BITS = 2048


async def new_key(selector: str, algorithm: KeyAlgorithm, state: KeyState, now: int) -> DkimKey:
    """Make a key pair for a selector; storage gives it its ids and encrypts the private half.

    RSA takes a tenth of a second or more and releases the interpreter, so it runs in a thread.
    """
    private_key = await asyncio.to_thread(_generate, algorithm)
    der = private_key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return DkimKey(
        id=0,
        domain_id=0,
        selector=selector,
        algorithm=algorithm,
        state=state,
        private_key=der,
        public_key=public_value(private_key),
        created_at=now,
    )


def free_selector(algorithm: KeyAlgorithm, keys: Iterable[DkimKey]) -> str | None:
    """Return the algorithm's selector that no key in use has; None while a new key waits beside the one that signs."""
    taken = {key.selector for key in keys if key.state is not KeyState.RETIRED}
    return next((selector for selector in SELECTORS[algorithm] if selector not in taken), None)


def signing_keys(
    domain_name: str, keys: Iterable[DkimKey], organisational_domain: str | None, *, ed25519_too: bool
) -> tuple[SigningKey, ...]:
    """Return the keys that sign a domain's mail, ready for use: RSA first, each followed by its organisational twin."""
    ready = []
    for key in sorted(keys, key=lambda key: key.algorithm is KeyAlgorithm.ED25519):
        if key.state is not KeyState.ACTIVE or (key.algorithm is KeyAlgorithm.ED25519 and not ed25519_too):
            continue
        private_key = parse_private_key(key.private_key)
        ready.append(SigningKey(domain_name, key.selector, private_key))
        selector = organisational_selector(key.selector, domain_name, organisational_domain)
        if key.signs_organisational and selector is not None and organisational_domain is not None:
            ready.append(SigningKey(organisational_domain, selector, private_key))
    return tuple(ready)


def _generate(algorithm: KeyAlgorithm) -> PrivateKey:
    match algorithm:
        case KeyAlgorithm.RSA:
            return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
        case KeyAlgorithm.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
