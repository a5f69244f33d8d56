"""The header block of a message as byte spans, and edits that touch only the bytes they must (RFC 5322 §2.2).

One compiled expression walks the block once. Nothing is decoded, copied or written anew: a field is where it starts,
where its colon stands and where it ends, and an edit is a span with the bytes to put in its place.
"""

import re
from collections.abc import Iterable
from functools import cached_property

import msgspec

MAX_BLOCK_SIZE = 256 * 1024
MAX_FIELDS = 1000

# RFC 5322 §2.2: a name is printable ASCII without colon; §2.2.3: a line that begins with white space goes on.
_FIELD = re.compile(rb"([!-9;-~]+):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")
_SPACE_BEFORE_COLON = re.compile(rb"[!-9;-~]+[ \t]+:")
_FOLD = re.compile(rb"\r\n(?=[ \t])")


class Field(msgspec.Struct, frozen=True, gc=False):
    """One header field: where it stands in the content."""

    name: bytes
    """In lower case."""
    start: int
    colon: int
    end: int
    """Behind the CRLF of its last line."""


class HeaderFault(msgspec.Struct, frozen=True):
    """Why a header block cannot be read: a stable rule and one sentence that says what to change."""

    rule: str
    text: str


class HeaderBlock(msgspec.Struct, frozen=True, dict=True):
    """The fields of a message in their order, and where its body begins."""

    content: bytes
    fields: tuple[Field, ...]
    end: int
    """Behind the last field."""
    body_offset: int
    """Behind the empty line; equal to ``end`` where there is none and so no body (RFC 5322 §3.5)."""
    is_ascii: bool

    def raw(self, field: Field) -> bytes:
        """Return the whole field as it stands, folding and final CRLF included."""
        return self.content[field.start : field.end]

    def value(self, field: Field) -> bytes:
        """Return what stands between the colon and the final CRLF, folding included."""
        return self.content[field.colon + 1 : field.end - 2]

    def text(self, field: Field) -> bytes:
        """Return the value unfolded and without white space at its ends."""
        return unfold(self.value(field)).strip(b" \t")

    @cached_property
    def by_name(self) -> dict[bytes, list[Field]]:
        """The fields of each name in lower case, top first."""
        index: dict[bytes, list[Field]] = {}
        for field in self.fields:
            index.setdefault(field.name, []).append(field)
        return index

    def named(self, name: bytes) -> list[Field]:
        """Return the fields of a name (given in lower case), top first."""
        return self.by_name.get(name, [])

    def first(self, name: bytes) -> Field | None:
        """Return the topmost field of a name (given in lower case)."""
        found = self.by_name.get(name)
        return found[0] if found else None

    @property
    def body(self) -> bytes:
        """The bytes behind the empty line."""
        return self.content[self.body_offset :]


def split(content: bytes) -> HeaderBlock | HeaderFault:
    """Read the header block; a content without an empty line is all header."""
    end, body_offset = _bounds(content)
    if end < 0:
        return HeaderFault(
            "header_block_too_large",
            f"The header block is larger than {MAX_BLOCK_SIZE} octets; shorten it, or end it with an empty line.",
        )
    fields: list[Field] = []
    position = 0
    match = _FIELD.match
    while position < end:
        found = match(content, position, end)
        if found is None:
            return _fault_at(content, position, end)
        name = found[1]
        position, start = found.end(), position
        fields.append(Field(name.lower(), start, start + len(name), position))
    if len(fields) > MAX_FIELDS:
        return HeaderFault(
            "too_many_header_fields",
            f"The header block has {len(fields)} fields; {MAX_FIELDS} are allowed. Remove those nobody needs.",
        )
    return HeaderBlock(content, tuple(fields), end, body_offset, content[:end].isascii())


def _bounds(content: bytes) -> tuple[int, int]:
    """Return the end of the fields and the start of the body; the end is -1 past the size limit."""
    if content.startswith(b"\r\n"):
        return 0, 2
    empty_line = content.find(b"\r\n\r\n", 0, MAX_BLOCK_SIZE + 2)
    if empty_line >= 0:
        return empty_line + 2, empty_line + 4
    if len(content) > MAX_BLOCK_SIZE:
        return -1, -1
    return len(content), len(content)


