"""Forms as programs post them: ``application/x-www-form-urlencoded`` and ``multipart/form-data`` (RFC 7578).

A form is read from all of its octets at once. What is counted and measured here keeps a hostile one from costing more than
its octets do.
"""

import binascii
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import msgspec

MOST_PARTS = 4000
"""Fields and files of one form: a thousand recipients, each in a field of its own, and more."""
LONGEST_NAME = 1000
_LONGEST_HEAD = 16 * 1024
_LONGEST_BOUNDARY = 200
"""RFC 2046 §5.1.1 allows 70; some clients take a few more."""
_PARAMETER = re.compile(rb"[ \t]*([!#-'*+.0-9A-Z^-~-]+)[ \t]*=[ \t]*([^ \t;\"]*)")
_QUOTE_END = re.compile(rb'(?<!\\)"|"(?=[ \t]*+(?:;|\Z))')
"""Browsers write a backslash as itself, other clients write one before a quote."""
_MOST_PARAMETERS = 50
"""Of one value; the name of a part and that of its file are looked for."""
_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_EXTENDED = re.compile(rb"(?i)utf-8'[^']*'(.*)")


class FormError(Exception):
    """A body is no form, or one beyond all measure; the text says why, as the end of a sentence."""


class Upload(msgspec.Struct, frozen=True):
    """A file that came with a form."""

    field: str
    filename: str
    content_type: str
    """As it was declared; empty where it was not."""
    octets: bytes


class Form(msgspec.Struct, frozen=True):
    """The fields of a form in their order, as octets, and its files."""

    fields: dict[str, list[bytes]]
    files: tuple[Upload, ...] = ()

    def texts(self, name: str) -> list[str]:
        """Return every value of a field; octets that are not UTF-8 become U+FFFD."""
        return [value.decode("utf-8", "replace") for value in self.fields.get(name, ())]

    def files_of(self, name: str) -> list[Upload]:
        """Return the files of a field."""
        return [one for one in self.files if one.field == name]


def read_urlencoded(octets: bytes) -> Form:
    """Read ``name=value&…``; raises FormError."""
    if octets.count(b"&") >= MOST_PARTS:
        raise FormError(f"has more than {MOST_PARTS} fields")
    fields: dict[str, list[bytes]] = {}
    for pair in octets.split(b"&"):
        if not pair:
            continue
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        fields.setdefault(_name(_unquoted(name)), []).append(_unquoted(value))
    return Form(fields)


def _unquoted(octets: bytes) -> bytes:
    """Undo percent-encoding, leaving as it is what is none."""
    if b"%" not in octets:
        return octets
    octets = _NO_ESCAPE.sub(b"%25", octets)
    # Quoted-printable (RFC 2045 §6.7) is the same with another sign, and its decoder makes no object of each escape.
    return binascii.a2b_qp(octets.replace(b"=", b"=3D").replace(b"%", b"="))


class PartCounter:
    """Counts what stands between the parts of a form while it comes in, so that one of too many is refused at once."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._tail = b""
        self._count = 0

    def feed(self, chunk: bytes) -> None:
        """Look at the next octets; raises FormError."""
        octets = self._tail + chunk if self._tail else chunk
        self._count += octets.count(self._mark)
        if len(self._mark) > 1:
            self._tail = octets[1 - len(self._mark) :]
        if self._count > MOST_PARTS:
            raise FormError(f"has more than {MOST_PARTS} fields")


def boundary_of(content_type: bytes) -> bytes:
    """Return the boundary that the type of a multipart body names; raises FormError where it names none."""
    boundary = _parameters(content_type).get(b"boundary", b"")
    if not 1 <= len(boundary) <= _LONGEST_BOUNDARY:
        raise FormError("names no boundary in its Content-Type")
    return boundary


def read_multipart(octets: bytes, boundary: bytes) -> Form:
    """Read the parts between the delimiters of a boundary; raises FormError."""
    fields: dict[str, list[bytes]] = {}
    files: list[Upload] = []
    for number, (head, body) in enumerate(_parts(octets, boundary)):
        if number >= MOST_PARTS:
            raise FormError(f"has more than {MOST_PARTS} parts")
        name, filename, content_type = _described(head)
        if filename is None:
            fields.setdefault(name, []).append(body)
        else:
            files.append(Upload(name, filename, content_type, body))
    return Form(fields, tuple(files))


def _parts(octets: bytes, boundary: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the head and body of each part."""
    delimiter = b"\r\n--" + boundary
    # The first delimiter stands at the beginning, or behind a preamble (RFC 2046 §5.1.1).
    at = len(delimiter) - 2 if octets.startswith(delimiter[2:]) else _behind(octets, delimiter, 0)
    while not octets.startswith(b"--", at):
        line_end = octets.find(b"\r\n", at, at + _LONGEST_BOUNDARY)
        head_end = octets.find(b"\r\n\r\n", line_end, line_end + _LONGEST_HEAD) if line_end >= 0 else -1
        if head_end < 0:
            raise FormError("has a part without an empty line behind its header")
        following = _behind(octets, delimiter, head_end + 2)
        yield octets[line_end + 2 : head_end], octets[head_end + 4 : following - len(delimiter)]
        at = following


def _behind(octets: bytes, delimiter: bytes, start: int) -> int:
    """Return where the next delimiter line's boundary ends."""
    while True:
        found = octets.find(delimiter, start)
        if found < 0:
            raise FormError("ends before its last boundary")
        behind = found + len(delimiter)
        # What goes on is another boundary, or text that begins as this one does.
        if octets[behind : behind + 2] in {b"\r\n", b"--"} or octets[behind : behind + 1] in {b" ", b"\t"}:
            return behind
        start = found + 1


def _described(head: bytes) -> tuple[str, str | None, str]:
    """Return the field's name, the file's name where the part is a file, and its declared type."""
    disposition = content_type = b""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        match name.strip().lower():
            case b"content-disposition":
                disposition = value
            case b"content-type":
                content_type = value.strip()
    named = _parameters(disposition)
    if b"name" not in named:
        raise FormError("has a part without a name")
    # RFC 7578 §4.2 has no filename*; clients write it nevertheless.
    extended = _EXTENDED.fullmatch(named.get(b"filename*", b""))
    raw = unquote_to_bytes(extended[1]) if extended else named.get(b"filename")
    filename = None if raw is None else raw.decode("utf-8", "replace")
    return _name(named[b"name"]), filename, content_type.decode("latin-1")


def _parameters(value: bytes) -> dict[bytes, bytes]:
    """Return the parameters behind a value's first semicolon, names in lower case; of two the first holds."""
    found: dict[bytes, bytes] = {}
    at = value.find(b";") + 1
    for _ in range(_MOST_PARAMETERS):
        parameter = _PARAMETER.match(value, at) if at else None
        if parameter is None:
            break
        name, text, at = parameter[1].lower(), parameter[2], parameter.end()
        if not text and value.startswith(b'"', at):
            closed = _QUOTE_END.search(value, at + 1)
            end = len(value) if closed is None else closed.start()
            text, at = _unescaped(value[at + 1 : end]), end
        found.setdefault(name, text)
        at = value.find(b";", at) + 1
    return found


def _unescaped(text: bytes) -> bytes:
    """Return a quoted text without the backslashes before quotes and backslashes."""
    return b"\\".join([piece.replace(b'\\"', b'"') for piece in text.split(b"\\\\")])


def _name(octets: bytes) -> str:
    if len(octets) > LONGEST_NAME:
        raise FormError(f"has a field whose name is longer than {LONGEST_NAME} octets")
    return octets.decode("utf-8", "replace")
