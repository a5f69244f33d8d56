"""The content of a transmission: texts and files of its own, a stored template, or a whole message."""

import binascii
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from postroad.dialects.headers.values import OptionValueError, kind_of, read_template
from postroad.dialects.sparkpost.errors import Fault, missing, unknown, wrong_syntax
from postroad.dialects.sparkpost.fields import Reading
from postroad.dialects.sparkpost.substitution import Piece, SubstitutionError, pieces_of
from postroad.model.options import TemplateName
from postroad.policy.header_rules import is_option
from postroad.protocol.mime.letter import File, is_field_name

_NAMES = frozenset(
    {
        "from", "subject", "reply_to", "headers", "text", "html", "amp_html", "attachments", "inline_images",
        "template_id", "use_draft_template", "email_rfc822", "ab_test_id",
    }
)  # fmt: skip
TEXTS = ("text", "html", "amp_html")
_INLINE = (*TEXTS, "subject")
RESERVED = frozenset({"to", "from", "subject", "reply-to", "bcc", "dkim-signature", "received"})
"""Header fields that are given in another way, or by nobody."""
_OURS = frozenset({"mime-version", "return-path", "x-postroad-id"})
_OURS_BEGIN = "content-"
_NAMED = re.compile(r"([^<>,]*+)<([^<>]*+)>\s*+")


_NO_FROM = "content.from is required"
_NO_TEMPLATE_FROM = (
    "content.from or override.from is required with a template_id too: stored templates hold no sender here"
)


class Correspondent(msgspec.Struct, frozen=True):
    """Somebody whom a copy is from, or is answered to."""

    address: tuple[Piece, ...]
    """Several with commas between them, and names, where ``name`` is null."""
    name: tuple[Piece, ...] | None = None


class Content(msgspec.Struct, kw_only=True):
    """What is sent, as it was read."""

    author: Correspondent | None = None
    reply_to: Correspondent | None = None
    subject: tuple[Piece, ...] = ()
    texts: dict[str, tuple[Piece, ...]] = {}
    """By the parameter."""
    headers: list[tuple[str, tuple[Piece, ...]]] = []
    option_headers: list[tuple[str, str]] = []
    inline: list[File] = []
    attachments: list[File] = []
    template: TemplateName | None = None
    whole: bytes | None = None
    """A message that the client has put together."""

    @property
    def octets(self) -> int:
        """About how much each message made of it takes."""
        if self.whole is not None:
            return len(self.whole)
        files = sum(len(one.octets) for one in (*self.inline, *self.attachments))
        texts = sum(len(piece) for pieces in self.texts.values() for piece in pieces if isinstance(piece, str))
        return files * 4 // 3 + texts


def read_content(document: Mapping[str, Any], reading: Reading, *, substitutes: bool) -> Content:
    """Read the content of a call; ``substitutes`` is whether its texts are in the substitution language."""
    given = document.get("content")
    if not isinstance(given, dict):
        reading.faults.append(missing("content is required: an object") if given is None else _no_object(given))
        return Content()
    reading.unknown_names(given, _NAMES, "content")
    override = reading.take(document, "override", dict) or {}
    if given.get("ab_test_id") is not None:
        reading.faults.append(unknown("content.ab_test_id: there are no A/B tests here; send a template_id or texts"))
        return Content()
    if given.get("email_rfc822") is not None:
        return _whole(given, document, reading, substitutes=substitutes)
    texts = _Texts(reading, substitutes=substitutes)
    content = Content()
    faults = len(reading.faults)
    content.author = texts.correspondent(override if override.get("from") is not None else given, "from")
    if content.author is None and len(reading.faults) == faults:
        reading.faults.append(missing(_NO_TEMPLATE_FROM if given.get("template_id") is not None else _NO_FROM))
    content.reply_to = texts.correspondent(override if override.get("reply_to") is not None else given, "reply_to")
    content.headers, content.option_headers = _headers(given, texts)
    if override.get("list_id") is not None:
        content.headers.append(("List-Id", texts.line(override, "list_id", "override")))
    content.subject = texts.line(given, "subject", "content")
    content.texts = {name: pieces for name in TEXTS if (pieces := texts.text(given, name))}
    content.inline = _files(given, "inline_images", reading)
    content.attachments = _files(given, "attachments", reading)
    if given.get("template_id") is not None:
        content.template = _template(given, reading)
        _check_template(given, reading)
    else:
        _check_inline(given, reading)
    return content


def _no_object(given: object) -> Fault:
    return Fault("invalid data format/type", f"content must be an object, not {kind_of(given)}", "1300")


def _template(given: Mapping[str, Any], reading: Reading) -> TemplateName | None:
    name = reading.line(given, "template_id", "content")
    if reading.take(given, "use_draft_template", bool, "content"):
        reading.note("ignored content.use_draft_template: name the version, as in welcome:2; else it is the active one")
    try:
        return None if not name else read_template(name)
    except OptionValueError as error:
        reading.wrong(f"content.template_id {error}")
        return None


def _check_template(given: Mapping[str, Any], reading: Reading) -> None:
    if any(given.get(name) for name in _INLINE):
        description = "content has a template_id; its texts and its subject come from the template"
        reading.faults.append(Fault("Both content object and template_id are specified", description, "1301"))


def _check_inline(given: Mapping[str, Any], reading: Reading) -> None:
    if given.get("subject") is None:
        reading.faults.append(missing("content.subject is required"))
    if not any(given.get(name) for name in TEXTS):
        reading.faults.append(missing("content.text or content.html is required"))


