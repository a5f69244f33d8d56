"""Sending domains: their states, settings and DKIM keys."""

import enum
from typing import Annotated

import msgspec

from postroad.model.dedupe import Deduplicate
from postroad.model.options import TlsDemand


class DomainState(enum.Enum):
    """Where a sending domain stands; only an active one may send.

    vetting → rejected | unverified → active → disabled; a disabled domain becomes unverified again when enabled.
    """

    VETTING = "vetting"
    REJECTED = "rejected"
    UNVERIFIED = "unverified"
    ACTIVE = "active"
    DISABLED = "disabled"


def _setting(help_text: str) -> msgspec.Meta:
    return msgspec.Meta(description=help_text)


class DomainSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an account may choose for one sending domain."""

    bounce_mail: Annotated[bool, _setting("Mail a delivery report (RFC 3464) to the sender on final failure.")] = True
    repair_long_lines: Annotated[
        bool, _setting("Re-encode a part whose lines pass 998 octets instead of refusing the message.")
    ] = False
    show_client_address: Annotated[bool, _setting("Name the submitting client's address in the Received header.")] = (
        False
    )
    ed25519: Annotated[bool, _setting("Sign with an Ed25519 key beside the RSA one (RFC 8463).")] = False
    test_mode: Annotated[bool, _setting("Do everything but the last step: nothing leaves.")] = False
    tracks_clicks: Annotated[bool, _setting("Count clicks, unless a message says otherwise.")] = False
    tracks_text_clicks: Annotated[
        bool, _setting("Count clicks in plain text too, whose readers then see the longer addresses.")
    ] = False
    tracks_opens: Annotated[bool, _setting("Count opens, unless a message says otherwise.")] = False
    offers_unsubscribe: Annotated[
        bool,
        _setting(
            "Let recipients unsubscribe, with one click in their mail client or by `%unsubscribe_url%` in the text, unless a "
            "message says otherwise; not where the domain is transactional."
        ),
    ] = False
    tracking_host: Annotated[
        str,
        msgspec.Meta(
            max_length=253,
            description="Host of the domain's own that tracked links lead over, such as `t.example.com`; its record must be "
            "there before. Empty for the installation's.",
        ),
    ] = ""
    tracking_trap: Annotated[
        bool,
        _setting("Put a link that nobody can see into mail whose clicks are counted: only machines follow it."),
    ] = False
    require_tls: Annotated[
        TlsDemand,
        _setting(
            "Deliver over TLS only: `encrypt` for any encryption, `yes` where an authority must vouch for the receiving "
            "host, unless a message says otherwise."
        ),
    ] = TlsDemand.NOTHING
    is_transactional: Annotated[
        bool, _setting("Receipts and the like, which go out whether or not somebody unsubscribed.")
    ] = False
    deduplicate: Annotated[
        Deduplicate,
        _setting(
            "What a repeated message is known by, where it has no key of its own: `message_id`, `content` (sender, subject, "
            "body and options), or `off`."
        ),
    ] = Deduplicate.MESSAGE_ID
    deduplicate_minutes: Annotated[
        int,
        msgspec.Meta(
            ge=0, le=10_080, description="Minutes within which a repeated message is not delivered again; 0 for never."
        ),
    ] = 60
    keep_content_days: Annotated[
        int, msgspec.Meta(ge=0, le=3650, description="Days a message's content is kept after its last delivery ended.")
    ] = 0
    submission_networks: Annotated[
        str,
        msgspec.Meta(
            max_length=4000,
            description="Networks that the domain's SMTP users and API keys may be used from, such as "
            "`192.0.2.0/24, 2001:db8::/32`, beside what each of them allows; none for everywhere.",
        ),
    ] = ""
    submission_requires_tls: Annotated[bool, _setting("Refuse log-ins of the domain's SMTP users in clear text.")] = (
        False
    )
    hourly_quota: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=2**31 - 1,
            description="Recipients that the domain may have in a clock hour (UTC); 0 for any number.",
        ),
    ] = 0
    daily_quota: Annotated[
        int,
        msgspec.Meta(ge=0, le=2**31 - 1, description="Recipients that it may have in a day (UTC); 0 for any number."),
    ] = 0
    pause_bounce_percent: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=99,
            description="Percent of the deliveries ended in the last 24 hours; when more than these bounced, the domain "
            "is paused; 0 for never.",
        ),
    ] = 0
    pause_complaint_percent: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            le=99,
            description="Percent of what was delivered in the last 24 hours, such as `0.3`; when more recipients complained "
            "in them, the domain is paused; 0 for never.",
        ),
    ] = 0.0
    pause_after_messages: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=2**31 - 1,
            description="Deliveries that must have ended in these 24 hours before a share of bounces says anything, and "
            "that must have succeeded before a share of complaints does.",
        ),
    ] = 100
    imap_host: Annotated[
        str,
        msgspec.Meta(
            max_length=253,
            description="Host of the people's mailboxes elsewhere (IMAP, port 993), for mail clients that set themselves up.",
        ),
    ] = ""


class SendingDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A name that mail may be sent from, and the account that owns it."""

    id: int
    account_id: int
    name: str
    state: DomainState
    settings: DomainSettings = DomainSettings()
    created_at: int
    verified_at: int | None = None
    checked_at: int | None = None
    """When live DNS was last compared with the records to publish."""
    failing_since: int | None = None
    """Since when an active domain's records have been missing or different; null while they are right."""
    paused_at: int | None = None
    """Since when new mail is put off, whatever the state is; null while it is not."""
    pause_reason: str = ""
    resumed_at: int | None = None
    """When the last pause ended: what happened before it is not counted again."""
    delivered_before_resume: int = 0
    bounced_before_resume: int = 0
    complained_before_resume: int = 0
    """All in the hour of ``resumed_at``, up to it: counters know whole hours only."""


class DomainQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which sending domains of an account are asked for."""

    states: tuple[DomainState, ...] = ()
    """None for all."""
    name: str = ""
    """Of the one asked for; empty for all."""
    part: str = ""
    """What the names contain."""
    after: str = ""
    """The name that all come after; empty for all."""
    is_descending: bool = False
    limit: int
    skip: int = 0


class KeyAlgorithm(enum.Enum):
    """DKIM key types (RFC 6376 §3.3, RFC 8463)."""

    RSA = "rsa"
    ED25519 = "ed25519"


class KeyState(enum.Enum):
    """Where a DKIM key stands: published → active → retired; only active keys sign.

    A ``published`` key waits until its record is seen in DNS; a ``retired`` one stays in DNS for mail under way.
    """

    PUBLISHED = "published"
    ACTIVE = "active"
    RETIRED = "retired"


class DkimKey(msgspec.Struct, frozen=True, kw_only=True):
    """One DKIM key of a sending domain under one of its fixed selectors."""

    id: int
    domain_id: int
    selector: str
    algorithm: KeyAlgorithm
    state: KeyState
    private_key: bytes = msgspec.field(default=b"")
    """PKCS #8 DER, encrypted with the installation's master key where it is stored."""
    public_key: str
    """The ``p=`` value of the record: base64."""
    signs_organisational: bool = False
    """This key's selector has been seen at the organisational domain, so a second signature may name it."""
    created_at: int

    def __repr__(self) -> str:
        return f"DkimKey({self.selector!r}, {self.algorithm.value}, {self.state.value})"
