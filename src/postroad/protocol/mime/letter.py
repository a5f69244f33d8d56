"""A letter put together of its header, its texts and its files (RFC 5322, RFC 2045 to 2047, RFC 2231, RFC 2387).

The parts stand as readers expect them: the texts as alternatives of which the last one is the best, the files that HTML
shows in one ``multipart/related`` with it, attachments around all that. Each part's transfer encoding is chosen by its
content. The same letter becomes the same octets.
"""

import hashlib
import re
from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from postroad.protocol.mime import transfer_encoding
from postroad.protocol.mime.compose import unstructured
from postroad.protocol.mime.header import HeaderBlock, fold, split
from postroad.protocol.mime.structure import parse_content_type

_NAME = re.compile(r"[!-9;-~]{1,76}")
"""RFC 5322 §3.6.8; longer ones would leave too little of a line for the value."""
_TOKEN = re.compile(r"[!#-'*+.0-9A-Z^-~-]{1,100}")
"""RFC 2045 §5.1."""
_LONGEST_LINE = 78
"""RFC 5322 §2.1.1: longer lines are encoded, as some hosts break them."""
_ASCII = bytes(range(128))
_LONGEST_WORD = 900
_SEGMENT = 60
"""Octets of a parameter's value that stand on one line (RFC 2231 §3)."""
_IN_CID = "!#$%&'*+-./:=?@^_`{|}~"
_OCTETS = "application/octet-stream"


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file within a letter."""

    octets: bytes
    name: str = ""
    content_type: str = _OCTETS
    """With its parameters; what cannot be read, or must not be encoded, becomes plain octets."""
    content_id: str = ""
    """By which HTML shows it; its name where it has none."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What a letter is made of."""

    fields: Sequence[bytes]
    """Written out (``field``, ``compose.unstructured``, ``compose.address_field``), without those of MIME."""
    text: str | None = None
    amp: str | None = None
    html: str | None = None
    others: Sequence[tuple[str, str]] = ()
    """Further alternatives, each with its type: ``text/calendar; method=REQUEST``."""
    inline: Sequence[File] = ()
    """HTML shows them by their identifiers: ``cid:logo.png``."""
    attachments: Sequence[File] = ()


_Part = tuple[bytes, list[bytes]]
"""The fields that describe a part, and the pieces of its body, the last of which ends its last line."""


def is_field_name(name: str) -> bool:
    """Whether a text may be the name of a header field."""
    return _NAME.fullmatch(name) is not None


def field(name: str, value: str) -> bytes:
    """Return a field whose value may be written out already: ASCII stays, encoded words included, and is folded.

    Raises ValueError where the name is none, or where the value has a line end or NUL: a field can never become two.
    """
    if not is_field_name(name) or any(one in value for one in "\r\n\0"):
        raise ValueError(f"{name!r} with the value {value!r} is no header field")
    words = value.split(" ")
    if value.isascii() and value.isprintable() and max(map(len, words)) <= _LONGEST_WORD:
        return fold(name, words)
    return unstructured(name, value)


def compose(letter: Letter) -> bytes:
    """Return the letter's octets, with CRLF at each line's end."""
    header, pieces = _whole(letter)
    return b"".join((*letter.fields, b"MIME-Version: 1.0\r\n", header, b"\r\n", *pieces))


def _whole(letter: Letter) -> _Part:
    texts = [("plain", letter.text), ("x-amp-html", letter.amp), ("html", letter.html)]
    parts = [_text_part(subtype, text) for subtype, text in texts if text is not None]
    best = max(len(parts) - 1, 0)
    parts += [_other_part(kind, text) for kind, text in letter.others]
    if not parts:
        parts = [_text_part("plain", "")]
    if len(parts) == 1 and not letter.inline and not letter.attachments:
        return parts[0]
    boundary = _boundary(letter)
    if letter.inline:
        # RFC 2387 §3.1: the type of what the files belong to is said, which HTML is where there is any.
        kind = "text/plain" if letter.html is None else "text/html"
        shown = [parts[best], *(_file_part(one, is_inline=True) for one in letter.inline)]
        parts[best] = _multipart("related", shown, f"{boundary}-r", f'type="{kind}"')
    whole = parts[0] if len(parts) == 1 else _multipart("alternative", parts, f"{boundary}-a")
    if not letter.attachments:
        return whole
    return _multipart("mixed", [whole, *(_file_part(one) for one in letter.attachments)], f"{boundary}-m")


def _boundary(letter: Letter) -> str:
    """Return what boundaries are made of: "=_" stands in no base64 and in no quoted-printable (RFC 2045 §6.7)."""
    texts = [text for text in (letter.text, letter.amp, letter.html) if text is not None]
    texts += [text for _, text in letter.others]
    digest = hashlib.blake2b(digest_size=12)
    for text in texts:
        digest.update(text.encode("utf-8", "replace"))
    boundary = f"=_{digest.hexdigest()}"
    messages = [one.octets for one in (*letter.inline, *letter.attachments) if _kind_of(one)[2]]
    while any(boundary in text for text in texts) or any(boundary.encode() in octets for octets in messages):
        boundary += "x"
    return boundary


def _multipart(subtype: str, parts: Sequence[_Part], boundary: str, *parameters: str) -> _Part:
    delimiter = f"--{boundary}".encode()
    pieces: list[bytes] = []
    for header, body in parts:
        pieces += (delimiter + b"\r\n" + header + b"\r\n", *body, b"\r\n")
    words = [f"multipart/{subtype};", *(f"{one};" for one in parameters), f'boundary="{boundary}"']
    return fold("Content-Type", words), [*pieces, delimiter + b"--\r\n"]


