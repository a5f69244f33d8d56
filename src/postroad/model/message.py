"""A message: accepted content, stored once, with one delivery per recipient."""

import msgspec

from postroad.model.dedupe import AnsweredCall, Repeatable, Repeats
from postroad.model.delivery import Delivery
from postroad.model.event import Event
from postroad.model.options import NO_OPTIONS, Options


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of an accepted message; its bytes are kept apart (``storage.bodies``)."""

    id: int
    account_id: int
    domain_id: int
    credential_id: int
    reverse_path: str
    header_from: str
    subject: str
    message_id_header: str
    size: int
    """Octets of the stored content."""
    recipient_count: int
    accepted_at: int
    client_address: str
    channel: str
    is_eight_bit: bool = False
    is_utf8: bool = False
    ret: str | None = None
    envid: str | None = None
    keep_content_ms: int = 0
    """How long the content is kept after the last delivery ended."""
    options: Options = NO_OPTIONS
    """As they hold for this message: the domain's defaults are in them; without the recipients' variables."""
    is_report: bool = False
    """A delivery status notification of our own: it leaves with the null reverse path and is never reported on."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one accept writes in one transaction."""

    message: Message
    content: bytes
    deliveries: tuple[Delivery, ...]
    events: tuple[Event, ...]
    repeatable: Repeatable | None = None
    """How its repeats are noticed, and whether it is one; None takes it as it is."""
    call: AnsweredCall | None = None
    """The named call that this is the first message of, with the answer to it; None for all others."""


class Stored(msgspec.Struct, frozen=True):
    """What accepting a message came to."""

    accepted: Accepted | None
    """As it was stored: without repeats, and with suppressed recipients' deliveries ended. None where nothing was."""
    repeats: Repeats | None = None
    """What of it was there already."""
    is_call_repeated: bool = False
    """It is of a named call that was answered before: nothing of the call was stored."""
