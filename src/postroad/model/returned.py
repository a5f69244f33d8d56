"""Returned mail: what a receiver says of a delivery after it took it."""

import enum

import msgspec


class ReturnResult(enum.Enum):
    """What mail that came back to us came to."""

    BOUNCED = "bounced"
    """A delivery that was delivered has bounced after all."""
    NOTED = "noted"
    """It tells of a delay, of success, or of something that is known: nothing changes."""
    REPEATED = "repeated"
    """It was counted before."""
    AUTO_REPLY = "auto_reply"
    """A machine answers: somebody is on holiday, or has read the message."""
    UNREADABLE = "unreadable"
    """Mail to a return path that is no report in any shape that is known."""
    UNKNOWN = "unknown"
    """It is about a delivery that is no longer kept."""
    FORGED = "forged"
    """Its token was not signed by this installation."""
    COMPLAINT = "complaint"
    """A feedback report; ``postroad_feedback_reports_total`` says what it came to."""
    UNSUBSCRIBED = "unsubscribed"
    FORWARDED = "forwarded"
    STOPPED = "stopped"
    """A rule of its domain discards it."""
    REFUSED = "refused"
    """No rule of its domain takes it."""
    RELAY = "relay"
    """It is for a domain that is none of ours."""


class ReturnedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says of one recipient."""

    action: str
    """``failed``, ``delayed``, ``delivered``, ``relayed`` or ``expanded`` (RFC 3464 §2.3.3)."""
    status: str = ""
    """RFC 3463 code; empty where none is told."""
    code: int | None = None
    """SMTP reply code of the host that refused; null where none is told."""
    addresses: tuple[str, ...] = ()
    """Of the recipient, where the report names any."""
    diagnosis: str = ""
    host: str = ""
    """That refused, by the report's word."""


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """A report on one delivery of ours, whose signed return path it came to."""

    delivery_id: int
    statuses: tuple[ReturnedStatus, ...]
    shape: str
    report: str
    """Names the report, so that one that comes twice is known again."""
    client_address: str = ""
    """Who handed it in."""
