"""The parts of a message as byte spans, for the few cases in which something within the body must change.

Depth and number are bounded; what lies beyond is one part that nobody looks into.
"""

import re

import msgspec

from postroad.protocol.mime.header import MAX_BLOCK_SIZE, HeaderBlock, HeaderFault, split

MAX_DEPTH = 20
MAX_PARTS = 1000
_EMPTY_LINE = 4
"""Octets behind a header by which it is seen to end."""

# RFC 2045 §5.1: a parameter's value is a token or a quoted string.
_PARAMETER = re.compile(rb';[ \t]*([!#-\'*+.0-9A-Z^-~-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^ \t;"]+))')
_TYPE = re.compile(rb"[ \t]*([!#-'*+.0-9A-Z^-~-]+)/([!#-'*+.0-9A-Z^-~-]+)", re.IGNORECASE)


class ContentType(msgspec.Struct, frozen=True):
    """A media type with its parameters, names in lower case."""

    type: str
    subtype: str
    parameters: dict[str, str]


PLAIN = ContentType("text", "plain", {})
_MESSAGE = ContentType("message", "rfc822", {})


class Part(msgspec.Struct, frozen=True):
    """A message or body part: where its header and body stand in the whole content."""

    start: int
    body_start: int
    end: int
    block: HeaderBlock
    """Its header block; spans within it count from ``start``, and of a part within others it ends somewhere in the body."""
    content_type: ContentType
    transfer_encoding: str
    """In lower case; ``7bit`` where none is named (RFC 2045 §6.1)."""
    children: tuple["Part", ...] = ()

    @property
    def is_signed(self) -> bool:
        """Whether its parts are covered by a signature of the author's (RFC 1847)."""
        return (self.content_type.type, self.content_type.subtype) == ("multipart", "signed")


def parse_content_type(value: bytes) -> ContentType:
    """Read the value of a Content-Type field; what cannot be read is plain text (RFC 2045 §5.2)."""
    found = _TYPE.match(value.replace(b"\r\n", b""))
    if found is None:
        return PLAIN
    parameters: dict[str, str] = {}
    for name, quoted, token in _PARAMETER.findall(value.replace(b"\r\n", b"")):
        text = re.sub(rb"\\(.)", rb"\1", quoted) if quoted else token
        parameters.setdefault(name.decode("latin-1").lower(), text.decode("utf-8", "replace"))
    return ContentType(found[1].decode("latin-1").lower(), found[2].decode("latin-1").lower(), parameters)


def parse(content: bytes, *, is_lenient: bool = False) -> Part | HeaderFault:
    """Return the tree of parts of a whole message; if lenient, without parts whose own header cannot be read."""
    return _Walk(content, is_lenient=is_lenient).part(0, len(content), depth=0, default=PLAIN)


class _Walk:
    """One walk over a message, counting the parts it meets."""

    def __init__(self, content: bytes, *, is_lenient: bool) -> None:
        self._content = content
        self._is_lenient = is_lenient
        self._count = 0

    def part(self, start: int, end: int, *, depth: int, default: ContentType) -> Part | HeaderFault:
        self._count += 1
        # Of a part within twenty others, a copy of what stands in it would be kept for each.
        block = split(self._content[start : min(end, start + MAX_BLOCK_SIZE + _EMPTY_LINE)] if depth else self._content)
        if isinstance(block, HeaderFault):
            return block
        declared = block.first(b"content-type")
        content_type = parse_content_type(block.value(declared)) if declared else default
        coded = block.first(b"content-transfer-encoding")
        encoding = block.text(coded).decode("latin-1").lower() if coded else "7bit"
        body_start = start + block.body_offset
        # RFC 2046 §5.1.5: what does not say what it is, is a message in a digest.
        is_digest = (content_type.type, content_type.subtype) == ("multipart", "digest")
        children: list[Part] = []
        for child_start, child_end in self._children(content_type, body_start, end) if depth < MAX_DEPTH else ():
            child = self.part(child_start, child_end, depth=depth + 1, default=_MESSAGE if is_digest else PLAIN)
            if not isinstance(child, HeaderFault):
                children.append(child)
            elif not self._is_lenient:
                return child
        return Part(start, body_start, end, block, content_type, encoding, tuple(children))

    def _children(self, content_type: ContentType, start: int, end: int) -> list[tuple[int, int]]:
        if content_type.type == "message" and content_type.subtype in {"rfc822", "global"}:
            return [(start, end)]
        boundary = content_type.parameters.get("boundary", "")
        # RFC 2046 §5.1.1: a boundary has at most 70 characters.
        if content_type.type != "multipart" or not 1 <= len(boundary) <= 70:
            return []
        return self._spans(boundary.encode(), start, end)

    def _spans(self, boundary: bytes, start: int, end: int) -> list[tuple[int, int]]:
        """Return where the parts between delimiter lines stand; the CRLF before a delimiter belongs to it."""
        delimiter = re.compile(rb"\r\n--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r\n|\Z)")
        spans: list[tuple[int, int]] = []
        begun: int | None = None
        # The first delimiter may stand at once behind the header, whose last CRLF then belongs to it.
        for found in delimiter.finditer(self._content, start - 2, end):
            if begun is not None:
                spans.append((min(begun, found.start()), found.start()))
            if found[1] is not None or self._count + len(spans) >= MAX_PARTS:
                return spans
            begun = min(found.end() + 2, end)
        if begun is not None:
            spans.append((begun, end))
        return spans
