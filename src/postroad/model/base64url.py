"""Octets as text that fits into URLs, cookies and JSON: base64url without padding (RFC 4648 §5)."""

import base64


def encode(octets: bytes) -> str:
    """Return the text of octets."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the octets of a text; raises ValueError where it cannot be one."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
