"""One recipient's copy of a message: placeholders in its header and text parts replaced, all other bytes as they are.

A message is looked at once (:func:`plan`): what stays is kept as it was written, and of each text part only what holds
placeholders is taken apart. Filling a plan for one recipient joins these pieces. A part keeps its character set and
transfer encoding unless they cannot hold the result; then that part alone becomes UTF-8 in quoted-printable. Attachments,
parts covered by a signature, encrypted parts and messages within the message are never touched.
"""

import codecs
import html
import json
from collections.abc import Iterator
from typing import Any

import msgspec

from postroad.model.options import OnMissing
from postroad.protocol.mime import transfer_encoding
from postroad.protocol.mime.compose import unstructured
from postroad.protocol.mime.encoded_word import decode, encode
from postroad.protocol.mime.header import Edit, Field, HeaderBlock, HeaderFault, apply, fold, insert_at_end, replace
from postroad.protocol.mime.mailbox import ListFault, parse_address_list
from postroad.protocol.mime.structure import Part, parse
from postroad.rendering.placeholder import PLACEHOLDER, Addressee, Segments, segments_of, value_of

LONGEST_LINE = 998
"""RFC 5322 §2.1.1."""
_TEXTS = frozenset({"plain", "html", "x-amp-html"})
_IDENTITY = frozenset({"7bit", "8bit", "binary"})
_KEPT_FIELDS = frozenset({b"received", b"date", b"message-id", b"mime-version", b"return-path", b"feedback-id",
                          b"dkim-signature", b"authentication-results", b"x-postroad-id"})  # fmt: skip
_ADDRESSES = frozenset({b"from", b"sender", b"to", b"cc", b"reply-to"})
_OWN_ADDRESSES = frozenset({b"from", b"sender"})
"""They were found to be the sender's; a value may change the name that is shown, never the address."""
_VARIABLES = b"x-ov-variables"


class Merged(msgspec.Struct, frozen=True):
    """A recipient's copy, and the placeholders that had no value."""

    content: bytes
    missing: frozenset[str]


class Filling(msgspec.Struct, frozen=True, kw_only=True):
    """How a plan is filled for one recipient."""

    addressee: Addressee
    on_missing: OnMissing = OnMissing.EMPTY
    escapes_html: bool = False


class _Values:
    """Looks values up for one recipient and remembers which were missing."""

    def __init__(self, filling: Filling) -> None:
        self._filling = filling
        self.missing: set[str] = set()

    def text(self, name: str, *, is_html: bool = False) -> str:
        value = value_of(name, self._filling.addressee)
        if value is None:
            self.missing.add(name)
            return f"%{name}%" if self._filling.on_missing is OnMissing.KEEP else ""
        return html.escape(value) if is_html and self._filling.escapes_html else value

    def replaced(self, text: str) -> str:
        """Return a text with its placeholders replaced."""
        parts = segments_of(text.encode("utf-8", "surrogatepass"))
        return "".join(
            part.decode("utf-8", "surrogatepass") if isinstance(part, bytes) else self.text(part) for part in parts
        )


