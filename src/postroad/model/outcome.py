"""What an attempt showed (outcome), and what is recorded of it (settlement)."""

import enum

import msgspec

from postroad.model.delivery import DeliveryState
from postroad.model.event import Event
from postroad.model.suppression import Suppression


class Scope(enum.Enum):
    """How far a failure reaches."""

    SESSION = "session"
    """This connection or host: the next MX may do at once."""
    SITE = "site"
    """The whole site: its deliveries wait."""
    MESSAGE = "message"
    RECIPIENT = "recipient"


class Phase(enum.Enum):
    """Where in an attempt something happened."""

    DNS = "dns"
    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    """The message text is on its way: no final dot was sent."""
    FINAL_DOT = "final_dot"
    """The final dot was sent: without a reply the end is not known."""
    QUEUE = "queue"
    """Before any attempt: expired, cancelled."""


class BounceClass(enum.Enum):
    """Why a delivery was refused, in the small vocabulary that statistics count."""

    BAD_MAILBOX = "bad-mailbox"
    INACTIVE_MAILBOX = "inactive-mailbox"
    BAD_DOMAIN = "bad-domain"
    QUOTA = "quota"
    SPAM = "spam-related"
    POLICY = "policy-related"
    CONTENT = "content-related"
    ROUTING = "routing"
    PROTOCOL = "protocol"
    OTHER = "other"


class TlsFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a TLS handshake with a receiving host showed."""

    version: str
    cipher: str
    certificate_subject: str = ""
    certificate_issuer: str = ""
    certificate_expires_at: int | None = None
    is_verified: bool = False
    """A public authority vouches for the MX host name."""


class AttemptFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how one attempt went; kept with its event."""

    phase: Phase
    egress_source: str = ""
    source_address: str = ""
    """Local address of the connection; where none came about, the one that it was to leave from, if the source names it."""
    site: str = ""
    host: str = ""
    host_address: str = ""
    tls: TlsFacts | None = None
    selectors: tuple[str, ...] = ()
    missing_variables: tuple[str, ...] = ()
    """Placeholders of the message that the recipient had no value for."""
    code: int | None = None
    """Reply code of the receiving host; null when there was no reply."""
    enhanced_status: str | None = None
    text: str = ""
    """Full text of the reply, or what went wrong, in one sentence."""
    started_at: int
    duration_ms: int
    notes: tuple[str, ...] = ()
    """Remarks such as ``8-bit content sent to a host without 8BITMIME``."""


class Delivered(msgspec.Struct, frozen=True):
    """The receiving host took responsibility."""

    facts: AttemptFacts


class Deferred(msgspec.Struct, frozen=True):
    """It did not work and may work later."""

    facts: AttemptFacts
    scope: Scope
    bounce_class: BounceClass = BounceClass.OTHER
    maybe_delivered: bool = False


class Bounced(msgspec.Struct, frozen=True):
    """It did not work and will not."""

    facts: AttemptFacts
    scope: Scope
    bounce_class: BounceClass


Outcome = Delivered | Deferred | Bounced


class ReportKind(enum.Enum):
    """Which delivery status notification is owed to the reverse path (RFC 3464 §2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What to record of one attempt; void unless owner and epoch still hold the delivery."""

    delivery_id: int
    message_id: int
    owner: int
    epoch: int
    state: DeliveryState
    due_at: int
    """Next try of a deferred delivery; the instant of the end of a final one."""
    attempts: int
    last_reply: str
    maybe_delivered: bool
    events: tuple[Event, ...]
    report: ReportKind | None = None
    suppressions: tuple[Suppression, ...] = ()
    """What it adds to the lists of the sending domain, in the same transaction."""