def _whole(given: Mapping[str, Any], document: Mapping[str, Any], reading: Reading, *, substitutes: bool) -> Content:
    text = reading.take(given, "email_rfc822", str, "content") or ""
    others = [name for name in (*TEXTS, "template_id") if given.get(name)]
    if others:
        reading.wrong(f"content has email_rfc822 and {', '.join(others)}; keep one")
    if not text.strip():
        reading.faults.append(missing("content.email_rfc822 is empty"))
    recipients = document.get("recipients")
    listed = recipients if isinstance(recipients, list) else []
    has_data = bool(document.get("substitution_data")) or any(
        isinstance(one, dict) and one.get("substitution_data") for one in listed
    )
    if substitutes and has_data and "{{" in text:
        reading.wrong(
            "content.email_rfc822 is sent as it is, and {{…}} in it would stay: send its texts as html and text instead, or "
            "set options.perform_substitutions to false"
        )
    return Content(whole=whole_octets(text))


def whole_octets(text: str) -> bytes:
    """Return a message given as a text, whatever ends its lines, and without a break at its start."""
    lines = text.lstrip("\r\n").replace("\r\n", "\n").replace("\r", "\n")
    return lines.replace("\n", "\r\n").encode("utf-8", "replace")


class _Texts:
    """Reads texts of a content into their pieces."""

    def __init__(self, reading: Reading, *, substitutes: bool) -> None:
        self.reading = reading
        self._substitutes = substitutes

    def text(self, holder: Mapping[str, Any], name: str) -> tuple[Piece, ...]:
        """Return the pieces of a text of many lines."""
        return self.pieces(self.reading.take(holder, name, str, "content") or "", name)

    def line(self, holder: Mapping[str, Any], name: str, within: str) -> tuple[Piece, ...]:
        """Return the pieces of one line."""
        return self.pieces(self.line_of(holder, name, within), name)

    def correspondent(self, holder: Mapping[str, Any], name: str) -> Correspondent | None:
        """Return who is meant by an address, or by an object of name and email."""
        value = holder.get(name)
        if isinstance(value, dict):
            email, own_name = self.reading.line(value, "email", name), self.reading.line(value, "name", name)
            if not email:
                self.reading.faults.append(missing(f"content.{name}.email is required"))
                return None
            return Correspondent(self.pieces(email, name), self.pieces(own_name, name) if own_name else None)
        text = self.line_of(holder, name, "content")
        # What a substitution puts into a name is never taken for a part of the address.
        named = _NAMED.fullmatch(text) if "{{" in text else None
        if named is not None:
            return Correspondent(self.pieces(named[2], name), self.pieces(named[1].strip().strip('"'), name))
        return Correspondent(self.pieces(text, name)) if text else None

    def line_of(self, holder: Mapping[str, Any], name: str, within: str) -> str:
        """Return one line, as it is written."""
        return self.reading.line(holder, name, within) or ""

    def pieces(self, text: str, part: str) -> tuple[Piece, ...]:
        """Cut a text; what is not understood becomes a fault."""
        if "\0" in text:
            self.reading.wrong(f"content.{part} holds a NUL, which no message may hold")
            return ()
        if not self._substitutes:
            return (text,) if text else ()
        try:
            return pieces_of(text)
        except SubstitutionError as error:
            self.reading.faults.append(wrong_syntax(part, error.line, error.sentence))
            return ()


def _headers(
    given: Mapping[str, Any], texts: _Texts
) -> tuple[list[tuple[str, tuple[Piece, ...]]], list[tuple[str, str]]]:
    """Return the header fields of a content, and those that are options."""
    reading = texts.reading
    found: list[tuple[str, tuple[Piece, ...]]] = []
    options: list[tuple[str, str]] = []
    for name in reading.take(given, "headers", dict, "content") or {}:
        place, lower = f"content.headers.{name}"[:200], name.lower()
        if not is_field_name(name):
            reading.wrong(
                f"{place}: is no header name: at most 76 printable characters of ASCII, without space and colon"
            )
            continue
        value = reading.line(given["headers"], name, "content.headers")
        if not value:
            continue
        if lower in RESERVED:
            reading.note(f"ignored {place}: this field is given in another way")
        elif lower in _OURS or lower.startswith(_OURS_BEGIN):
            reading.note(f"ignored {place}: this field is written here")
        elif is_option(lower.encode()):
            options.append((name, value))
        else:
            found.append((name, texts.pieces(value, name)))
    return found, options


def _files(given: Mapping[str, Any], name: str, reading: Reading) -> list[File]:
    found: list[File] = []
    for number, one in enumerate(reading.take(given, name, list, "content") or []):
        place = f"content.{name}.{number}"
        if not isinstance(one, dict):
            reading.wrong(f"{place} must be an object with name, type and data, not {kind_of(one)}")
            continue
        title, kind = reading.line(one, "name", place), reading.line(one, "type", place)
        data = reading.take(one, "data", str, place)
        lacking = [part for part, value in (("name", title), ("type", kind), ("data", data)) if value is None]
        if lacking:
            if all(one.get(part) is None for part in lacking):
                reading.faults.append(missing(f"{place}.{lacking[0]} is required"))
            continue
        assert data is not None
        octets = _decoded(data)
        if octets is None:
            reading.wrong(f"{place}.data is not base64")
            continue
        found.append(File(octets=octets, name=title or "", content_type=kind or "application/octet-stream"))
    return found


def _decoded(data: str) -> bytes | None:
    try:
        # Some clients break its lines, which the vendor refuses and readers of MIME expect.
        return binascii.a2b_base64(data.encode("ascii").translate(None, b"\r\n \t"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