class _UnfitError(Exception):
    """The part's character set or transfer encoding cannot hold the result."""


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    """The body of one text part, taken apart."""

    codec: str
    encoding: str
    is_html: bool
    is_flowed: bool
    lines: tuple[bytes | Segments, ...]
    """As they travel where they stay; decoded and cut at placeholders where they change."""

    def filled(self, values: _Values) -> bytes:
        """Return the body for one recipient; raises _UnfitError."""
        return b"".join(line if isinstance(line, bytes) else self._encoded(line, values) for line in self.lines)

    def recoded(self, values: _Values) -> bytes:
        """Return the same as UTF-8 in quoted-printable."""
        pieces: list[str] = []
        for line in self.lines:
            if isinstance(line, bytes):
                pieces.append(_decoded(line, self.encoding).decode(self.codec, "replace"))
            else:
                pieces += [
                    piece.decode(self.codec, "replace") if isinstance(piece, bytes) else self._value(line, at, values)
                    for at, piece in enumerate(line)
                ]
        return transfer_encoding.quoted_printable("".join(pieces).encode("utf-8", "replace"))

    def _encoded(self, line: Segments, values: _Values) -> bytes:
        octets = b"".join(
            piece if isinstance(piece, bytes) else self._octets(self._value(line, at, values))
            for at, piece in enumerate(line)
        )
        match self.encoding:
            case "quoted-printable":
                return transfer_encoding.quoted_printable_line(octets)
            case "base64":
                return transfer_encoding.base64(octets)
        if (self.encoding == "7bit" and not octets.isascii()) or _longest_line(octets) > LONGEST_LINE:
            raise _UnfitError
        return octets

    def _octets(self, value: str) -> bytes:
        try:
            return value.encode(self.codec)
        except UnicodeEncodeError as error:
            raise _UnfitError from error

    def _value(self, line: Segments, at: int, values: _Values) -> str:
        name = line[at]
        assert isinstance(name, str)
        value = values.text(name, is_html=self.is_html)
        return _flowed(value, line, at) if self.is_flowed else value


class _Node(msgspec.Struct, frozen=True, kw_only=True):
    """A part whose header or body changes."""

    start: int
    end: int
    block: HeaderBlock
    fields: tuple[Field, ...]
    body: _Body | None

    def filled(self, values: _Values) -> bytes:
        edits = [edit for field in self.fields if (edit := _field_edit(self.block, field, values)) is not None]
        if self.body is None:
            return self._header(edits)
        try:
            body = self.body.filled(values)
        except _UnfitError:
            body = self.body.recoded(values)
            edits += _recoding(self.block, is_html=self.body.is_html)
        return self._header(edits) + body

    def _header(self, edits: list[Edit]) -> bytes:
        block = self.block
        if not edits:
            return block.content[: block.body_offset]
        edited = apply(block, edits)
        return edited[: block.body_offset + len(edited) - len(block.content)]


class MergePlan(msgspec.Struct, frozen=True):
    """A message ready to be filled for any number of recipients."""

    pieces: tuple[bytes | _Node, ...]
    display_names: dict[str, str]
    """The names that To and Cc give to addresses, by address in lower case."""

    def filled(self, filling: Filling) -> Merged:
        """Return one recipient's copy."""
        values = _Values(filling)
        content = b"".join(piece if isinstance(piece, bytes) else piece.filled(values) for piece in self.pieces)
        return Merged(content, frozenset(values.missing))


def plan(content: bytes) -> MergePlan:
    """Look at a message once; one that cannot be read as MIME is a plan that changes nothing."""
    root = parse(content)
    if isinstance(root, HeaderFault):
        return MergePlan((content,), {})
    pieces: list[bytes | _Node] = []
    position = 0
    for node in _nodes(content, root, is_root=True):
        pieces += (content[position : node.start], node)
        position = node.end
    return MergePlan((*pieces, content[position:]), _display_names(root.block))


def _nodes(content: bytes, part: Part, *, is_root: bool = False) -> Iterator[_Node]:
    fields = tuple(field for field in part.block.fields if _may_change(part.block, field)) if is_root else ()
    body = None if part.children else _body(part, content[part.body_start : part.end])
    if fields or body is not None:
        end = part.body_start if body is None else part.end
        yield _Node(start=part.start, end=end, block=part.block, fields=fields, body=body)
    is_closed = part.is_signed or part.content_type.type == "message" or part.content_type.subtype == "encrypted"
    if not is_closed:
        for child in part.children:
            yield from _nodes(content, child)


def _may_change(block: HeaderBlock, field: Field) -> bool:
    if field.name in _KEPT_FIELDS or field.name.startswith((b"content-", b"arc-")):
        return False
    value = block.value(field)
    is_coded = b"=?" in value
    return (b"%" in value and bool(PLACEHOLDER.search(value))) or (is_coded and "%" in decode(value))


