"""A happening of every type, made up: what a receiver gets when somebody tries a webhook."""

from collections.abc import Mapping
from typing import Any

from postroad.model.channel import SMTP_CHANNEL
from postroad.model.event import Event, EventType
from postroad.model.ids import lowest_at, text_of
from postroad.model.message import Message
from postroad.model.options import Options
from postroad.model.webhook import Happening

RECIPIENT = "ada@example.net"
AT = 1_795_775_400_123
"""2026-11-27T10:30:00.123Z."""
_TRANSIT_MS = 1_200
_SUBJECT = "News of November"
_AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
_HOST: Mapping[str, Any] = {
    "attempt": 1,
    "phase": "final_dot",
    "queued_ms": 180,
    "duration_ms": 840,
    "host": "mx.example.net",
    "host_address": "192.0.2.25",
    "source_address": "192.0.2.10",
    "tls": {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "is_verified": True},
}
_CLIENT: Mapping[str, Any] = {
    "verdict": "human",
    "client_address": "192.0.2.77",
    "agent": _AGENT,
    "program": "Apple Mail",
    "system": "iOS",
    "device": "mobile",
}
_DATA: Mapping[EventType, Mapping[str, Any]] = {
    EventType.ACCEPTED: {"channel": SMTP_CHANNEL},
    EventType.REJECTED: {
        "rule": "from_not_aligned",
        "enhanced_status": "5.7.1",
        "text": "From must be at the sending domain.",
        "recipients": [RECIPIENT],
        "recipient_count": 1,
        "size": 2_048,
    },
    EventType.DELIVERED: {**_HOST, "code": 250, "enhanced_status": "2.0.0", "reply": "250 2.0.0 Ok: queued as 4F2A11"},
    EventType.DEFERRED: {
        **_HOST,
        "phase": "rcpt",
        "code": 450,
        "enhanced_status": "4.2.0",
        "reply": "450 4.2.0 Greylisted, try again later",
        "scope": "recipient",
        "bounce_class": "policy-related",
    },
    EventType.BOUNCED: {
        **_HOST,
        "phase": "rcpt",
        "code": 550,
        "enhanced_status": "5.1.1",
        "reply": "550 5.1.1 No such user here",
        "scope": "recipient",
        "bounce_class": "bad-mailbox",
    },
    EventType.SUPPRESSED: {"reason": "unsubscribe", "text": "The recipient unsubscribed.", "way": "one-click"},
    EventType.CANCELLED: {"reason": "cancelled by hand"},
    EventType.HELD: {},
    EventType.RELEASED: {},
    EventType.DEDUPLICATED: {},
    EventType.COMPLAINED: {"feedback_type": "abuse", "reporter": "feedback.example.net"},
    EventType.OPENED: _CLIENT,
    EventType.CLICKED: {**_CLIENT, "url": "https://example.com/offer?id=7"},
    EventType.UNSUBSCRIBED: {**{name: value for name, value in _CLIENT.items() if name != "verdict"}, "way": "link"},
}


def sample(event_type: EventType, *, domain: str = "news.example.com", at: int = AT) -> Happening:
    """Return a happening of a type; marked as of test mode, so that nobody counts it.

    ``at`` is when it happened, in milliseconds since 1970.
    """
    message_id = lowest_at(at - _TRANSIT_MS)
    event_id = lowest_at(at) + list(EventType).index(event_type)
    data: dict[str, Any] = {**_DATA[event_type], "tags": ["newsletter"], "is_test": True}
    if event_type is EventType.REJECTED:
        data |= {"reverse_path": f"app@{domain}", "message_id_header": f"<sample@{domain}>", "subject": _SUBJECT}
    elif event_type is EventType.DEFERRED:
        data["due_at"] = at + 300_000
    elif event_type is EventType.DEDUPLICATED:
        data["first_message"] = text_of(message_id)
    # A submission that was refused has no message.
    is_kept = event_type is not EventType.REJECTED
    event = Event(
        id=event_id,
        type=event_type,
        at=at,
        account_id=0,
        domain_id=0,
        message_id=message_id if is_kept else None,
        delivery_id=message_id + 1 if is_kept else None,
        recipient=RECIPIENT if is_kept else None,
        data=data,
    )
    message = _message(message_id, domain, at - _TRANSIT_MS) if is_kept else None
    headers = {"To": RECIPIENT, "X-Order": "4711"} if is_kept else {}
    return Happening(event=event, domain=domain, message=message, message_headers=headers, attempts=1)


def _message(message_id: int, domain: str, accepted_at: int) -> Message:
    return Message(
        id=message_id,
        account_id=0,
        domain_id=0,
        credential_id=0,
        reverse_path=f"app@{domain}",
        header_from=f"hello@{domain}",
        subject=_SUBJECT,
        message_id_header=f"<sample@{domain}>",
        size=2_048,
        recipient_count=1,
        accepted_at=accepted_at,
        client_address="192.0.2.9",
        channel=SMTP_CHANNEL,
        options=Options(
            tags=("newsletter",), is_test=True, tracks_clicks=True, tracks_opens=True, variables={"order": 4711}
        ),
    )
