"""The body of a text part with placeholders: taken apart once, filled for each recipient.

What stays is kept as it travels; only the lines that hold placeholders are decoded. Of quoted-printable text that is the
run of encoded lines that a placeholder touches, as it may go over soft line breaks; of base64 it is everything. UTF-16 and
UTF-32 are looked at as text, for their octets are no ASCII, and keep their byte order and its mark. In ISO-2022-JP and
ISO-2022-KR it is looked for in what is ASCII between the shifts.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import AnyStr

import msgspec

from postroad.protocol.mime import transfer_encoding
from postroad.protocol.mime.charset import LATIN, UNKNOWN, UTF8, Charset, charset_of
from postroad.protocol.mime.structure import Part
from postroad.rendering.merge_values import Values
from postroad.rendering.placeholder import PLACEHOLDER, Segments, segments_of

LONGEST_LINE = 998
"""RFC 5322 §2.1.1."""
TEXTS = frozenset({"plain", "html", "x-amp-html"})
"""Subtypes of text that are read."""
_IDENTITY = frozenset({"7bit", "8bit", "binary"})
_STATEFUL = ("iso2022", "hz", "utf-7")
"""Codecs in which an octet such as 0x25 means other things too, so that text is looked at instead of octets."""
_WIDE = {"utf-16": ("utf-16-be", "utf-16-le"), "utf-32": ("utf-32-be", "utf-32-le")}
"""Codecs in which every character takes more than one octet, in one order or the other."""
_ORDERED = frozenset(order for orders in _WIDE.values() for order in orders)
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
_SOFT_BREAK = b"=\r\n"
_LINE_END = re.compile(r"\r\n|\r|\n")
_SHIFTED = {
    "iso2022_jp": re.compile(rb"\x1b(?!\(B)(?:[^\x1b\n]|\x1b(?!\(B))*+(?:\x1b\(B)?"),
    "iso2022_kr": re.compile(rb"\x1b\$\)C|\x0e[^\x0f\n]*+\x0f?"),
}
"""What is no ASCII: up to the shift back, or to the end of the line (RFC 1468, RFC 1557)."""
_ROMAN = b"\x1b(J"
"""A shift to what is nearly ASCII."""
# RFC 9580 §6.2.1, §7: a text that is signed or encrypted within itself.
ARMOUR = re.compile(rb"^(?:\xef\xbb\xbf)?-----BEGIN PGP (?:SIGNED )?MESSAGE-----", re.MULTILINE)
_BODY = re.compile(r"<body\b|</head\b", re.IGNORECASE)
_LONGEST_HEAD = 4096
"""Characters in which a character set is looked for; browsers look at the first 1,024 octets."""
_CHARSET = re.compile(r"(<meta\b[^<>]{0,200}?\bcharset[ \t]*=[ \t]*[\"']?)[a-z0-9_.:-]+", re.IGNORECASE)
"""In ``<meta charset=…>``, and in the content of ``<meta http-equiv=Content-Type …>``."""
_FILE_NAME = re.compile(rb";[ \t]*filename\*?[0-9*]*[ \t]*=", re.IGNORECASE)


class UnfitError(Exception):
    """The part's character set or transfer encoding cannot hold the result, or what it holds cannot be read."""


class Run(msgspec.Struct, frozen=True):
    """Octets that change: decoded from their transfer encoding and cut at their placeholders."""

    segments: Segments
    begins_line: bool = True
    is_cut: bool = False
    """A soft line break follows (RFC 2045 §6.7 (5))."""
    is_open: bool = False
    """It is base64 without a line end behind its last line."""


