"""The final bytes of one delivery, made in a fixed order of steps.

1. The stored content is taken as it is: every edit of its header was made when it was admitted.
2. It is signed, and the DKIM-Signature fields go on top, in the order of the keys.

Signing comes last, as it covers what every step before has made. Content that is the same for many recipients is
rendered once and its bytes are shared.
"""

from collections.abc import Sequence

import msgspec

from postroad.protocol.dkim.key import SigningKey
from postroad.protocol.dkim.sign import sign, sign_hashed
from postroad.protocol.mime.header import HeaderFault, split


class Rendered(msgspec.Struct, frozen=True):
    """The bytes to transmit and whose signatures they carry."""

    content: bytes
    selectors: tuple[str, ...]


def render(content: bytes, keys: Sequence[SigningKey], now_s: int) -> Rendered:
    """Return the final bytes of a stored content, signed with every key given."""
    return Rendered(sign(content, keys, now_s) + content, selectors_of(keys))


def render_hashed(content: bytes, body_hash: bytes, keys: Sequence[SigningKey], now_s: int) -> Rendered:
    """Return the same for a large content whose body was hashed in chunks (``dkim.canonical.BodyHash``)."""
    block = split(content)
    if isinstance(block, HeaderFault):
        raise ValueError(block.text)  # noqa: TRY004 - the content is wrong, not a type
    return Rendered(sign_hashed(block, body_hash, keys, now_s) + content, selectors_of(keys))


def selectors_of(keys: Sequence[SigningKey]) -> tuple[str, ...]:
    """Return where the keys' records stand, as events show it: ``pr1._domainkey.example.com``."""
    return tuple(f"{key.selector}._domainkey.{key.domain}" for key in keys)