def _fault_at(content: bytes, position: int, end: int) -> HeaderFault:
    """Say what is wrong with the header line that begins at ``position``."""
    line_end = content.find(b"\r\n", position, end)
    line = content[position : line_end if line_end >= 0 else end]
    number = content.count(b"\r\n", 0, position) + 1
    if position == 0 and line[:1] in {b" ", b"\t"}:
        return HeaderFault(
            "header_begins_folded",
            "The first header line begins with white space; only a line that goes on with another field may.",
        )
    if line_end < 0:
        return HeaderFault("header_line_not_ended", f"Header line {number} does not end with CRLF.")
    if b"\r" in line or b"\n" in line:
        return HeaderFault("header_bare_cr_or_lf", f"Header line {number} holds a CR or LF that is not part of CRLF.")
    if _SPACE_BEFORE_COLON.match(line):
        # RFC 5322 §4.5 lets readers take it as obsolete syntax; they differ, so it is not passed on.
        return HeaderFault(
            "header_space_before_colon", f"Header line {number} has white space before its colon; remove it."
        )
    name, colon, _ = line.partition(b":")
    if not colon:
        return HeaderFault(
            "header_line_without_colon",
            f"Header line {number} ({_shown(line)}) has no colon; write Name: value, and an empty line before the body.",
        )
    if not name:
        return HeaderFault("header_name_empty", f"Header line {number} begins with a colon; the field has no name.")
    return HeaderFault(
        "header_name_invalid",
        f"Header line {number} ({_shown(line)}) has a field name with characters other than printable ASCII.",
    )


def _shown(line: bytes) -> str:
    text = line[:40].decode("ascii", "backslashreplace")
    return f'"{text}…"' if len(line) > 40 else f'"{text}"'


def unfold(value: bytes) -> bytes:
    """Take out the CRLF of each fold and leave the white space behind it (RFC 5322 §2.2.3)."""
    return _FOLD.sub(b"", value) if b"\r\n" in value else value


def fold(name: str, words: Iterable[str], width: int = 78) -> bytes:
    """Write a field, beginning a new line before each word that would pass ``width`` columns (RFC 5322 §2.1.1)."""
    lines: list[str] = []
    line = f"{name}:"
    for word in words:
        if len(line) + 1 + len(word) > width and not line.isspace() and line != f"{name}:":
            lines.append(line)
            line = ""
        line += f" {word}"
    lines.append(line)
    return "\r\n".join(lines).encode() + b"\r\n"


class Edit(msgspec.Struct, frozen=True):
    """Bytes to put in place of one span of the content."""

    start: int
    end: int
    replacement: bytes


def remove(field: Field) -> Edit:
    """Take a field out."""
    return Edit(field.start, field.end, b"")


def replace(field: Field, raw: bytes) -> Edit:
    """Put whole lines, final CRLF included, in place of a field."""
    return Edit(field.start, field.end, raw)


def insert_at_top(raw: bytes) -> Edit:
    """Put whole lines above the first field."""
    return Edit(0, 0, raw)


def insert_at_end(block: HeaderBlock, raw: bytes) -> Edit:
    """Put whole lines below the last field."""
    return Edit(block.end, block.end, raw)


def apply(block: HeaderBlock, edits: Iterable[Edit]) -> bytes:
    """Return the content with the edits made; every byte outside their spans stays.

    Insertions at one place keep the order in which they are given.
    """
    pieces: list[bytes] = []
    position = 0
    content = block.content
    for edit in sorted(edits, key=_place):
        if edit.start < position or edit.end > block.end:
            raise ValueError(f"edit of {edit.start}..{edit.end} overlaps another one or leaves the header block")
        pieces += (content[position : edit.start], edit.replacement)
        position = edit.end
    pieces.append(content[position:])
    return b"".join(pieces)


def _place(edit: Edit) -> tuple[int, int]:
    return edit.start, edit.end
