"""Events as Mailgun's webhooks and Events API tell them: one call for each, with its signature in the body."""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from postroad.dialects.json_body import json_body
from postroad.model.channel import REPORT_CHANNEL, SMTP_CHANNEL
from postroad.model.event import Event, EventType
from postroad.model.ids import text_of
from postroad.model.outcome import BounceClass, Phase
from postroad.model.suppression import SuppressionKind
from postroad.model.webhook import Call, Happening, Seal
from postroad.policy.bounce_kind import BounceKind, bounce_class_of, bounce_kind_of
from postroad.policy.happening import (
    description_of,
    domain_of,
    is_machine,
    is_mail_program,
    is_test,
    message_ids_of,
    present,
    recipients_of,
    reply_of,
    tags_of,
    template_of,
    wait_of,
)

BATCH = 1

_WORDS = {
    EventType.ACCEPTED: "accepted",
    EventType.REJECTED: "rejected",
    EventType.DELIVERED: "delivered",
    EventType.DEFERRED: "failed",
    EventType.BOUNCED: "failed",
    EventType.SUPPRESSED: "failed",
    EventType.OPENED: "opened",
    EventType.CLICKED: "clicked",
    EventType.UNSUBSCRIBED: "unsubscribed",
    EventType.COMPLAINED: "complained",
}
SPEAKS_OF = frozenset(_WORDS)
_LEVELS = {
    EventType.REJECTED: "warn",
    EventType.DEFERRED: "warn",
    EventType.BOUNCED: "error",
    EventType.SUPPRESSED: "error",
    EventType.COMPLAINED: "warn",
}
"""Of the log; ``info`` for all others."""
_SUPPRESSED = {
    SuppressionKind.BOUNCE.value: ("suppress-bounce", 605),
    SuppressionKind.UNSUBSCRIBE.value: ("suppress-unsubscribe", 606),
    SuppressionKind.COMPLAINT.value: ("suppress-complaint", 607),
}
_DROPPED = ("generic", 625)
"""Mailgun has no word for an address that somebody blocked by hand."""
_TEST_MODE = 650
_NO_MX, _NO_CONNECTION, _TOO_OLD, _RETURNED = 498, 499, 602, 550
"""Codes of failures that no host gave one for."""
_GREYLISTED = re.compile(r"gr[ae]y.?list", re.IGNORECASE)
_UNKNOWN = "Unknown"


def word_of(kind: EventType) -> str:
    """Return the word for events of a type that there is a word for."""
    return _WORDS[kind]


def severity_of(kind: EventType) -> str | None:
    """Return how bad a failure is that events of a type tell; None where they tell none."""
    if _WORDS.get(kind) != "failed":
        return None
    return "temporary" if kind is EventType.DEFERRED else "permanent"


def call(happenings: Sequence[Happening], seal: Seal) -> Call:
    """Return the call that tells of one happening."""
    (happening,) = happenings
    body = {"signature": _signature(seal), "event-data": event_data(happening)}
    return Call(body=json_body(body), headers={"Content-Type": "application/json"})