def _body(part: Part, octets: bytes) -> _Body | None:
    """Take the body of a part apart; None where nothing in it may or need change."""
    kind = part.content_type
    codec = _codec_of(kind.parameters.get("charset", "us-ascii"))
    if kind.type != "text" or kind.subtype not in _TEXTS or codec is None or _is_attachment(part):
        return None
    lines = _lines(octets, part.transfer_encoding)
    if all(isinstance(line, bytes) for line in lines):
        return None
    return _Body(
        codec=codec,
        encoding=part.transfer_encoding,
        is_html=kind.subtype != "plain",
        is_flowed=kind.parameters.get("format", "").lower() == "flowed",
        lines=lines,
    )


def _is_attachment(part: Part) -> bool:
    field = part.block.first(b"content-disposition")
    return field is not None and part.block.text(field).lower().startswith(b"attachment")


def _codec_of(charset: str) -> str | None:
    """Return a codec in which ASCII stands for itself; None where the character set is not known or another kind."""
    try:
        codec = codecs.lookup(charset)
        is_fit = "%a".encode(codec.name) == b"%a"
    except (LookupError, ValueError, TypeError):
        return None
    return codec.name if is_fit and getattr(codec, "_is_text_encoding", True) else None


def _lines(octets: bytes, encoding: str) -> tuple[bytes | Segments, ...]:
    if encoding in _IDENTITY:
        return tuple(_plain_lines(octets))
    if encoding == "base64":
        try:
            decoded = transfer_encoding.decode_base64(octets)
        except ValueError:
            return (octets,)
        return (segments_of(decoded),) if PLACEHOLDER.search(decoded) else (octets,)
    if encoding != "quoted-printable":
        return (octets,)
    return tuple(_quoted_lines(octets))


def _plain_lines(octets: bytes) -> Iterator[bytes | Segments]:
    """Cut out the lines that hold placeholders; what stands between two of them is one piece."""
    position = 0
    while (found := PLACEHOLDER.search(octets, position)) is not None:
        start = octets.rfind(b"\n", position, found.start()) + 1 or position
        end = octets.find(b"\n", found.end()) + 1 or len(octets)
        yield octets[position:start]
        yield segments_of(octets[start:end])
        position = end
    yield octets[position:]


def _quoted_lines(octets: bytes) -> Iterator[bytes | Segments]:
    """Cut quoted-printable text at its real line ends; a placeholder may go over soft ones (RFC 2045 §6.7)."""
    kept: list[bytes] = []
    for line in transfer_encoding.logical_lines(octets):
        decoded = transfer_encoding.decode_quoted_printable(line)
        if PLACEHOLDER.search(decoded):
            yield b"".join(kept)
            yield segments_of(decoded)
            kept = []
        else:
            kept.append(line)
    yield b"".join(kept)


def _decoded(octets: bytes, encoding: str) -> bytes:
    return transfer_encoding.decode_quoted_printable(octets) if encoding == "quoted-printable" else octets


def _longest_line(octets: bytes) -> int:
    return max(map(len, octets.split(b"\r\n")))


def _flowed(value: str, line: Segments, at: int) -> str:
    """Return a value so that it neither begins a quote nor joins its line to the next (RFC 3676 §4.4, §4.2)."""
    before, after = line[at - 1], line[at + 1]
    assert isinstance(before, bytes)
    assert isinstance(after, bytes)
    is_first = (at == 1 and not before) or before.endswith(b"\n")
    is_last = after.startswith(b"\r\n") or (not after and at + 2 == len(line))
    if is_first and value.startswith((" ", ">", "From ")):
        value = f" {value}"
    return value.rstrip(" ") if is_last else value


