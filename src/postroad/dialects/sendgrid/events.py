"""Events as SendGrid's event webhook tells them: a list of flat objects, signed in headers.

Whatever is not a word of SendGrid's own is taken for custom data by its receivers, so nothing is added to its words.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from postroad.dialects.json_body import json_body
from postroad.dialects.sendgrid.signature import signature_headers
from postroad.model.event import Event, EventType
from postroad.model.ids import text_of
from postroad.model.outcome import BounceClass
from postroad.model.suppression import SuppressionKind
from postroad.model.unsubscribe_group import group_of_tag
from postroad.model.webhook import Call, Happening, Seal
from postroad.policy.bounce_kind import BounceKind, bounce_class_of, bounce_kind_of
from postroad.policy.happening import (
    answered_id_of,
    description_of,
    is_machine,
    message_ids_of,
    present,
    recipients_of,
    seconds_of,
    tags_of,
)

BATCH = 500

_WORDS = {
    EventType.ACCEPTED: "processed",
    EventType.REJECTED: "dropped",
    EventType.DELIVERED: "delivered",
    EventType.DEFERRED: "deferred",
    EventType.BOUNCED: "bounce",
    EventType.SUPPRESSED: "dropped",
    EventType.OPENED: "open",
    EventType.CLICKED: "click",
    EventType.UNSUBSCRIBED: "unsubscribe",
    EventType.COMPLAINED: "spamreport",
}
SPEAKS_OF = frozenset(_WORDS)
_DROPPED = {
    SuppressionKind.BOUNCE.value: "Bounced Address",
    SuppressionKind.UNSUBSCRIBE.value: "Unsubscribed Address",
    SuppressionKind.COMPLAINT.value: "Spam Reporting Address",
    SuppressionKind.BLOCK.value: "Blocked",
}
CLASSIFICATIONS = {
    BounceClass.BAD_MAILBOX: "Invalid Address",
    BounceClass.INACTIVE_MAILBOX: "Invalid Address",
    BounceClass.BAD_DOMAIN: "Invalid Address",
    BounceClass.QUOTA: "Mailbox Unavailable",
    BounceClass.SPAM: "Reputation",
    BounceClass.POLICY: "Reputation",
    BounceClass.CONTENT: "Content",
    BounceClass.ROUTING: "Technical Failure",
    BounceClass.PROTOCOL: "Technical Failure",
    BounceClass.OTHER: "Unclassified",
}
OWN_NAMES = frozenset(
    {
        "asm_group_id", "attempt", "bounce_classification", "category", "cert_err", "email", "event", "ip", "pool",
        "reason", "response", "send_at", "sg_content_type", "sg_event_id", "sg_machine_open", "sg_message_id", "smtp-id",
        "status", "timestamp", "tls", "type", "url", "url_offset", "useragent",
    }
)  # fmt: skip
"""Names of the format: a message's variable of such a name is left out, as it would say something else."""


def call(happenings: Sequence[Happening], seal: Seal) -> Call:
    """Return the call that tells of some happenings; without a key it is not signed."""
    body = json_body([told for happening in happenings for told in _objects(happening)])
    headers = {"Content-Type": "application/json"}
    if seal.event_key:
        headers |= signature_headers(seal.event_key, seal.now, body)
    return Call(body=body, headers=headers)


def _objects(happening: Happening) -> Iterator[dict[str, Any]]:
    event = happening.event
    message_id_header = message_ids_of(happening)[1]
    left_group = _group_left(event)
    word = _WORDS[event.type] if left_group is None else "group_unsubscribe"
    common: dict[str, Any] = {"timestamp": seconds_of(event.at), "event": word}
    optional = {
        "smtp-id": f"<{message_id_header}>" if message_id_header else None,
        "sg_message_id": _message_id(happening),
        "category": tags_of(happening) or None,
        "asm_group_id": _group_of(happening) if left_group is None else left_group,
    }
    common |= present(optional) | present(_OF_TYPE[event.type](happening))
    common |= {name: value for name, value in happening.told_variables.items() if name not in OWN_NAMES}
    # Every object is about one address, and SendGrid's receivers cannot do without one.
    for number, recipient in enumerate(recipients_of(happening) or ("",)):
        event_id = text_of(event.id) if event.recipient is not None else f"{text_of(event.id)}-{number}"
        yield {"email": recipient, "sg_event_id": event_id} | common


