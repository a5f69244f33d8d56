"""Messages of our own API as the submissions that they ask for."""

import mimetypes
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from postroad.dialects.call import Call, envelope_for
from postroad.dialects.headers import values
from postroad.dialects.headers.submission import Read, read_options
from postroad.dialects.headers.values import OptionValueError
from postroad.dialects.json_body import json_body
from postroad.dialects.postroad.message import MOST_RECIPIENTS, Address, Addressee, NewMessage
from postroad.dialects.postroad.problem import Fault
from postroad.model.options import NO_OPTIONS, OnMissing, OptionFault, TemplateName, merged_tags
from postroad.policy.header_rules import is_option
from postroad.protocol.mime.compose import address_field, unstructured
from postroad.protocol.mime.header import HeaderBlock, HeaderFault, split
from postroad.protocol.mime.letter import File, Letter, compose, field, is_field_name
from postroad.protocol.mime.mailbox import AddressList, ListFault, Mailbox, parse_address_list
from postroad.protocol.smtp.address import AddressError, parse_path

T = TypeVar("T")

_TYPES = mimetypes.MimeTypes(filenames=())
_LONGEST_FIELD = 16 * 1024
_WRITTEN_HERE = frozenset(
    {
        "from",
        "to",
        "cc",
        "bcc",
        "subject",
        "reply-to",
        "mime-version",
        "received",
        "return-path",
        "dkim-signature",
        "x-postroad-id",
    }
)
"""Header fields that stand in fields of their own, or are this host's business."""
_PARTS = ("from_", "reply_to", "subject", "text", "html", "amp", "attachments", "headers")


def read_call(message: NewMessage, domain: str, within: str = "") -> Call | list[Fault]:
    """Return the submission that a message asks for, or all that is wrong with it.

    Args:
        message: What is asked for.
        domain: The sending domain.
        within: Where the message stands among others, for the faults.
    """
    reading = _Reading(within)
    recipients = [
        mailbox for name in ("to", "cc", "bcc") for mailbox in reading.mailboxes(name, getattr(message, name))
    ]
    if not recipients and not reading.faults:
        reading.fault("to", "Say who gets it: there is no recipient.", "required")
    if len(recipients) > MOST_RECIPIENTS:
        reading.fault("to", f"There are {len(recipients)} recipients; at most {MOST_RECIPIENTS} are possible.")
    made = _whole(message, reading) if message.raw is not None else _composed(message, reading)
    if reading.faults or made is None:
        return reading.faults
    author, content, base = made
    given = _options(message, reading)
    if reading.faults:
        return reading.faults
    sources = {name: _SOURCES.get(name, name) for name in given}
    return Call(
        envelope=envelope_for(recipients, author, domain),
        content=content,
        options=msgspec.structs.replace(base.options, **given),
        option_sources={**base.sources, **sources},
        option_notes=base.notes,
    )


def author_domain(message: NewMessage) -> str | None:
    """Return the domain that a message is from, which is the sending domain where the key does not say it."""
    if message.raw is not None:
        block = split(_crlf(message.raw))
        address = "" if isinstance(block, HeaderFault) else _author_of(block)
    else:
        found = [] if message.from_ is None else _Reading("").mailboxes("from", (message.from_,))
        address = found[0].address if found else ""
    return address.rpartition("@")[2] or None


class _Reading:
    """A message as it is read: what is wrong with it so far."""

    def __init__(self, within: str) -> None:
        self.faults: list[Fault] = []
        self._within = within

    def fault(self, name: str, detail: str, rule: str = "value") -> None:
        self.faults.append(Fault(detail, f"{self._within}.{name}" if self._within else name, rule))

    def take(self, name: str, read: Callable[[Any], T], value: Any) -> T | None:
        try:
            return read(value)
        except OptionValueError as error:
            self.fault(name, f"It {error}.")
            return None

    def mailboxes(self, name: str, given: Iterable[Addressee]) -> list[Mailbox]:
        found: list[Mailbox] = []
        for number, one in enumerate(given):
            place = name if name == "from" else f"{name}.{number}"
            mailbox = _mailbox(one)
            if isinstance(mailbox, str):
                self.fault(place, mailbox)
            else:
                found.append(mailbox)
        return found