def _signature(seal: Seal) -> dict[str, str]:
    timestamp = str(seal.now // 1000)
    # There is room for one signature: by the previous key while that still counts, as an overlap promises.
    signed = hmac.new(seal.keys[-1].encode(), f"{timestamp}{seal.token}".encode(), hashlib.sha256)
    return {"timestamp": timestamp, "token": seal.token, "signature": signed.hexdigest()}


def event_data(happening: Happening) -> dict[str, Any]:
    """Return one event."""
    event = happening.event
    data: dict[str, Any] = {
        "event": _WORDS[event.type],
        "id": text_of(event.id),
        "timestamp": _fractional(event.at),
        "log-level": _LEVELS.get(event.type, "info"),
    }
    if event.recipient is not None:
        data |= {"recipient": event.recipient, "recipient-domain": domain_of(event.recipient)}
    data |= _OF_TYPE[event.type](happening)
    template, version = template_of(happening)
    if template:
        data["template"] = present({"name": template, "version": version})
    return data | {
        "domain": {"name": happening.domain},
        "tags": tags_of(happening),
        "campaigns": [],
        "user-variables": dict(happening.told_variables),
    }


def _fractional(at: int) -> float:
    # Symfony reads the number as "U.u", and PHP writes 14 digits: a fraction must be there, and be seen in the fourth.
    return at / 1000 if at % 1000 else at / 1000 + 0.0001


def _accepted(happening: Happening) -> dict[str, Any]:
    event = happening.event
    return {
        "method": "smtp" if event.data.get("channel", SMTP_CHANNEL) in {SMTP_CHANNEL, REPORT_CHANNEL} else "http",
        "envelope": _envelope(happening),
        "flags": _flags(happening),
        "message": _message(happening) | {"recipients": list(recipients_of(happening))},
    }


def _rejected(happening: Happening) -> dict[str, Any]:
    data = happening.event.data
    sender = data.get("reverse_path", "")
    headers = {"to": ", ".join(recipients_of(happening)), "from": sender} | _message_id(happening)
    headers |= present({"subject": data.get("subject")})
    return {
        "reject": {"reason": description_of(happening.event), "description": data.get("rule", "")},
        "flags": {"is-test-mode": is_test(happening)},
        "message": {"headers": headers, "attachments": [], "size": data.get("size", 0)},
    }


def _delivered(happening: Happening) -> dict[str, Any]:
    event = happening.event
    code = event.data.get("code", _TEST_MODE if is_test(happening) else 250)
    # Symfony looks for a reason where the text is empty.
    status = _status(event) | {"code": code, "message": reply_of(event) or "OK"}
    return _attempted(happening, status)


def _deferred(happening: Happening) -> dict[str, Any]:
    event = happening.event
    status = _failure(event) | present({"retry-seconds": wait_of(event)})
    return {"severity": "temporary", "reason": _postponed_by(event)} | _attempted(happening, status)


def _bounced(happening: Happening) -> dict[str, Any]:
    event = happening.event
    is_hard = bounce_kind_of(event) is BounceKind.HARD
    reason = "bounce" if is_hard else "old" if event.data.get("is_expired") else _refused_by(event)
    status = _failure(event) | {"bounce-type": "hard" if is_hard else "soft"}
    told = {"severity": "permanent", "reason": reason} | _attempted(happening, status)
    if event.data.get("is_late"):
        told["flags"]["is-delayed-bounce"] = True
    return told


def _suppressed(happening: Happening) -> dict[str, Any]:
    event = happening.event
    reason, code = _SUPPRESSED.get(event.data.get("reason", ""), _DROPPED)
    text = description_of(event)
    status = {"attempt-no": happening.attempts, "code": code, "message": text, "description": text}
    return {"severity": "permanent", "reason": reason} | _attempted(happening, status)


def _responded(happening: Happening) -> dict[str, Any]:
    event = happening.event
    data = event.data
    place = {name: data.get(name) or _UNKNOWN for name in ("country", "region", "city")}
    told = present({"ip": data.get("client_address"), "url": data.get("url")})
    return told | {
        "geolocation": place,
        "client-info": _client(event),
        "message": {"headers": _message_id(happening)},
    }


def _complained(happening: Happening) -> dict[str, Any]:
    return {"flags": {"is-test-mode": is_test(happening)}, "message": _message(happening)}


_OF_TYPE: Mapping[EventType, Callable[[Happening], dict[str, Any]]] = {
    EventType.ACCEPTED: _accepted,
    EventType.REJECTED: _rejected,
    EventType.DELIVERED: _delivered,
    EventType.DEFERRED: _deferred,
    EventType.BOUNCED: _bounced,
    EventType.SUPPRESSED: _suppressed,
    EventType.OPENED: _responded,
    EventType.CLICKED: _responded,
    EventType.UNSUBSCRIBED: _responded,
    EventType.COMPLAINED: _complained,
}


def _attempted(happening: Happening, status: dict[str, Any]) -> dict[str, Any]:
    return {
        "delivery-status": status,
        "envelope": _envelope(happening),
        "flags": _flags(happening),
        "message": _message(happening),
    }


def _status(event: Event) -> dict[str, Any]:
    data = event.data
    tls = data.get("tls")
    duration_ms = data.get("duration_ms")
    return present(
        {
            "attempt-no": data.get("attempt"),
            "code": data.get("code"),
            "message": reply_of(event),
            "description": description_of(event),
            "enhanced-code": data.get("enhanced_status"),
            "mx-host": data.get("host"),
            "mx-ip": data.get("host_address"),
            "session-seconds": None if duration_ms is None else duration_ms / 1000,
            "tls": tls is not None,
            "certificate-verified": bool(tls and tls.get("is_verified")),
        }
    )


def _failure(event: Event) -> dict[str, Any]:
    status = _status(event) | {"bounce-class": bounce_class_of(event).value}
    status.setdefault("code", _code_for(event))
    if "enhanced-code" in status:
        status["bounce-code"] = status["enhanced-code"]
    return status


def _code_for(event: Event) -> int:
    if event.data.get("is_expired"):
        return _TOO_OLD
    if event.data.get("is_late"):
        return _RETURNED
    return _NO_MX if event.data.get("phase") == Phase.DNS.value else _NO_CONNECTION


def _postponed_by(event: Event) -> str:
    return "greylisted" if _GREYLISTED.search(event.data.get("reply", "")) else _refused_by(event)


def _refused_by(event: Event) -> str:
    return "espblock" if bounce_class_of(event) is BounceClass.SPAM else "generic"


def _envelope(happening: Happening) -> dict[str, Any]:
    event, message = happening.event, happening.message
    told = {
        "transport": "smtp",
        "sender": None if message is None else message.reverse_path,
        "sending-ip": event.data.get("source_address"),
        "targets": event.recipient,
    }
    return present(told)


def _flags(happening: Happening) -> dict[str, bool]:
    return {
        "is-authenticated": True,
        "is-routed": False,
        "is-system-test": False,
        "is-test-mode": is_test(happening),
    }


def _message(happening: Happening) -> dict[str, Any]:
    message = happening.message
    if message is None:
        return {"headers": {}, "attachments": []}
    headers = {"to": happening.event.recipient or ""} | _message_id(happening)
    headers |= {"from": message.header_from, "subject": message.subject}
    for name, value in happening.message_headers.items():
        # Mailgun's own four are in lower case; an application finds its others as it wrote them.
        headers[name.lower() if name.lower() in headers else name] = value
    return {"headers": headers, "attachments": [], "size": message.size}


def _message_id(happening: Happening) -> dict[str, str]:
    return present({"message-id": message_ids_of(happening)[1]})


def _client(event: Event) -> dict[str, Any]:
    data = event.data
    program, device = data.get("program", ""), data.get("device", "")
    if is_mail_program(program):
        kind = "email client"
    elif program:
        kind = "mobile browser" if device in {"mobile", "tablet"} else "browser"
    else:
        kind = "unknown"
    return {
        "client-type": kind,
        "client-name": program or "unknown",
        "client-os": data.get("system") or "unknown",
        "device-type": device or "unknown",
        "user-agent": data.get("agent", ""),
        "bot": _bot(event),
        "suspected-bot": is_machine(event),
    }


def _bot(event: Event) -> str:
    if "apple-privacy-proxy" in event.data.get("evidence", ()):
        return "apple"
    if event.data.get("proxy") == "google-image-proxy":
        return "gmail"
    return "generic" if is_machine(event) else ""
