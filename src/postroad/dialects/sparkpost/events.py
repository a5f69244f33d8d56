"""Events as SparkPost's webhooks tell them: a batch of objects, each within the name of its class; nearly all values are texts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from postroad.dialects.json_body import json_body
from postroad.model.channel import REPORT_CHANNEL, SMTP_CHANNEL
from postroad.model.event import Event, EventType
from postroad.model.ids import text_of
from postroad.model.outcome import BounceClass
from postroad.model.suppression import Way
from postroad.model.webhook import Call, Happening, Seal
from postroad.policy.bounce_kind import BounceKind, bounce_class_of, bounce_kind_of
from postroad.policy.happening import (
    answered_id_of,
    description_of,
    domain_of,
    present,
    recipients_of,
    seconds_of,
    tags_of,
    template_of,
)

BATCH = 500
BATCH_ID = "X-MessageSystems-Batch-ID"
TOKEN = "X-MessageSystems-Webhook-Token"

_WORDS = {
    EventType.ACCEPTED: ("message_event", "injection"),
    EventType.REJECTED: ("message_event", "policy_rejection"),
    EventType.DELIVERED: ("message_event", "delivery"),
    EventType.DEFERRED: ("message_event", "delay"),
    EventType.BOUNCED: ("message_event", "bounce"),
    EventType.SUPPRESSED: ("gen_event", "generation_rejection"),
    # A pixel at the end of a message is ``open``; ``initial_open`` is one at its beginning.
    EventType.OPENED: ("track_event", "open"),
    EventType.CLICKED: ("track_event", "click"),
    EventType.UNSUBSCRIBED: ("unsubscribe_event", "list_unsubscribe"),
    EventType.COMPLAINED: ("message_event", "spam_complaint"),
}
SPEAKS_OF = frozenset(_WORDS)
_ALSO = {
    EventType.REJECTED: frozenset({"generation_failure"}),
    EventType.BOUNCED: frozenset({"out_of_band"}),
    EventType.UNSUBSCRIBED: frozenset({"link_unsubscribe"}),
}
"""Words for some events of a type."""
_CLASSES_OF_WORDS = {word: kind for kind, word in _WORDS.values()} | {
    "generation_failure": "gen_event",
    "out_of_band": "message_event",
    "link_unsubscribe": "unsubscribe_event",
}
_TEMPLATE_FAILED = frozenset({"template_failed", "template_unknown"})
CLASSES = {
    BounceClass.BAD_MAILBOX: "10",
    BounceClass.INACTIVE_MAILBOX: "30",
    BounceClass.BAD_DOMAIN: "10",
    BounceClass.QUOTA: "22",
    BounceClass.SPAM: "51",
    BounceClass.POLICY: "50",
    BounceClass.CONTENT: "52",
    BounceClass.ROUTING: "21",
    BounceClass.PROTOCOL: "40",
    BounceClass.OTHER: "1",
}
_HARD = frozenset({"10", "30"})
_FOR_GOOD = _HARD | {"50"}
_TRANSIENT, _TIMEOUT, _SOFT, _ADMIN = "70", "24", "20", "25"


def call(happenings: Sequence[Happening], seal: Seal) -> Call:
    """Return the call that tells of some happenings; authenticated by the token, where there is one."""
    body = json_body([{"msys": told} for happening in happenings for told in objects(happening)])
    headers = {"Content-Type": "application/json", BATCH_ID: seal.call_id}
    if seal.token_header:
        headers[TOKEN] = seal.token_header
    return Call(body=body, headers=headers)


def words_of(kind: EventType) -> frozenset[str]:
    """Return the words that events of a type may be told by; none where there is no word."""
    return _ALSO.get(kind, frozenset()) | ({_WORDS[kind][1]} if kind in _WORDS else set())


def class_of(word: str) -> str | None:
    """Return the class of objects that a word is of; None where it is no word of ours."""
    return _CLASSES_OF_WORDS.get(word)


def objects(happening: Happening) -> Iterator[dict[str, Any]]:
    """Return what is told of a happening, each within the name of its class: one object for each recipient."""
    event = happening.event
    kind, word = _word_of(event)
    common = {"type": word, "timestamp": str(seconds_of(event.at))} | _message(happening)
    common |= present(_OF_TYPE[event.type](happening))
    recipients = recipients_of(happening)
    if not recipients:
        yield {kind: common | {"event_id": text_of(event.id)}}
    for number, recipient in enumerate(recipients):
        domain = domain_of(recipient)
        told = {
            "event_id": text_of(event.id) if event.recipient is not None else f"{text_of(event.id)}-{number}",
            # As written; ``rcpt_to`` is in lower case.
            "raw_rcpt_to": recipient,
            "rcpt_to": recipient.lower(),
            "recipient_domain": domain,
            "routing_domain": domain,
        }
        yield {kind: common | told}


def _word_of(event: Event) -> tuple[str, str]:
    if event.type is EventType.REJECTED and event.data.get("rule") in _TEMPLATE_FAILED:
        return "gen_event", "generation_failure"
    if event.type is EventType.BOUNCED and event.data.get("is_late"):
        return "message_event", "out_of_band"
    if event.type is EventType.UNSUBSCRIBED and event.data.get("way") == Way.LINK.value:
        return "unsubscribe_event", "link_unsubscribe"
    return _WORDS[event.type]


def _message(happening: Happening) -> dict[str, Any]:
    event, message = happening.event, happening.message
    tags = tags_of(happening)
    template, version = template_of(happening)
    told: dict[str, Any] = {
        "transmission_id": answered_id_of(happening),
        "message_id": None if event.delivery_id is None else text_of(event.delivery_id),
        "sending_domain": happening.domain,
        "transactional": _flag(happening.is_transactional),
        "campaign_id": tags[0] if tags else None,
        "template_id": template,
        "template_version": version,
    }
    if message is not None:
        told |= {
            "friendly_from": message.header_from,
            "msg_from": message.reverse_path,
            "msg_size": str(message.size),
            "subject": message.subject,
            "injection_time": datetime.fromtimestamp(message.accepted_at / 1000, UTC).isoformat(
                timespec="milliseconds"
            ),
            "recv_method": "esmtp" if message.channel in {SMTP_CHANNEL, REPORT_CHANNEL} else "rest",
            "open_tracking": _flag(message.options.tracks_opens),
            "click_tracking": _flag(message.options.tracks_clicks),
        }
    return present(told) | {"rcpt_tags": tags, "rcpt_meta": dict(happening.told_variables)}


def _flag(value: object) -> str:
    return "1" if value else "0"


def _rejected(happening: Happening) -> dict[str, Any]:
    data = happening.event.data
    is_policy = _word_of(happening.event)[1] == "policy_rejection"
    return {
        "msg_from": data.get("reverse_path"),
        "msg_size": str(data.get("size", 0)),
        "subject": data.get("subject"),
        "bounce_class": _ADMIN if is_policy else None,
        "error_code": "550",
        "raw_reason": description_of(happening.event),
        "reason": description_of(happening.event),
    }


def _delivered(happening: Happening) -> dict[str, Any]:
    return _attempt(happening) | {"outbound_tls": _flag(happening.event.data.get("tls"))}


def _failed(happening: Happening) -> dict[str, Any]:
    event = happening.event
    code = event.data.get("code")
    return _attempt(happening) | {
        "bounce_class": _class_of(event),
        "error_code": None if code is None else str(code),
        "raw_reason": event.data.get("reply"),
        "reason": description_of(event),
    }


def _class_of(event: Event) -> str:
    found = CLASSES[bounce_class_of(event)]
    if event.type is EventType.DEFERRED:
        # Some hosts say of a mailbox what they mean of the moment: nobody is to give up an address that is greylisted.
        return _TRANSIENT if found in _FOR_GOOD else found
    if event.data.get("is_expired"):
        return _TIMEOUT
    return _SOFT if found in _HARD and bounce_kind_of(event) is not BounceKind.HARD else found


def _attempt(happening: Happening) -> dict[str, Any]:
    data = happening.event.data
    attempt, queued_ms = data.get("attempt"), data.get("queued_ms")
    return {
        "delv_method": "esmtp",
        "num_retries": None if attempt is None else str(max(attempt - 1, 0)),
        "queue_time": None if queued_ms is None else str(queued_ms),
        "ip_address": data.get("host_address"),
        "sending_ip": data.get("source_address"),
    }


def _suppressed(happening: Happening) -> dict[str, Any]:
    # No bounce class: it would turn the event into another one for some receivers.
    text = description_of(happening.event)
    return {"error_code": "554", "raw_reason": text, "reason": text}


def _responded(happening: Happening) -> dict[str, Any]:
    data = happening.event.data
    place = present({name: data.get(name) for name in ("country", "region", "city")})
    client = {
        "agent_family": data.get("program"),
        "os_family": data.get("system"),
        "device_family": data.get("device"),
        "is_mobile": data.get("device") == "mobile",
        "is_proxy": bool(data.get("proxy")),
        "is_prefetched": data.get("verdict") == "machine",
    }
    return {
        "user_agent": data.get("agent"),
        "user_agent_parsed": present(client),
        "ip_address": data.get("client_address"),
        "geo_ip": place or None,
        "target_link_url": data.get("url"),
    }


def _complained(happening: Happening) -> dict[str, Any]:
    data = happening.event.data
    return {"fbtype": data.get("feedback_type"), "report_by": data.get("reporter")}


def _nothing_more(_: Happening) -> dict[str, Any]:
    return {}


_OF_TYPE: Mapping[EventType, Callable[[Happening], dict[str, Any]]] = {
    EventType.ACCEPTED: _nothing_more,
    EventType.REJECTED: _rejected,
    EventType.DELIVERED: _delivered,
    EventType.DEFERRED: _failed,
    EventType.BOUNCED: _failed,
    EventType.SUPPRESSED: _suppressed,
    EventType.OPENED: _responded,
    EventType.CLICKED: _responded,
    EventType.UNSUBSCRIBED: _responded,
    EventType.COMPLAINED: _complained,
}