def _mailbox(given: Addressee) -> Mailbox | str:
    """Return an address, or what is wrong with it."""
    if isinstance(given, Address):
        mailbox = Mailbox(" ".join(given.name.split()), *given.email.strip().rpartition("@")[::2])
    else:
        try:
            parsed = parse_address_list(given.strip().encode())
        except UnicodeEncodeError:
            return "It holds half of a surrogate pair."
        if isinstance(parsed, ListFault) or len(parsed.mailboxes) != 1:
            why = f": it {parsed.text}" if isinstance(parsed, ListFault) else ""
            return f"{values.shown(given)} is not one address{why}."
        mailbox = parsed.mailboxes[0]
    try:
        address = parse_path(mailbox.address, is_utf8=True)
    except (AddressError, UnicodeEncodeError) as error:
        return f"{values.shown(mailbox.address)} is no address: {error}."
    if not address:
        return "An address is expected here."
    return Mailbox(mailbox.display_name.replace("\0", ""), *address.rpartition("@")[::2])


_Made = tuple[str, bytes, Read]
"""The author's address, the message, and the options that its header asks for."""


def _whole(message: NewMessage, reading: _Reading) -> _Made | None:
    for name in _PARTS:
        if getattr(message, name):
            reading.fault(name.rstrip("_"), "The message is there as a whole, in `raw`, and says that itself.")
    content = _crlf(message.raw or "")
    block = split(content)
    if isinstance(block, HeaderFault):
        # Admission says what is wrong with it.
        return "", content, Read(NO_OPTIONS)
    base = read_options(block)
    if isinstance(base, OptionFault):
        reading.fault("raw", f"{base.name} {base.text}.")
        return None
    return _author_of(block), content, base


def _composed(message: NewMessage, reading: _Reading) -> _Made | None:
    authors = [] if message.from_ is None else reading.mailboxes("from", (message.from_,))
    if message.from_ is None:
        reading.fault("from", "Say who it is from.", "required")
    if message.template is None and not any((message.text, message.html, message.amp)):
        reading.fault("text", "There is nothing to send: give `text`, `html`, `amp`, `template` or `raw`.", "required")
    if any(one in (message.subject or "").strip() for one in "\r\n\0"):
        reading.fault("subject", "It holds a line end or NUL; a subject is one line.")
    fields, base = _headers(message, reading)
    replies = reading.mailboxes("reply_to", message.reply_to)
    to, cc = reading.mailboxes("to", message.to), reading.mailboxes("cc", message.cc)
    if reading.faults or not authors:
        return None
    is_batch = message.recipient_variables is not None or base.options.recipient_variables is not None
    written = [address_field("From", authors)]
    if to or is_batch:
        # Each recipient of a batch sees itself alone.
        written.append(b"To: %recipient%\r\n" if is_batch else address_field("To", to))
    if cc:
        written.append(address_field("Cc", cc))
    if replies:
        written.append(address_field("Reply-To", replies))
    if message.subject is not None:
        written.append(unstructured("Subject", _utf8(message.subject.strip())))
    files = [(one.disposition, File(octets=one.content, name=one.name, content_type=_type_of(one.name, one.type),
              content_id=one.content_id)) for one in message.attachments]  # fmt: skip
    letter = Letter(
        fields=[*written, *fields],
        text=message.text or None,
        amp=message.amp or None,
        html=message.html or None,
        inline=[file for disposition, file in files if disposition == "inline"],
        attachments=[file for disposition, file in files if disposition == "attachment"],
    )
    return authors[0].address, compose(letter), base


