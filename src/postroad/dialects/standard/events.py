"""Events in our own words, as Standard Webhooks recommends a body: a type, a time, and data. Speaks of every type."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from postroad.dialects.json_body import json_body
from postroad.model.event import Event, EventType
from postroad.model.ids import text_of
from postroad.model.webhook import Call, Happening, Seal
from postroad.policy.bounce_kind import bounce_kind_of
from postroad.policy.happening import (
    description_of,
    is_test,
    message_ids_of,
    present,
    recipients_of,
    tags_of,
    template_of,
)

BATCH = 1
SPEAKS_OF = frozenset(EventType)

_ATTEMPT = (
    "attempt", "code", "enhanced_status", "reply", "bounce_class", "host", "host_address", "source_address", "tls",
    "queued_ms", "duration_ms", "maybe_delivered", "is_expired", "is_late", "notes", "missing_variables",
)  # fmt: skip
_RESPONSE = (
    "url", "verdict", "evidence", "proxy", "agent", "program", "system", "device", "client_address", "country", "region",
    "city",
)  # fmt: skip
_FACTS: Mapping[EventType, Sequence[str]] = {
    EventType.ACCEPTED: ("channel",),
    EventType.REJECTED: ("rule", "enhanced_status", "text", "reverse_path", "recipient_count", "size"),
    EventType.DELIVERED: _ATTEMPT,
    EventType.DEFERRED: _ATTEMPT,
    EventType.BOUNCED: _ATTEMPT,
    EventType.SUPPRESSED: ("reason", "text", "way", "tag"),
    EventType.CANCELLED: ("reason",),
    EventType.HELD: (),
    EventType.RELEASED: (),
    EventType.DEDUPLICATED: ("first_message",),
    EventType.COMPLAINED: ("feedback_type", "reporter"),
    EventType.OPENED: _RESPONSE,
    EventType.CLICKED: _RESPONSE,
    EventType.UNSUBSCRIBED: ("way", "scope", *_RESPONSE),
}
"""What of an event's data is told, by type: neither who of the account did something nor how we are set up."""


def call(happenings: Sequence[Happening], _: Seal) -> Call:
    """Return the call that tells of one happening; ``dialects.formats`` signs it, as it does all calls."""
    (happening,) = happenings
    event = happening.event
    body = {"type": f"email.{event.type.value}", "timestamp": _instant(event.at), "data": _data(happening)}
    return Call(body=json_body(body), headers={"Content-Type": "application/json"})


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _data(happening: Happening) -> dict[str, Any]:
    event = happening.event
    told = present(
        {
            "event_id": text_of(event.id),
            "domain": happening.domain,
            "delivery_id": None if event.delivery_id is None else text_of(event.delivery_id),
            "recipient": event.recipient,
            "recipients": list(recipients_of(happening)) if event.type is EventType.REJECTED else None,
            "message": _message(happening) or None,
        }
    )
    return told | {
        "tags": tags_of(happening),
        "variables": dict(happening.told_variables),
        "is_test": is_test(happening),
        event.type.value: _facts(event),
    }


def _facts(event: Event) -> dict[str, Any]:
    facts = {name: event.data.get(name) for name in _FACTS[event.type]}
    due_at = event.data.get("due_at")
    facts |= {
        "description": description_of(event) if "bounce_class" in event.data else None,
        "kind": bounce_kind_of(event).value if event.type is EventType.BOUNCED else None,
        "next_attempt_at": _instant(due_at) if event.type is EventType.DEFERRED and due_at is not None else None,
    }
    return present(facts)


def _message(happening: Happening) -> dict[str, Any]:
    message = happening.message
    public, header = message_ids_of(happening)
    told: dict[str, Any] = {"id": public, "message_id": header}
    if happening.event.type is EventType.REJECTED:
        told["subject"] = happening.event.data.get("subject")
    if message is not None:
        template, version = template_of(happening)
        told |= {
            "from": message.header_from,
            "envelope_from": message.reverse_path,
            "subject": message.subject,
            "size": message.size,
            "accepted_at": _instant(message.accepted_at),
            "channel": message.channel,
            "headers": dict(happening.message_headers) or None,
            "template": template,
            "template_version": version,
        }
    return present(told)