def _field_edit(block: HeaderBlock, field: Field, values: _Values) -> Edit | None:
    """Return a header field with its values; None where it stays as it is."""
    name = block.content[field.start : field.colon].decode("ascii")
    before = block.value(field)
    if field.name == _VARIABLES:
        return replace(field, _json_field(name, decode(before), values))
    text = decode(before)
    if not PLACEHOLDER.search(text.encode("utf-8", "replace")):
        return None
    after = values.replaced(text)
    if field.name not in _ADDRESSES:
        return replace(field, unstructured(name, _one_line(after)))
    written = _address_field(name, _one_line(after))
    if field.name in _OWN_ADDRESSES and (written is None or not _has_same_address(before, _one_line(after))):
        return None
    return replace(field, written or unstructured(name, _one_line(after)))


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _address_field(name: str, text: str) -> bytes | None:
    found = parse_address_list(_quoted_names(text).encode("utf-8", "replace"))
    if isinstance(found, ListFault) or found.group_count or not found.mailboxes:
        return None
    words: list[str] = []
    for mailbox in found.mailboxes:
        words += _phrase(mailbox.display_name)
        words.append(f"<{mailbox.address}>," if mailbox.display_name else f"{mailbox.address},")
    words[-1] = words[-1].removesuffix(",")
    return fold(name, words)


def _quoted_names(text: str) -> str:
    """Return a single mailbox with its name in quotes: a value may hold what would be syntax there."""
    name, bracket, address = text.rpartition("<")
    plain = name.strip().strip('"')
    if not bracket or not plain or "<" in plain or ">," in plain:
        return text
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}'


def _phrase(name: str) -> tuple[str, ...]:
    if not name:
        return ()
    if not name.isascii():
        return encode(name)
    return ('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"',)


def _has_same_address(before: bytes, after: str) -> bool:
    old, new = parse_address_list(before), parse_address_list(_quoted_names(after).encode("utf-8", "replace"))
    if isinstance(old, ListFault) or isinstance(new, ListFault):
        return False
    return [one.address for one in old.mailboxes] == [one.address for one in new.mailboxes]


def _json_field(name: str, text: str, values: _Values) -> bytes:
    document = _json_replaced(json.loads(text), values)
    return fold(name, json.dumps(document, ensure_ascii=True).split(" "))


def _json_replaced(value: Any, values: _Values) -> Any:
    match value:
        case str():
            return values.replaced(value)
        case dict():
            return {key: _json_replaced(inner, values) for key, inner in value.items()}
        case list():
            return [_json_replaced(inner, values) for inner in value]
    return value


def _recoding(block: HeaderBlock, *, is_html: bool) -> list[Edit]:
    """Return the edits that name UTF-8 and quoted-printable in a part's header."""
    subtype = "html" if is_html else "plain"
    declared = block.first(b"content-type")
    kind = _with_charset(block.value(declared)) if declared else f" text/{subtype}; charset=utf-8".encode()
    coded = block.first(b"content-transfer-encoding")
    edits = [
        replace(declared, b"Content-Type:" + kind + b"\r\n")
        if declared
        else insert_at_end(block, b"Content-Type:" + kind + b"\r\n")
    ]
    field = b"Content-Transfer-Encoding: quoted-printable\r\n"
    return [*edits, replace(coded, field) if coded else insert_at_end(block, field)]


def _with_charset(value: bytes) -> bytes:
    """Return a Content-Type's value with its charset made UTF-8 and its other parameters kept."""
    kept = [part for part in _parameters(value) if not part.strip().lower().startswith(b"charset")]
    return b";".join(kept).rstrip() + b"; charset=utf-8"


def _parameters(value: bytes) -> list[bytes]:
    """Cut a structured value at the semicolons outside quotes."""
    parts, is_quoted, begun = [], False, 0
    for at, octet in enumerate(value):
        if octet == 0x22 and value[at - 1 : at] != b"\\":
            is_quoted = not is_quoted
        elif octet == 0x3B and not is_quoted:
            parts.append(value[begun:at])
            begun = at + 1
    return [*parts, value[begun:]]


def _display_names(block: HeaderBlock) -> dict[str, str]:
    names: dict[str, str] = {}
    for header in (b"to", b"cc"):
        field = block.first(header)
        found = parse_address_list(block.value(field)) if field else None
        if found is not None and not isinstance(found, ListFault):
            names |= {one.address.lower(): one.display_name for one in found.mailboxes if one.display_name}
    return names
