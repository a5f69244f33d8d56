"""The final bytes of one delivery, made in a fixed order of steps.

1. The stored content is taken as it is: every edit of its header was made when it was admitted.
2. Where the message has recipient variables, the recipient's own copy is made of it (``merge``): placeholders in the
   header and in text parts get their values.
3. Where it has a stored template, the template's texts take the place of its own (``template_content``). In these,
   too, placeholders get their values where the message has recipient variables.
4. Where opens, clicks or unsubscribes are asked for, links and the pixel are put in (``track``): after all that makes text,
   so that a template's links are tracked like others.
5. It is signed, and the DKIM-Signature fields go on top, in the order of the keys.

Signing comes last, as it covers what every step before has made. Content that is the same for many recipients is
rendered once and its bytes are shared; what is made for one recipient is made just before it leaves. Large content may
be rendered in a thread: its body is hashed in chunks.
"""

from collections.abc import Sequence

import msgspec

from postroad.protocol.dkim.key import SigningKey
from postroad.protocol.dkim.sign import sign


class Rendered(msgspec.Struct, frozen=True):
    """The bytes to transmit and whose signatures they carry."""

    content: bytes
    selectors: tuple[str, ...]
    missing_variables: tuple[str, ...] = ()
    """Placeholders that the recipient has no value for."""


def render(content: bytes, keys: Sequence[SigningKey], now_s: int, missing_variables: Sequence[str] = ()) -> Rendered:
    """Return the final bytes of a content, signed with every key given."""
    return Rendered(sign(content, keys, now_s) + content, _selectors_of(keys), tuple(missing_variables))


def _selectors_of(keys: Sequence[SigningKey]) -> tuple[str, ...]:
    """Return where the keys' records stand, as events show it: ``pr1._domainkey.example.com``."""
    return tuple(f"{key.selector}._domainkey.{key.domain}" for key in keys)
