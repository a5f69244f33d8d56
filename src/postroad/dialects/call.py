"""What a call of a sending API asks for, in whichever dialect: a message, ready to be submitted."""

from collections.abc import Iterable, Mapping

import msgspec

from postroad.model.envelope import Envelope, Recipient, destination_of
from postroad.model.options import NO_OPTIONS, NO_SOURCES, Options
from postroad.protocol.mime.mailbox import Mailbox


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A message as a dialect has read it."""

    envelope: Envelope
    content: bytes
    subject: str | None = None
    """The subject as its client wrote it, where the header holds placeholders of ours in its place; else null."""
    options: Options = NO_OPTIONS
    option_sources: Mapping[str, str] = NO_SOURCES
    option_notes: tuple[str, ...] = ()


def envelope_for(recipients: Iterable[Mailbox], author: str, domain: str) -> Envelope:
    """Return the envelope of a message; it is from its author where that is an address of the sending domain."""
    reverse_path = author if destination_of(author) == domain else f"postmaster@{domain}"
    return Envelope(
        reverse_path=reverse_path,
        recipients=tuple(
            Recipient(forward_path=one.address, destination=one.domain, display_name=one.display_name)
            for one in recipients
        ),
        is_eight_bit=True,
        is_utf8=True,
    )