def _group_of(happening: Happening) -> int | None:
    group = None if happening.message is None else happening.message.options.group
    return None if group is None else group.id


def _group_left(event: Event) -> int | None:
    """Return the group that somebody left; None where it was all mail, or that of a tag."""
    scope: Sequence[str] = event.data.get("scope", ()) if event.type is EventType.UNSUBSCRIBED else ()
    # A tag of the message itself is the client's own, whatever it looks like.
    is_group = len(scope) == 1 and scope[0] not in event.data.get("tags", ())
    return group_of_tag(scope[0]) if is_group else None


def _message_id(happening: Happening) -> str:
    """Return the message's id, behind that of the answer where it is another's: receivers cut it off at the dot."""
    own, answered = message_ids_of(happening)[0], answered_id_of(happening)
    return own if own == answered else f"{answered}.{own}"


def _accepted(happening: Happening) -> dict[str, Any]:
    deliver_at = None if happening.message is None else happening.message.options.deliver_at
    return {"send_at": None if deliver_at is None else seconds_of(deliver_at)}


def _dropped(happening: Happening) -> dict[str, Any]:
    event = happening.event
    if event.type is EventType.REJECTED:
        return {"reason": description_of(event), "status": event.data.get("enhanced_status")}
    return {"reason": _DROPPED.get(event.data.get("reason", ""), description_of(event))}


def _delivered(happening: Happening) -> dict[str, Any]:
    event = happening.event
    return {"response": event.data.get("reply"), **_connection(event)}


def _deferred(happening: Happening) -> dict[str, Any]:
    event = happening.event
    attempt = event.data.get("attempt")
    told = {"response": event.data.get("reply"), "attempt": None if attempt is None else str(attempt)}
    return told | _connection(event)


def _bounced(happening: Happening) -> dict[str, Any]:
    event = happening.event
    return {
        "type": "bounce" if bounce_kind_of(event) is BounceKind.HARD else "blocked",
        "reason": event.data.get("reply") or description_of(event),
        "status": event.data.get("enhanced_status"),
        "bounce_classification": CLASSIFICATIONS[bounce_class_of(event)],
        **_connection(event),
    }


def _connection(event: Event) -> dict[str, Any]:
    tls = event.data.get("tls")
    # Of an attempt ``ip`` is ours; of opens and clicks it is the recipient's.
    told = {"ip": event.data.get("source_address"), "tls": int(bool(tls))}
    return told | ({"cert_err": int(not tls.get("is_verified"))} if tls else {})


def _opened(happening: Happening) -> dict[str, Any]:
    return _client(happening.event) | {"sg_machine_open": is_machine(happening.event), "sg_content_type": "html"}


def _clicked(happening: Happening) -> dict[str, Any]:
    return _client(happening.event) | {"url": happening.event.data.get("url")}


def _client(event: Event) -> dict[str, Any]:
    return {"useragent": event.data.get("agent"), "ip": event.data.get("client_address")}


def _unsubscribed(happening: Happening) -> dict[str, Any]:
    return {} if _group_left(happening.event) is None else _client(happening.event)


def _nothing_more(_: Happening) -> dict[str, Any]:
    return {}


_OF_TYPE: Mapping[EventType, Callable[[Happening], dict[str, Any]]] = {
    EventType.ACCEPTED: _accepted,
    EventType.REJECTED: _dropped,
    EventType.DELIVERED: _delivered,
    EventType.DEFERRED: _deferred,
    EventType.BOUNCED: _bounced,
    EventType.SUPPRESSED: _dropped,
    EventType.OPENED: _opened,
    EventType.CLICKED: _clicked,
    EventType.UNSUBSCRIBED: _unsubscribed,
    EventType.COMPLAINED: _nothing_more,
}
