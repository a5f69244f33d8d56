"""A message as our own API takes it: the types are what is checked and what OpenAPI describes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from postroad.dialects.postroad.problem import Fault
from postroad.dialects.postroad.reading import fault_of
from postroad.model.options import MAX_TAG_LENGTH, MAX_TAGS, CallbackFormat, OnMissing

MOST_RECIPIENTS = 1000
MOST_MESSAGES = 1000
LONGEST_KEY = 200
_LONGEST_LINE = 16 * 1024

Instant = Annotated[datetime, Meta(tz=True)]
Line = Annotated[str, Meta(max_length=_LONGEST_LINE)]


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An address with a name."""

    email: Annotated[str, Meta(min_length=3, max_length=1000, examples=["ada@example.net"])]
    name: Line = ""


Addressee = Annotated[
    Line | Address,
    Meta(description="`ada@example.net`, `Ada <ada@example.net>`, or an object.", examples=["Ada <ada@example.net>"]),
]
Addressees = Annotated[tuple[Addressee, ...], Meta(max_length=MOST_RECIPIENTS)]


class Attachment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file."""

    content: Annotated[bytes, Meta(description="In base64.")]
    name: Annotated[str, Meta(min_length=1, max_length=1000)]
    type: Annotated[str, Meta(max_length=500, description="Its type; taken from the name where it is not said.")] = ""
    disposition: Annotated[
        Literal["attachment", "inline"], Meta(description="HTML shows what is `inline`: `cid:` and its `content_id`.")
    ] = "attachment"
    content_id: Annotated[str, Meta(max_length=500, description="Its name where it is not said.")] = ""


class TemplateUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stored template, and its data."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    version: Annotated[str | None, Meta(description="The active one where it is not said.")] = None
    variables: dict[str, Any] = {}


class Tracking(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is counted; where nothing is said, the domain's settings hold."""

    opens: bool | None = None
    clicks: bool | None = None
    text_clicks: Annotated[bool | None, Meta(description="Clicks in plain text too.")] = None


class CallbackTo(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the message's events are posted, instead of to the webhooks of the domain."""

    url: Annotated[str, Meta(max_length=2048)]
    format: CallbackFormat = CallbackFormat.STANDARD


class NewMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A message to send: of its parts, or whole with ``raw``."""

    from_: Annotated[Addressee | None, Meta(description="The author, at the sending domain.")] = msgspec.field(
        default=None, name="from"
    )
    to: Addressees = ()
    cc: Addressees = ()
    bcc: Addressees = ()
    reply_to: Addressees = ()
    subject: Annotated[Line | None, Meta(description="One line.")] = None
    text: str | None = None
    html: str | None = None
    amp: Annotated[str | None, Meta(description="AMP for Email.")] = None
    attachments: Annotated[tuple[Attachment, ...], Meta(max_length=500)] = ()
    headers: Annotated[dict[str, str], Meta(description="Further header fields.", max_length=200)] = {}
    raw: Annotated[
        str | None,
        Meta(
            description="A whole message (RFC 5322) in place of its parts; `to`, `cc` and `bcc` say whom it goes to, and the "
            "options beside it stand above its option headers."
        ),
    ] = None
    template: TemplateUse | None = None
    recipient_variables: Annotated[
        dict[str, dict[str, Any]] | None,
        Meta(
            description="Values by address: each recipient gets a message of its own, with them in place of placeholders."
        ),
    ] = None
    on_missing: Annotated[
        OnMissing | None, Meta(description="What becomes of a placeholder without a value; `keep` is the default.")
    ] = None
    escape_html: Annotated[bool, Meta(description="Recipient variables are escaped in HTML parts.")] = False
    variables: Annotated[dict[str, Any] | None, Meta(description="Your own data: comes back in the events.")] = None
    tags: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=MAX_TAG_LENGTH)], ...], Meta(max_length=MAX_TAGS)
    ] = ()
    tracking: Tracking | None = None
    unsubscribe: Annotated[bool | None, Meta(description="Says how to unsubscribe.")] = None
    require_tls: Annotated[
        Literal["no", "encrypt", "yes"] | None,
        Meta(description="`encrypt` for an encrypted connection, `yes` for one to a host that is vouched for too."),
    ] = None
    deliver_at: Annotated[Instant | None, Meta(description="When to send, at most 30 days ahead.")] = None
    expires_at: Annotated[Instant | None, Meta(description="When it is too late to send.")] = None
    test_mode: Annotated[bool | None, Meta(description="Everything is done but the last step: nothing leaves.")] = None
    callback: CallbackTo | None = None


class NewMessages(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Messages that are accepted together, all of them or none."""

    messages: Annotated[tuple[NewMessage, ...], Meta(min_length=1, max_length=MOST_MESSAGES)]


class SendingQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a call that sends is meant; OpenAPI's description has words of its own for it."""

    dry_run: str = "no"
    recipient: str = ""
    """Whose copy is shown of what is only looked at."""


_FIELDS: Mapping[str, msgspec.structs.FieldInfo] = {one.encode_name: one for one in msgspec.structs.fields(NewMessage)}


def read_new_message(document: object, within: str = "") -> NewMessage | list[Fault]:
    """Return a message that a document holds, or everything that is of another kind than it should be, by field."""
    if not isinstance(document, dict):
        return [Fault("A message is a JSON object.", within or None, "type")]
    read: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in document.items():
        place = f"{within}.{name[:76]}" if within else name[:76]
        field = _FIELDS.get(name)
        if field is None:
            faults.append(Fault("There is no such field.", place, "unknown"))
            continue
        try:
            read[field.name] = msgspec.convert(value, field.type)
        except (msgspec.ValidationError, RecursionError, OverflowError) as error:
            faults.append(fault_of(error, field.type, place))
    return faults or NewMessage(**read)