def _headers(message: NewMessage, reading: _Reading) -> tuple[list[bytes], Read]:
    """Return the further fields of the header, and the options among them."""
    fields: list[bytes] = []
    options: list[bytes] = []
    for name, text in message.headers.items():
        place, value = f"headers.{name[:76]}", _utf8(text.strip())
        if not name.isascii() or not is_field_name(name):
            reading.fault(place, "It is no header name: at most 76 printable ASCII characters without space and colon.")
        elif len(value) > _LONGEST_FIELD:
            reading.fault(place, f"It has {len(value)} characters; at most {_LONGEST_FIELD} are allowed.")
        elif any(one in value for one in "\r\n\0"):
            reading.fault(place, "It holds a line end or NUL; a header field is one line.")
        elif name.lower() in _WRITTEN_HERE or name.lower().startswith("content-"):
            reading.fault(place, "This field is written here: use the message's own fields.")
        elif is_option(name.lower().encode()):
            options.append(f"{name}: {value}\r\n".encode())
        else:
            fields.append(field(name, value))
    if not options:
        return fields, Read(NO_OPTIONS)
    block = split(b"".join(options) + b"\r\n")
    asked = Read(NO_OPTIONS) if isinstance(block, HeaderFault) else read_options(block)
    if isinstance(asked, OptionFault):
        reading.fault(f"headers.{asked.name}", f"It {asked.text}.")
        return fields, Read(NO_OPTIONS)
    return fields, asked


_SOURCES = {
    "tracks_opens": "tracking.opens",
    "tracks_clicks": "tracking.clicks",
    "tracks_text_clicks": "tracking.text_clicks",
    "offers_unsubscribe": "unsubscribe",
    "tls": "require_tls",
    "is_test": "test_mode",
    "escapes_html": "escape_html",
    "template_variables": "template.variables",
    "callback_url": "callback.url",
    "callback_format": "callback.format",
}
"""By option, the field that gives it, where they differ."""


def _options(message: NewMessage, reading: _Reading) -> dict[str, Any]:
    """Return the options that the fields of a message give."""
    given: dict[str, Any] = {
        "is_test": message.test_mode,
        "offers_unsubscribe": message.unsubscribe,
        "escapes_html": message.escape_html or None,
        "on_missing": message.on_missing,
        "deliver_at": _milliseconds(message.deliver_at),
        "expires_at": _milliseconds(message.expires_at),
    }
    if message.require_tls is not None:
        given["tls"] = values.read_tls_demand(message.require_tls)
    if message.tags:
        given["tags"] = merged_tags(reading.take("tags", values.listed_tags, message.tags) or [])
    if message.tracking is not None:
        given |= {
            "tracks_opens": message.tracking.opens,
            "tracks_clicks": message.tracking.clicks,
            "tracks_text_clicks": message.tracking.text_clicks,
        }
    if message.recipient_variables is not None:
        text = json_body(message.recipient_variables).decode()
        given["recipient_variables"] = reading.take("recipient_variables", values.read_recipient_variables, text)
        if message.on_missing is None:
            given["on_missing"] = OnMissing.KEEP
    if message.variables is not None:
        given["variables"] = reading.take("variables", values.read_json_object, json_body(message.variables).decode())
    _read_template(message, reading, given)
    if message.callback is not None:
        given["callback_url"] = reading.take("callback.url", values.read_url, message.callback.url)
        given["callback_format"] = message.callback.format
    return {name: value for name, value in given.items() if value is not None}


def _milliseconds(at: datetime | None) -> int | None:
    """Return an instant; what is before 1970 is over like all that is over, and no calendar need know it."""
    return None if at is None else max(0, int(at.timestamp() * 1000))


def _read_template(message: NewMessage, reading: _Reading, given: dict[str, Any]) -> None:
    template = message.template
    if template is None:
        return
    named = reading.take("template.name", values.read_template, template.name)
    if named is not None and named.version is not None:
        reading.fault("template.name", "The version stands in `template.version`.")
    version = template.version
    if version is not None:
        version = reading.take("template.version", values.read_version, version)
    given["template"] = TemplateName(template.name, version)
    text = json_body(template.variables).decode()
    given["template_variables"] = reading.take("template.variables", values.read_json_object, text)


def _type_of(name: str, declared: str) -> str:
    return declared or _TYPES.guess_type(name)[0] or "application/octet-stream"


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _crlf(text: str) -> bytes:
    octets = text.encode("utf-8", "replace")
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def _author_of(block: HeaderBlock) -> str:
    found = block.first(b"from")
    if found is None:
        return ""
    parsed = parse_address_list(block.value(found))
    return parsed.mailboxes[0].address if isinstance(parsed, AddressList) and parsed.mailboxes else ""
