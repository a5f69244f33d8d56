"""The part of a call that all of its personalizations share."""

import binascii
import mimetypes
from collections.abc import Mapping
from typing import Any

import msgspec

from postroad.dialects.headers.values import OptionValueError, check_tag_count, kind_of, listed_tags, read_template
from postroad.dialects.sendgrid.fields import Reading
from postroad.dialects.sendgrid.header import read_headers
from postroad.dialects.sendgrid.personalization import Personalization, read_personalizations
from postroad.dialects.sendgrid.settings import Settings, read_settings
from postroad.model.options import TemplateName, merged_tags
from postroad.protocol.mime.letter import File
from postroad.protocol.mime.mailbox import Mailbox

_NAMES = frozenset(
    {
        "personalizations", "from", "reply_to", "reply_to_list", "subject", "content", "attachments", "template_id",
        "headers", "categories", "custom_args", "send_at", "batch_id", "asm", "ip_pool_name", "mail_settings",
        "tracking_settings", "sections",
    }
)  # fmt: skip
_DYNAMIC = "d-"
_MOST_SECTIONS = 100
_MOST_CONTENTS = 20
_NO_FROM = (
    "The from object must be provided for every email send. It is an object that requires the email parameter, but may also "
    'contain a name parameter.  e.g. {"email" : "example@example.com"}  or {"email" : "example@example.com", '
    '"name" : "Example Recipient"}.'
)
_NO_SUBJECT = (
    "The subject is required. You can get around this requirement if you use a template with a subject defined or if every "
    "personalization has a subject defined."
)
_NO_CONTENT = (
    "Unless a valid template_id is provided, the content parameter is required. There must be at least one defined content "
    "block. We typically suggest both text/plain and text/html blocks are included, but only one block is required."
)
_NO_VALUE = "The content value must be a string at least one character in length."
_TYPES = mimetypes.MimeTypes(filenames=())
_ONCE = ("text/plain", "text/x-amp-html", "text/html")


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it was read."""

    personalizations: list[Personalization]
    author: Mailbox | None
    reply_to: tuple[Mailbox, ...]
    subject: str | None
    contents: list[tuple[str, str]]
    """Type and text."""
    inline: list[File]
    attachments: list[File]
    template: TemplateName | None
    is_dynamic: bool
    headers: Mapping[str, str]
    tags: tuple[str, ...]
    arguments: Mapping[str, str]
    sections: Mapping[str, str]
    send_at: int | None
    batch_id: str | None
    settings: Settings

    @property
    def octets(self) -> int:
        """About how much each message made of it takes."""
        files = sum(len(one.octets) for one in (*self.inline, *self.attachments))
        return files * 4 // 3 + sum(len(text) for _, text in self.contents)


def read_mail(document: Mapping[str, Any], reading: Reading) -> Mail:
    """Read a call; what is wrong with it becomes faults of the reading."""
    for name in document:
        if name not in _NAMES:
            reading.note(f"ignored {name[:100]}: there is no such parameter")
    personalizations = read_personalizations(document, reading)
    author = document.get("from")
    if author is None and not (personalizations and all(one.author for one in personalizations)):
        reading.fault("from", _NO_FROM)
    template = _template(document, reading)
    subject = reading.line(document, "subject")
    has_subject = bool(subject) or template is not None or all(one.subject for one in personalizations)
    if not has_subject and not any(one.field == "subject" for one in reading.faults):
        reading.fault("subject", _NO_SUBJECT)
    inline, attachments = _files(document, reading)
    if reading.line(document, "ip_pool_name"):
        reading.note("ignored ip_pool_name: the operator chooses by which address a domain's mail leaves")
    return Mail(
        personalizations=personalizations,
        author=None if author is None else reading.mailbox(author, "from"),
        reply_to=_reply_to(document, reading),
        subject=subject or None,
        contents=_contents(document, reading, is_needed=template is None),
        inline=inline,
        attachments=attachments,
        template=template,
        is_dynamic=template is not None and template.name.startswith(_DYNAMIC),
        headers=read_headers(document, reading),
        tags=_tags(document, reading),
        arguments=reading.texts(document, "custom_args"),
        sections=_sections(document, reading),
        send_at=reading.take(document, "send_at", int),
        batch_id=reading.line(document, "batch_id") or None,
        settings=read_settings(document, reading),
    )


def _template(document: Mapping[str, Any], reading: Reading) -> TemplateName | None:
    name = reading.line(document, "template_id")
    if not name:
        return None
    try:
        return read_template(name)
    except OptionValueError as error:
        reading.fault("template_id", f"The template_id {error}.")
        return None


def _reply_to(document: Mapping[str, Any], reading: Reading) -> tuple[Mailbox, ...]:
    one, listed = document.get("reply_to"), reading.mailboxes(document, "reply_to_list")
    if one is not None and listed:
        reading.fault("reply_to", "Only one of reply_to and reply_to_list can be given.")
    if len({each.address.lower() for each in listed}) < len(listed):
        reading.fault("reply_to_list", "Each email address in the reply_to_list should be unique.")
    found = None if one is None else reading.mailbox(one, "reply_to")
    return listed or (() if found is None else (found,))


def _contents(document: Mapping[str, Any], reading: Reading, *, is_needed: bool) -> list[tuple[str, str]]:
    listed = reading.take(document, "content", list)
    if not listed:
        if is_needed and (listed is not None or document.get("content") is None):
            reading.fault("content", _NO_CONTENT)
        return []
    if len(listed) > _MOST_CONTENTS:
        reading.fault("content", f"There are {len(listed)} content blocks; at most {_MOST_CONTENTS} are possible.")
        return []
    found: list[tuple[str, str]] = []
    for number, one in enumerate(listed):
        place = f"content.{number}"
        if not isinstance(one, dict):
            reading.fault(place, f"A content block must be an object with type and value, not {kind_of(one)}.")
            continue
        value, kind = one.get("value"), one.get("type")
        if not isinstance(value, str) or not value:
            reading.fault(f"{place}.value", _NO_VALUE)
        if not isinstance(kind, str) or "/" not in kind or not kind.isascii() or not kind.isprintable():
            reading.fault(f"{place}.type", "The content type must be a MIME type such as text/plain or text/html.")
        elif isinstance(value, str) and value:
            bare = kind.partition(";")[0].strip().lower()
            if bare in _ONCE and any(earlier == bare for earlier, _ in found):
                reading.fault(f"{place}.type", f"The content has {bare} more than once; keep one.")
            found.append((bare if bare in _ONCE else kind, value))
    return found


def _files(document: Mapping[str, Any], reading: Reading) -> tuple[list[File], list[File]]:
    """Return the files that the content shows, and those that are attached."""
    inline: list[File] = []
    attachments: list[File] = []
    for number, one in enumerate(reading.take(document, "attachments", list) or []):
        place = f"attachments.{number}"
        if not isinstance(one, dict):
            reading.fault(place, f"An attachment must be an object with content and filename, not {kind_of(one)}.")
            continue
        name = reading.line(one, "filename", place)
        if name is None and one.get("filename") is None:
            reading.fault(f"{place}.filename", "The filename of an attachment is required.")
        octets = _octets(one, reading, place)
        disposition = (reading.line(one, "disposition", place) or "attachment").lower()
        if disposition not in {"attachment", "inline"}:
            reading.fault(f"{place}.disposition", "The disposition of an attachment must be attachment or inline.")
        kind = reading.line(one, "type", place) or _TYPES.guess_type(name or "")[0] or "application/octet-stream"
        identifier = (reading.line(one, "content_id", place) or "").removeprefix("<").removesuffix(">")
        file = File(octets=octets, name=name or "", content_type=kind, content_id=identifier)
        is_shown = disposition == "inline" and bool(identifier or name)
        (inline if is_shown else attachments).append(file)
    return inline, attachments


def _octets(attachment: Mapping[str, Any], reading: Reading, place: str) -> bytes:
    text = attachment.get("content")
    if not isinstance(text, str) or not text:
        reading.fault(f"{place}.content", "The attachment content must be a string at least one character in length.")
        return b""
    try:
        # Clients fold it into lines, as letters do.
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        reading.fault(f"{place}.content", "The attachment content must be base64 encoded.")
        return b""


def _tags(document: Mapping[str, Any], reading: Reading) -> tuple[str, ...]:
    listed = document.get("categories")
    if listed is None:
        return ()
    given = [listed] if isinstance(listed, str) else listed
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        reading.fault("categories", f"The categories parameter must be an array of strings, not {kind_of(listed)}.")
        return ()
    try:
        tags = merged_tags(listed_tags(given))
        check_tag_count(len(tags))
    except OptionValueError as error:
        reading.fault("categories", f"The categories parameter {error}.")
        return ()
    if len(tags) < len(given):
        reading.note("left out categories that are empty, or there twice")
    return tags


def _sections(document: Mapping[str, Any], reading: Reading) -> Mapping[str, str]:
    sections = reading.texts(document, "sections")
    if len(sections) > _MOST_SECTIONS or "" in sections:
        reading.fault("sections", f"There are at most {_MOST_SECTIONS} sections, each with a name.")
        return {}
    return sections
