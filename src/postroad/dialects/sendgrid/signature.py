"""How SendGrid's event webhook is signed: ECDSA over the curve P-256, with a key pair of the account."""

import base64
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"

# RFC 6979: without random numbers, so that the same call is signed the same.
_ALGORITHM = ec.ECDSA(SHA256(), deterministic_signing=True)


def signature_headers(event_key: bytes, now: int, body: bytes) -> dict[str, str]:
    """Return the two headers that authenticate a body; ``now`` in milliseconds, the key as PKCS #8 DER."""
    timestamp = str(now // 1000)
    signed = _private(event_key).sign(timestamp.encode() + body, _ALGORITHM)
    return {SIGNATURE: base64.b64encode(signed).decode(), TIMESTAMP: timestamp}


def public_key(event_key: bytes) -> str:
    """Return the key that receivers verify with, as SendGrid shows it: SubjectPublicKeyInfo DER in base64."""
    public = _private(event_key).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@lru_cache(maxsize=256)
def _private(event_key: bytes) -> ec.EllipticCurvePrivateKey:
    found = load_der_private_key(event_key, None)
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise TypeError("the key that signs events must be one of an elliptic curve")
    return found