class Body(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The body of one text part, taken apart."""

    charset: Charset
    encoding: str
    is_html: bool
    is_flowed: bool
    pieces: tuple[bytes | Run, ...]
    """As they travel where they stay."""
    octets: bytes
    """The whole as it came."""

    def filled(self, values: Values) -> bytes:
        """Return the body for one recipient; raises UnfitError."""
        return b"".join([piece if isinstance(piece, bytes) else self._encoded(piece, values) for piece in self.pieces])

    def recoded(self, values: Values) -> tuple[bytes, bool]:
        """Return the same in quoted-printable, and whether it is UTF-8: what cannot be read keeps its character set.

        Raises:
            UnfitError: It cannot be read, and its character set cannot hold a value.
        """
        # All are looked up before any is found unfit, for those that are missing are told.
        put_in = [self._value(run, at, values) for run, at in self._places]
        if self._texts is None:
            octets = _interleaved(self._fixed(), map(self._octets, put_in))
            return transfer_encoding.quoted_printable_part(b"".join(octets)), False
        text = "".join(_interleaved(self._texts, put_in))
        if self.is_html and self.charset != UTF8:
            text = _declared_utf8(text)
        return transfer_encoding.quoted_printable_part(text.encode("utf-8", "replace")), True

    @cached_property
    def _places(self) -> list[tuple[Run, int]]:
        """Where values stand: each by its run and the number of its segment."""
        return [
            (run, at)
            for run in self.pieces
            if isinstance(run, Run)
            for at, segment in enumerate(run.segments)
            if isinstance(segment, str)
        ]

    def _fixed(self) -> list[bytes]:
        """Return the decoded octets in front of each value, and those behind the last.

        A character may go over two pieces: their octets are joined before they become text.
        """
        fixed: list[bytes] = []
        octets: list[bytes] = []
        for segment in self._decoded():
            if isinstance(segment, bytes):
                octets.append(segment)
            else:
                fixed.append(b"".join(octets))
                octets = []
        return [*fixed, b"".join(octets)]

    @cached_property
    def _texts(self) -> list[str] | None:
        """The same as text, read once for all recipients, as some character sets take long; None where it is none."""
        try:
            return [self.charset.decode(octets) for octets in self._fixed()]
        except UnicodeError:
            return None

    def _decoded(self) -> Iterator[bytes | str]:
        for piece in self.pieces:
            if isinstance(piece, Run):
                yield from piece.segments
            elif self.encoding == "quoted-printable":
                yield transfer_encoding.decode_quoted_printable(piece)
            else:
                yield piece

    def _encoded(self, run: Run, values: Values) -> bytes:
        octets = b"".join(
            [
                segment if isinstance(segment, bytes) else self._octets(self._value(run, at, values))
                for at, segment in enumerate(run.segments)
            ]
        )
        match self.encoding:
            case "quoted-printable":
                return transfer_encoding.without_boundaries(_quoted(octets, is_cut=run.is_cut))
            case "base64":
                encoded = transfer_encoding.base64(octets)
                return encoded.removesuffix(b"\r\n") if run.is_open else encoded
        if (self.encoding == "7bit" and not octets.isascii()) or _longest_line(octets) > LONGEST_LINE:
            raise UnfitError
        # No value may end its part and begin one of its own: whoever has had such a letter knows its boundaries.
        if transfer_encoding.BOUNDARY_LIKE.search(octets):
            raise UnfitError
        return octets

    def _octets(self, value: str) -> bytes:
        try:
            return self.charset.encode(value)
        except UnicodeError as error:
            raise UnfitError from error

    def _value(self, run: Run, at: int, values: Values) -> str:
        name = run.segments[at]
        assert isinstance(name, str)
        value = "\r\n".join(_LINE_END.split(values.text(name, is_html=self.is_html)))
        return _flowed(value, run, at, self.charset.codec) if self.is_flowed else value


def _interleaved(fixed: list[AnyStr], values: Iterable[AnyStr]) -> Iterator[AnyStr]:
    """Yield what stays and, between each two of it, a value."""
    pairs = zip(fixed[:-1], values, strict=True)
    return chain(chain.from_iterable(pairs), fixed[-1:])


def body_of(part: Part, octets: bytes) -> Body | None:
    """Take the body of a text part that is no file apart; None where nothing in it may or need change."""
    kind = part.content_type
    charset = _charset_of(kind.parameters.get("charset", "us-ascii"), octets)
    if charset is not None and _is_wide(charset):
        # RFC 2046 §4.1.1: unencoded it could not have the CRLF that ends a line, so it is not what it says.
        charset = _ordered(charset, octets) if part.transfer_encoding == "base64" else None
    if charset is None:
        return None
    pieces = tuple(_pieces(octets, part.transfer_encoding, charset))
    if all(isinstance(piece, bytes) for piece in pieces) or _is_armoured(octets, part.transfer_encoding, charset):
        return None
    return Body(
        charset=charset,
        encoding=part.transfer_encoding,
        is_html=kind.subtype != "plain",
        is_flowed=kind.subtype == "plain" and kind.parameters.get("format", "").lower() == "flowed",
        pieces=pieces,
        octets=octets,
    )


def is_attachment(part: Part) -> bool:
    """Whether a part is a file and not what is read: RFC 2183 §2.1, and any part with a file's name."""
    field = part.block.first(b"content-disposition")
    if field is None:
        return False
    disposition = part.block.text(field)
    return disposition.lower().startswith(b"attachment") or bool(_FILE_NAME.search(disposition))


def ascii_codec_of(charset: str, octets: bytes) -> str | None:
    """Return a codec whose octets below 0x80 are always ASCII; None where the character set is of another kind."""
    found = _charset_of(charset, octets)
    if found == UNKNOWN:
        return UTF8.codec if _is_utf8(octets) else None
    return None if found is None or _is_wide(found) or found.codec.startswith(_STATEFUL) else found.codec


def is_file(part: Part, read: set[str]) -> bool:
    """Whether a text part is a file: an attachment, or a named part behind what is read.

    Clients show a first text that has a name in its Content-Type alone as the message, and a later one as a file.

    Args:
        part: The part.
        read: The kinds of text that came before it and are read; its own is added.
    """
    kind = part.content_type
    is_named = any(name == "name" or name.startswith("name*") for name in kind.parameters)
    if is_attachment(part) or (is_named and kind.subtype in read):
        return True
    read.add(kind.subtype)
    return False


def _is_armoured(octets: bytes, encoding: str, charset: Charset) -> bool:
    """Whether a text holds a PGP message, or one that PGP signed: nothing in it may change."""
    match encoding:
        case "quoted-printable":
            octets = transfer_encoding.decode_quoted_printable(octets)
        case "base64":
            octets = transfer_encoding.decode_base64(octets)
    if charset.codec in _ORDERED:
        octets = octets.decode(charset.codec, "replace").encode("utf-8", "replace")
    return bool(ARMOUR.search(octets))


def _charset_of(label: str, octets: bytes) -> Charset | None:
    """Return a character set in which ASCII stands for itself, or a wide one; None where it is of another kind."""
    charset = charset_of(label)
    if charset is None:
        # Not a name that anybody registered.
        return UNKNOWN
    if charset.codec == "ascii" and not octets.isascii():
        return UTF8 if _is_utf8(octets) else LATIN
    return charset if _is_wide(charset) or "%a".encode(charset.codec) == b"%a" else None


def _is_wide(charset: Charset) -> bool:
    return charset.codec in _WIDE or charset.codec in _ORDERED


def _ordered(charset: Charset, octets: bytes) -> Charset | None:
    """Return a wide set in the byte order in which placeholders can be read; None where there are none.

    A mark at the beginning would say which it is (RFC 2781 §3.2), but programs leave it out and write either order.
    """
    try:
        decoded = transfer_encoding.decode_base64(octets)
    except ValueError:
        return None
    for order in _WIDE.get(charset.codec, (charset.codec,)):
        if PLACEHOLDER.search(decoded.decode(order, "replace").encode()):
            return Charset(order)
    return None


def _declared_utf8(html: str) -> str:
    """Return HTML whose own elements, too, say that it is UTF-8: some clients believe them."""
    head = _BODY.split(html[:_LONGEST_HEAD], maxsplit=1)[0]
    return _CHARSET.sub(r"\g<1>utf-8", head) + html[len(head) :]


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _pieces(octets: bytes, encoding: str, charset: Charset) -> Iterator[bytes | Run]:
    if encoding in _IDENTITY:
        return _plain_pieces(octets, charset)
    if encoding == "quoted-printable":
        return _quoted_pieces(octets, charset)
    if encoding == "base64":
        return _base64_pieces(octets, charset)
    return iter((octets,))


def _plain_pieces(octets: bytes, charset: Charset) -> Iterator[bytes | Run]:
    """Cut out the lines that hold placeholders; what stands between two of them is one piece."""
    position = 0
    while (found := PLACEHOLDER.search(octets, position)) is not None:
        start = octets.rfind(b"\n", position, found.start()) + 1 or position
        end = octets.find(b"\n", found.end()) + 1 or len(octets)
        yield octets[position:start]
        yield _run(octets[start:end], charset) or octets[start:end]
        position = end
    yield octets[position:]


def _quoted_pieces(octets: bytes, charset: Charset) -> Iterator[bytes | Run]:
    """Cut out the encoded lines that placeholders touch (RFC 2045 §6.7)."""
    kept: list[bytes] = []
    for line in transfer_encoding.logical_lines(octets):
        decoded = transfer_encoding.decode_quoted_printable(line)
        if not PLACEHOLDER.search(decoded):
            kept.append(line)
            continue
        for piece in _runs_of(line, decoded, charset):
            if isinstance(piece, bytes):
                kept.append(piece)
            else:
                yield b"".join(kept)
                yield piece
                kept = []
    yield b"".join(kept)


def _runs_of(line: bytes, decoded: bytes, charset: Charset) -> Iterator[bytes | Run]:
    """Cut one line at its soft breaks into what stays and what placeholders touch."""
    cuts = [0, *(found.end() for found in transfer_encoding.SOFT_BREAK.finditer(line)), len(line)]
    encoded = [line[start:end] for start, end in pairwise(cuts)]
    texts = [transfer_encoding.decode_quoted_printable(one) for one in encoded]
    ends = list(accumulate(map(len, texts)))
    if charset.codec.startswith(_STATEFUL) or b"".join(texts) != decoded:
        # What it is shifted to goes over soft breaks; or it is not well-formed. It is read as a whole, as readers do.
        yield _run(decoded, charset) or line
        return
    position = 0
    for first, last in _touched(decoded, ends):
        yield from encoded[position:first]
        position = last + 1
        run = _run(b"".join(texts[first:position]), charset)
        if run is None:
            yield from encoded[first:position]
        else:
            yield Run(run.segments, begins_line=first == 0, is_cut=position < len(encoded))
    yield from encoded[position:]


def _touched(decoded: bytes, ends: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last encoded line of each run that placeholders touch; runs have no line in common."""
    spans: list[tuple[int, int]] = []
    line = 0
    for found in PLACEHOLDER.finditer(decoded):
        while ends[line] <= found.start():
            line += 1
        first = line
        while ends[line] < found.end():
            line += 1
        if spans and first <= spans[-1][1]:
            first = spans.pop()[0]
        spans.append((first, line))
    return iter(spans)


def _base64_pieces(octets: bytes, charset: Charset) -> Iterator[bytes | Run]:
    try:
        decoded = transfer_encoding.decode_base64(octets)
    except ValueError:
        yield octets
        return
    run = _run(decoded, charset) if charset.codec in _ORDERED or PLACEHOLDER.search(decoded) else None
    yield octets if run is None else Run(run.segments, is_open=not octets.endswith(b"\r\n"))


def _run(octets: bytes, charset: Charset) -> Run | None:
    """Return octets cut at their placeholders; None where what looked like one is part of other characters."""
    if not charset.codec.startswith(_STATEFUL) and charset.codec not in _ORDERED:
        return Run(segments_of(octets))
    shifted = _SHIFTED.get(charset.codec[:10])
    if shifted is not None and _ROMAN not in octets:
        segments = tuple(_segments_between_shifts(octets, charset, shifted))
        return Run(segments) if len(segments) > 1 else None
    try:
        # Each piece is encoded by itself, so that every one begins and ends in ASCII.
        segments = segments_of(octets.decode(charset.codec).encode())
        cut = tuple(one if isinstance(one, str) else one.decode().encode(charset.codec) for one in segments)
    except UnicodeError:
        return None
    return Run(cut) if len(cut) > 1 else None


def _segments_between_shifts(octets: bytes, charset: Charset, shifted: re.Pattern[bytes]) -> Iterator[bytes | str]:
    """Cut octets at placeholders that begin and end in ASCII; what stays need not be of the character set."""
    position = 0
    masked = shifted.sub(lambda found: b"\x80" * len(found[0]), octets)
    for found in PLACEHOLDER.finditer(masked):
        try:
            name = PLACEHOLDER.fullmatch(charset.decode(octets[found.start() : found.end()]).encode())
        except UnicodeError:
            continue
        if name is not None:
            yield octets[position : found.start()]
            yield name[1].decode()
            position = found.end()
    yield octets[position:]


def _quoted(octets: bytes, *, is_cut: bool) -> bytes:
    # What ends the line itself is left to it; before a soft break every line end is one of a value.
    end = octets.rfind(b"\r\n", 0, None if is_cut else -1) + 2
    if end > 1:
        # A value of several lines: their ends are ends of lines (RFC 2045 §6.7 (4)).
        return transfer_encoding.quoted_printable(octets[:end]) + _quoted(octets[end:], is_cut=is_cut)
    if not is_cut:
        return transfer_encoding.quoted_printable_line(octets)
    # One octet more keeps room for the "=" on the last line.
    encoded = transfer_encoding.quoted_printable_line(octets + b"x")[:-1]
    return encoded if encoded.endswith(_SOFT_BREAK) or not encoded else encoded + _SOFT_BREAK


def _longest_line(octets: bytes) -> int:
    return max(map(len, octets.split(b"\r\n")))


def _flowed(value: str, run: Run, at: int, codec: str) -> str:
    """Return a value so that it neither begins a quote nor joins its line to the next (RFC 3676 §4.4, §4.2)."""
    before, after = run.segments[at - 1], run.segments[at + 1]
    assert isinstance(before, bytes)
    assert isinstance(after, bytes)
    if codec in _ORDERED:
        before, after = (one.decode(codec).removeprefix(_BYTE_ORDER_MARK).encode() for one in (before, after))
    is_first = (at == 1 and not before and run.begins_line) or before.endswith(b"\n")
    is_last = after.startswith(b"\r\n") or (not after and at + 2 == len(run.segments) and not run.is_cut)
    lines = value.split("\r\n")
    for number, line in enumerate(lines):
        is_begun, is_ended = is_first or number > 0, is_last or number < len(lines) - 1
        stuffed = f" {line}" if is_begun and line.startswith((" ", ">", "From ")) else line
        # RFC 3676 §4.3: a signature's line keeps its space.
        lines[number] = stuffed.rstrip(" ") if is_ended and line != "-- " else stuffed
    return "\r\n".join(lines)
