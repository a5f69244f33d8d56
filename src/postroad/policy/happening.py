"""What every webhook format says of a happening, before it is put in the words of the format."""

import re
from collections.abc import Mapping
from typing import Any

from postroad.model.event import Event, EventType
from postroad.model.ids import text_of
from postroad.model.webhook import Happening
from postroad.policy.bounce_kind import DESCRIPTIONS, bounce_class_of

_CODE = re.compile(r"[2-5]\d\d[ -]?")
_MAIL_PROGRAMS = frozenset({"Apple Mail", "Gmail", "Outlook", "Thunderbird", "Yahoo Mail"})
_RESPONSES = frozenset({EventType.OPENED, EventType.CLICKED, EventType.UNSUBSCRIBED})
_HUMAN = "human"
_WITH_DESCRIPTION = frozenset({EventType.DEFERRED, EventType.BOUNCED})


def recipients_of(happening: Happening) -> tuple[str, ...]:
    """Return whom it is about: one; the first of a rejected submission; none where a complaint names nobody."""
    event = happening.event
    if event.recipient is not None:
        return (event.recipient,)
    return tuple(event.data.get("recipients", ())) if event.type is EventType.REJECTED else ()


def domain_of(address: str) -> str:
    """Return the domain of an address."""
    return address.rpartition("@")[2]


def message_ids_of(happening: Happening) -> tuple[str, str]:
    """Return the public id of the message and its Message-ID without brackets; empty what is not known."""
    event, message = happening.event, happening.message
    public = "" if event.message_id is None else text_of(event.message_id)
    # A submission that was refused is told by the Message-ID that it came with.
    header: str = event.data.get("message_id_header", "") if message is None else message.message_id_header
    return public, header.strip().removeprefix("<").removesuffix(">")


def answered_id_of(happening: Happening) -> str:
    """Return the public id that the answer to the sender named: of several messages of one call the first's."""
    first = None if happening.message is None else happening.message.options.sent_with
    return message_ids_of(happening)[0] if first is None else text_of(first)


def named(headers: Mapping[str, str], name: str) -> str | None:
    """Return the echoed header of a name, which is compared without case."""
    lower = name.lower()
    return next((value for written, value in headers.items() if written.lower() == lower), None)


def template_of(happening: Happening) -> tuple[str, str]:
    """Return the name of the message's stored template and the version that was asked for, or empty texts."""
    named_template = None if happening.message is None else happening.message.options.template
    return ("", "") if named_template is None else (named_template.name, named_template.version or "")


def tags_of(happening: Happening) -> list[str]:
    """Return the message's tags."""
    return list(happening.event.data.get("tags", ()))


def is_test(happening: Happening) -> bool:
    """Whether the message was handed in for test mode: nothing of it leaves."""
    return bool(happening.event.data.get("is_test"))


def is_response(event: Event) -> bool:
    """Whether a recipient, or a machine in between, did something with the message."""
    return event.type in _RESPONSES


def is_machine(event: Event) -> bool:
    """Whether something else than a human asked for the pixel or link: a machine, or a provider's proxy."""
    return bool(event.data.get("verdict", _HUMAN) != _HUMAN)


def is_mail_program(program: str) -> bool:
    """Whether a program that opened a message reads mail, and is no browser."""
    return program in _MAIL_PROGRAMS


def reply_of(event: Event) -> str:
    """Return what the receiving host said, or what went wrong, without the reply code."""
    reply: str = event.data.get("reply", "")
    code = event.data.get("code")
    return _CODE.sub("", reply, count=1) if code is not None and reply.startswith(str(code)) else reply


def description_of(event: Event) -> str:
    """Return in our own words, in one sentence without its stop, why a message was not delivered; else empty."""
    data = event.data
    if event.type is EventType.REJECTED or event.type is EventType.SUPPRESSED:
        return str(data.get("text", ""))
    if event.type is EventType.CANCELLED:
        return str(data.get("reason", ""))
    if event.type not in _WITH_DESCRIPTION:
        return ""
    what = DESCRIPTIONS[bounce_class_of(event)]
    if data.get("is_expired"):
        return f"Not delivered in time: {what[:1].lower()}{what[1:]}"
    if data.get("is_late"):
        return f"Returned after it was delivered: {what[:1].lower()}{what[1:]}"
    return what


def wait_of(event: Event) -> float | None:
    """Return the seconds until a deferred delivery is tried again."""
    due_at = event.data.get("due_at")
    return None if due_at is None else max(due_at - event.at, 0) / 1000


def seconds_of(at: int) -> int:
    """Return an instant in whole seconds since 1970."""
    return at // 1000


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what there is to tell: receivers stumble over a null where their vendor leaves a name out."""
    return {name: value for name, value in values.items() if value is not None and value != ""}
