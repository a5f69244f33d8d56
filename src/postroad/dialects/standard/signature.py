"""Standard Webhooks: three headers that authenticate a call in any format."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from postroad.model.credential import Secret

_PREFIX = "whsec_"


def secret_of(signing_key: Secret) -> Secret:
    """Return an account's signing key as verifying libraries want it: the octets of its text in base64."""
    return Secret(_PREFIX + base64.b64encode(signing_key.encode()).decode())


def signature_headers(call_id: str, now: int, body: bytes, keys: Sequence[Secret]) -> dict[str, str]:
    """Return the headers of a body, with a signature by each key, so that receivers take a new key in their own time.

    ``now`` in milliseconds. Neither it nor ``call_id`` may hold a dot, which stands between what is signed.
    """
    timestamp = str(now // 1000)
    signed = f"{call_id}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.new(key.encode(), signed, hashlib.sha256).digest()).decode() for key in keys]
    return {
        "webhook-id": call_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{one}" for one in signatures),
    }
