"""A submission: mail that is offered and not yet accepted, and what admission makes of it."""

from collections.abc import Mapping

import msgspec

from postroad.model.channel import SMTP_CHANNEL
from postroad.model.credential import Principal
from postroad.model.dedupe import NamedCall
from postroad.model.envelope import Envelope
from postroad.model.options import NO_OPTIONS, NO_SOURCES, OptionFault, Options
from postroad.protocol.mime.header import HeaderBlock, HeaderFault
from postroad.protocol.smtp.data import Fault


class ClientFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the connection a submission came over."""

    address: str
    greeting: str = ""
    """The name the client gave in EHLO or HELO."""
    protocol: str = "ESMTP"
    """The ``with`` keyword of the Received header (RFC 3848): ESMTP, ESMTPA, ESMTPS, ESMTPSA, and UTF8 forms."""
    tls_version: str | None = None
    tls_cipher: str | None = None
    channel: str = SMTP_CHANNEL


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """Mail on offer: who acts, for whom, and the bytes as they came in."""

    principal: Principal
    envelope: Envelope
    content: bytes
    received_at: int
    client: ClientFacts
    subject: str | None = None
    """The subject as people are shown it, where its header holds placeholders that no client wrote; else null."""
    block: HeaderBlock | HeaderFault | None = None
    """The header of ``content`` as it was read; null where nobody has."""
    options: Options | OptionFault = NO_OPTIONS
    """What is asked for with it, or what of that is not understood."""
    option_sources: Mapping[str, str] = NO_SOURCES
    """By option, the header that gave it, as it is written."""
    option_notes: tuple[str, ...] = ()
    """What the message's story should say of its options."""
    is_held: bool = False
    """It is accepted and waits until its sender lets it go."""
    call: NamedCall | None = None
    """The named call that it is of: that is repeated as a whole, so that its messages are not looked at for repeats."""
    faults: Fault | None = None
    """What is wrong with the octets, found while they came in; null where nobody has looked."""


class Rejected(msgspec.Struct, frozen=True):
    """A submission that is refused, with the rule that refused it."""

    rule: str
    """A stable name such as ``header_from_not_aligned``; listed in the reference."""
    enhanced_status: str
    """RFC 3463 code; class 4 invites another try, class 5 does not."""
    text: str
    """One sentence that says what to change."""
    hold_s: float = 0.0
    """How long the door holds the reply back: for a client that goes on repeating what was refused."""
    others: tuple[str, ...] = ()
    """More that is wrong by the same rule, where somebody only looks at what would be refused."""


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """A submission that may be accepted, with its bytes as they will be stored."""

    content: bytes
    """Header block after all edits, then the body as it came in."""
    header_from: str
    """The one address of the From header, domain as A-labels."""
    subject: str
    """For people, as its client wrote it: decoded, at most 255 characters."""
    message_id_header: str
    """The Message-ID with its brackets."""
    has_own_message_id: bool = False
    """The client wrote the Message-ID."""
    is_utf8: bool = False
    """SMTPUTF8 was declared, and an address or a header that stays needs it (RFC 6531)."""
    options: Options = NO_OPTIONS
    """As they hold: the sender's over the domain's defaults."""
    edits: tuple[str, ...] = ()
    """What was done to the header block, for the message's story: ``added Date``, ``removed Bcc``."""
