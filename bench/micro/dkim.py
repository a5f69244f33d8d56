"""Signing and verifying 4 KB, and what of it is not the key's own operation; dkimpy beside it."""

from collections.abc import Callable

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from bench.micro.header import CONTENT, DOMAIN
from postroad.protocol.dkim.canonical import relaxed_body_hash
from postroad.protocol.dkim.key import SigningKey, format_record
from postroad.protocol.dkim.sign import sign
from postroad.protocol.dkim.verify import verify

NOW_S = 1_795_000_000
_BODY = CONTENT.partition(b"\r\n\r\n")[2]


class _FreeKey(SigningKey, frozen=True):
    """A key whose operation costs nothing: what is left is ours."""

    def sign(self, data: bytes, digest: bytes) -> bytes:
        return bytes(256)


def cases() -> dict[str, Callable[[], object]]:
    """Return the operations to time."""
    private = rsa.generate_private_key(65537, 2048)
    rsa_key = SigningKey(DOMAIN, "pr1", private)
    ed25519_key = SigningKey(DOMAIN, "pr2", ed25519.Ed25519PrivateKey.generate())
    free_key = _FreeKey(DOMAIN, "pr1", private)
    records = {key.selector: format_record(key.private_key) for key in (rsa_key, ed25519_key)}
    signed = sign(CONTENT, [rsa_key], NOW_S) + CONTENT
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return {
        "body hash, relaxed": lambda: relaxed_body_hash(_BODY),
        "sign, without the key's operation": lambda: sign(CONTENT, [free_key], NOW_S),
        "sign, RSA-2048": lambda: sign(CONTENT, [rsa_key], NOW_S),
        "sign, Ed25519": lambda: sign(CONTENT, [ed25519_key], NOW_S),
        "sign, both": lambda: sign(CONTENT, [rsa_key, ed25519_key], NOW_S),
        "verify, RSA-2048": lambda: verify(signed, lambda selector, _: records[selector]),
        "dkimpy: sign, RSA-2048": lambda: dkim.sign(CONTENT, b"pr1", DOMAIN.encode(), pem),
    }
