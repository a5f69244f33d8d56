"""What a refusal means to whoever keeps a list of addresses: hard, blocked or soft; read from its event."""

import enum
import re
from collections.abc import Mapping
from typing import Any

from postroad.model.event import Event
from postroad.model.outcome import BounceClass, Phase


class BounceKind(enum.Enum):
    """The three that every vendor's vocabulary has some words for."""

    HARD = "hard"
    """Nobody will ever read mail at the address: take it off the list."""
    BLOCKED = "blocked"
    """The host refused who sent it, or what was in it; the address may be good."""
    SOFT = "soft"
    """A full mailbox, a host that cannot be reached, a time that was over: another message may arrive."""


DESCRIPTIONS: Mapping[BounceClass, str] = {
    BounceClass.BAD_MAILBOX: "There is no such mailbox",
    BounceClass.INACTIVE_MAILBOX: "The mailbox is no longer used",
    BounceClass.BAD_DOMAIN: "The domain takes no mail, or does not exist",
    BounceClass.QUOTA: "The mailbox is full",
    BounceClass.SPAM: "The receiving host takes the message for spam",
    BounceClass.POLICY: "A policy of the receiving host refuses the message",
    BounceClass.CONTENT: "The receiving host refuses the content",
    BounceClass.ROUTING: "The receiving host cannot be reached, or relays nothing",
    BounceClass.PROTOCOL: "The dialogue with the receiving host failed",
    BounceClass.OTHER: "The receiving host gave no reason that is known",
}

_GONE = frozenset({BounceClass.BAD_MAILBOX, BounceClass.INACTIVE_MAILBOX, BounceClass.BAD_DOMAIN})
_DISTRUSTED = frozenset({BounceClass.SPAM, BounceClass.POLICY, BounceClass.CONTENT})
# Before a transaction nothing is said of the mailbox; that a domain takes no mail shows in the DNS.
_PHASES = frozenset({Phase.DNS.value, Phase.RCPT.value, Phase.DATA.value, Phase.FINAL_DOT.value})
_STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})")


def bounce_class_of(event: Event) -> BounceClass:
    """Return the class of a refusal; one that is not known is *other*."""
    try:
        return BounceClass(event.data.get("bounce_class"))
    except ValueError:
        return BounceClass.OTHER


def bounce_kind_of(event: Event) -> BounceKind:
    """Return what a bounce, at once or long after the message was delivered, means for its address."""
    found = bounce_class_of(event)
    if found in _DISTRUSTED:
        return BounceKind.BLOCKED
    return BounceKind.HARD if found in _GONE and _is_for_good(event.data) else BounceKind.SOFT


def _is_for_good(data: Mapping[str, Any]) -> bool:
    # What expired was refused for the time being only. What is bounced later (a DSN) has no phase of ours.
    if data.get("is_expired") or data.get("phase", Phase.RCPT.value) not in _PHASES:
        return False
    if (code := data.get("code")) is not None and not 500 <= code < 600:
        return False
    status = _STATUS.fullmatch(data.get("enhanced_status") or "5.0.0")
    if status is None:
        return True
    # RFC 3463 §3.2, §3.3: 1 is the address, 2 the mailbox, 0 says nothing. X.1.7 and X.1.8 are the sender's address.
    subject, detail = int(status[2]), int(status[3])
    return status[1] == "5" and subject in {0, 1, 2} and (subject, detail) not in {(1, 7), (1, 8)}