def _text_part(subtype: str, text: str) -> _Part:
    encoding, body = _encoded(_lines(text))
    header = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return header.encode(), [body]


def _other_part(content_type: str, text: str) -> _Part:
    encoding, body = _encoded(_lines(text))
    kind, parameters, _ = _kind_of(File(octets=b"", content_type=content_type))
    words = [kind, *(one for one in parameters if not one.lower().startswith("charset")), "charset=utf-8"]
    header = fold("Content-Type", [*(f"{one};" for one in words[:-1]), words[-1]])
    return header + f"Content-Transfer-Encoding: {encoding}\r\n".encode(), [body]


def _lines(text: str) -> bytes:
    octets = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n").encode("utf-8", "replace")
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def _is_plain(octets: bytes) -> bool:
    return octets.isascii() and b"\0" not in octets and not _has_long_line(octets)


def _has_long_line(octets: bytes) -> bool:
    # From one line's start look back from the furthest place where a line feed may be: a list of the lines would take
    # many times what they do.
    start, end = 0, len(octets)
    while start + _LONGEST_LINE + 2 <= end:
        line_feed = octets.rfind(b"\n", start, start + _LONGEST_LINE + 2)
        if line_feed < 0:
            return True
        start = line_feed + 1
    last = octets.rfind(b"\n") + 1
    return end - last > _LONGEST_LINE


def _encoded(octets: bytes) -> tuple[str, bytes]:
    """Return text in the encoding that leaves most of it readable."""
    if _is_plain(octets):
        return "7bit", octets
    # An octet beyond ASCII takes three in quoted-printable, and four thirds of one in base64.
    beyond = len(octets.translate(None, _ASCII))
    if beyond * 6 > len(octets):
        return "base64", transfer_encoding.base64(octets)
    return "quoted-printable", transfer_encoding.quoted_printable(octets)


def _file_part(file: File, *, is_inline: bool = False) -> _Part:
    kind, parameters, is_message = _kind_of(file)
    words = [f"{kind};", *(f"{one};" for one in parameters)]
    header = fold("Content-Type", [*words[:-1], words[-1].removesuffix(";")])
    disposition = ["inline" if is_inline else "attachment", *(_parameter("filename", file.name) if file.name else ())]
    header += fold("Content-Disposition", [*(f"{one};" for one in disposition[:-1]), disposition[-1]])
    if is_inline:
        # RFC 2392 §2 writes in percent what a URL cannot hold; readers look for the identifier as it is written.
        header += fold("Content-ID", [f"<{quote(file.content_id or file.name, safe=_IN_CID)[:_LONGEST_WORD]}>"])
    if is_message:
        return header + b"Content-Transfer-Encoding: 7bit\r\n", [file.octets]
    return header + b"Content-Transfer-Encoding: base64\r\n", transfer_encoding.base64_pieces(file.octets)


def _kind_of(file: File) -> tuple[str, list[str], bool]:
    """Return a file's type, its parameters, and whether it is a message that stands in the letter as it is."""
    declared = file.content_type
    if not declared.isascii() or not declared.isprintable() or "/" not in declared:
        return _OCTETS, [], False
    read = parse_content_type(declared.encode())
    kind = f"{read.type}/{read.subtype}"
    if kind.lower() != declared.partition(";")[0].strip().lower() or len(kind) > _LONGEST_WORD // 2:
        return _OCTETS, [], False
    if read.type == "message":
        # RFC 2046 §5.2.1: such a part is never encoded, so that only what needs no encoding can stay a message.
        if read.subtype == "rfc822" and _stands_as_it_is(file.octets):
            return kind, [], True
        return _OCTETS, [], False
    if read.type == "multipart":
        return _OCTETS, [], False
    kept = [
        piece
        for name, value in read.parameters.items()
        if name not in {"name", "boundary"} and _TOKEN.fullmatch(name)
        for piece in _parameter(name, value)
    ]
    return kind, kept, False


def _stands_as_it_is(octets: bytes) -> bool:
    lines = octets.count(b"\r\n")
    if not _is_plain(octets) or lines != octets.count(b"\r") or lines != octets.count(b"\n"):
        return False
    block = split(octets)
    return isinstance(block, HeaderBlock) and bool(block.fields) and octets.endswith(b"\r\n")


def _parameter(name: str, value: str) -> list[str]:
    """Return a parameter, in pieces where it is long or beyond ASCII (RFC 2231 §3 and §4)."""
    value = "".join(one if one.isprintable() else "_" for one in value)
    if value.isascii() and len(value) <= _SEGMENT:
        return ['{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"'))]
    encoded = "utf-8''" + quote(value.encode("utf-8", "replace"), safe="")
    if len(encoded) <= _SEGMENT:
        return [f"{name}*={encoded}"]
    pieces: list[str] = []
    while encoded:
        # A character in percent is not cut in two.
        cut = next((at for at in (_SEGMENT, _SEGMENT - 1, _SEGMENT - 2) if "%" not in encoded[max(at - 2, 0) : at]), 58)
        pieces.append(f"{name}*{len(pieces)}*={encoded[:cut]}")
        encoded = encoded[cut:]
    return pieces
