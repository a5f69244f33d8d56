"""The HTML or text of one part with its links led over the tracking host, laid out in the transfer encoding that it has.

Of quoted-printable text only the changed values are encoded, between soft line breaks of their own; of base64 everything
is. A part that would get lines longer than RFC 5322 allows becomes quoted-printable.
"""

import functools
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from postroad.protocol.mime import transfer_encoding
from postroad.protocol.mime.structure import Part
from postroad.rendering.merge_body import ARMOUR, LONGEST_LINE, ascii_codec_of
from postroad.tracking.html_links import Links, WebLink, links_in
from postroad.tracking.text_links import links_in_text
from postroad.tracking.token import HEAD_LETTERS, LONGEST_URL, PATHS, Kind, Place, written

_IDENTITY = frozenset({"7bit", "8bit", "binary"})
_SOFT_BREAK = b"=\r\n"
_COLUMNS = 75
"""One less than a line of quoted-printable may have (RFC 2045 §6.7 (5)): the ``=`` of a soft break takes the last."""
_ENCODED = re.compile(rb"=(?:([0-9A-Fa-f]{2})|[ \t]*(?:\r\n|\Z))")
_ENDS_SOFTLY = re.compile(rb"=[ \t]*\Z")
"""The line end that a last soft line break lacks is that before the boundary."""


class Wishes(msgspec.Struct, frozen=True):
    """What is asked of a message's copies."""

    clicks: bool = False
    text_clicks: bool = False
    """Addresses in plain text are led over the tracking host too, where clicks are."""
    opens: bool = False
    unsubscribe: bool = False
    """Its header says how to unsubscribe, unless the sender's own does."""
    trap: bool = False
    """A hidden link shows who follows every one."""


class Slot(msgspec.Struct, frozen=True):
    """Where the head of a token goes; its payload stands behind it."""

    kind: Kind
    payload: bytes = b""


class Base64(msgspec.Struct, frozen=True):
    """Octets that are encoded once they are filled in."""

    pieces: tuple[bytes | Slot, ...]
    is_open: bool
    """It has no line end behind its last line."""

    def encoded(self, octets: bytes) -> bytes:
        """Return filled octets as they travel."""
        encoded = transfer_encoding.base64(octets)
        return encoded.removesuffix(b"\r\n") if self.is_open else encoded


Piece = bytes | Slot | Base64


class TrackedBody(msgspec.Struct, frozen=True):
    """A body laid out."""

    pieces: tuple[Piece, ...]
    is_recoded: bool = False
    """It is quoted-printable now."""


class _Change(msgspec.Struct, frozen=True):
    """A span of the decoded text and what stands there instead."""

    start: int
    end: int
    pieces: tuple[bytes | Slot, ...]


def body_of(part: Part, octets: bytes, place: Place, wishes: Wishes) -> TrackedBody | None:
    """Lay the body of an HTML or text part out; None where it stays as it is."""
    kind = part.content_type
    goes_on = (kind.parameters.get("format", "").lower(), kind.parameters.get("delsp", "").lower()) == ("flowed", "yes")
    asked = _Asked(kind.parameters.get("charset", "us-ascii"), kind.subtype == "html", goes_on, place, wishes)
    if part.transfer_encoding in _IDENTITY:
        return _plain(octets, asked)
    if part.transfer_encoding == "quoted-printable":
        return _quoted(octets, asked)
    if part.transfer_encoding == "base64":
        return _base64(octets, asked)
    return None


def joined(pieces: Iterable[Piece | None]) -> tuple[Piece | None, ...]:
    """Return pieces with those that stay put together."""
    whole: list[Piece | None] = []
    stays: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            stays.append(piece)
        else:
            whole += (b"".join(stays), piece)
            stays = []
    return tuple(piece for piece in (*whole, b"".join(stays)) if piece != b"")


def _plain(octets: bytes, asked: "_Asked") -> TrackedBody | None:
    changes = _changes(octets, asked)
    if not changes:
        return None
    pieces = tuple(_replaced(octets, changes))
    if _longest_line(pieces) <= LONGEST_LINE:
        return TrackedBody(pieces)
    quoted = _quoted(transfer_encoding.quoted_printable_part(octets), asked)
    return None if quoted is None else TrackedBody(quoted.pieces, is_recoded=True)


def _base64(octets: bytes, asked: "_Asked") -> TrackedBody | None:
    try:
        decoded = transfer_encoding.decode_base64(octets)
    except ValueError:
        return None
    changes = _changes(decoded, asked)
    if not changes:
        return None
    return TrackedBody((Base64(tuple(_replaced(decoded, changes)), is_open=not octets.endswith(b"\r\n")),))


def _quoted(octets: bytes, asked: "_Asked") -> TrackedBody | None:
    decoded = _Decoded(octets)
    changes = _changes(decoded.octets, asked)
    if not changes:
        return None
    pieces: list[bytes | Slot] = []
    position = 0
    for change in changes:
        start, end = decoded.place_of(change.start), decoded.place_of(change.end)
        pieces += (octets[position:start], *_encoded(change.pieces, octets, start, end))
        position = end
    return TrackedBody((*pieces, octets[position:]))


class _Decoded:
    """Quoted-printable text decoded, and where each octet of it stood (RFC 2045 §6.7)."""

    def __init__(self, encoded: bytes) -> None:
        pieces: list[bytes] = []
        self._decoded, self._encoded = [0], [0]
        length = position = 0
        for found in _ENCODED.finditer(encoded):
            octet = bytes.fromhex(found[1].decode()) if found[1] else b""
            pieces += (encoded[position : found.start()], octet)
            length += found.start() - position + len(octet)
            position = found.end()
            self._decoded.append(length)
            self._encoded.append(position)
        self.octets = b"".join([*pieces, encoded[position:]])

    def place_of(self, offset: int) -> int:
        """Return where an octet of the decoded text begins."""
        at = bisect_right(self._decoded, offset) - 1
        return self._encoded[at] + offset - self._decoded[at]


def _encoded(pieces: Sequence[bytes | Slot], octets: bytes, start: int, end: int) -> Iterator[bytes | Slot]:
    """Encode new text for one place: on lines of its own, whose ends are soft."""
    if start == len(octets) and _ENDS_SOFTLY.search(octets, max(0, start - _COLUMNS)):
        yield b"\r\n"
    elif start and not octets.startswith(b"\r\n", start - 2):
        yield _SOFT_BREAK
    column = 0
    for piece in pieces:
        if isinstance(piece, Slot):
            if column + HEAD_LETTERS > _COLUMNS:
                yield _SOFT_BREAK
                column = 0
            yield piece
            column += HEAD_LETTERS
            continue
        # All that is put in is printable ASCII.
        text = piece.replace(b"=", b"=3D")
        while column + len(text) > _COLUMNS:
            cut = _COLUMNS - column
            split = text.rfind(b"=", max(0, cut - 2), cut)
            cut = cut if split < 0 else split
            yield text[:cut] + _SOFT_BREAK
            text, column = text[cut:], 0
        yield text
        column += len(text)
    if end < len(octets) and not octets.startswith(b"\r\n", end):
        yield _SOFT_BREAK


class _Asked(msgspec.Struct, frozen=True):
    """What is to become of a text in a character set."""

    charset: str
    is_html: bool
    goes_on: bool
    """A space at the end of a line of text is none, and the line goes on in the next (RFC 3676 §4.1, DelSp)."""
    place: Place
    wishes: Wishes


def _changes(octets: bytes, asked: _Asked) -> list[_Change]:
    place, wishes = asked.place, asked.wishes
    codec = ascii_codec_of(asked.charset, octets)
    if codec is None or ARMOUR.search(octets):
        # Its octets are no ASCII, or mean other things too; or PGP has signed or encrypted them.
        return []
    if asked.is_html:
        found = links_in(octets, codec)
    else:
        found = Links(links_in_text(octets, codec, goes_on=asked.goes_on), len(octets))
    # The unsubscribe link says itself what is to be done.
    own = tuple(place.origin + path for path in PATHS.values())
    wanted = [link for link in found.links if wishes.clicks and not link.url.startswith(own)]
    changes = [change for link in wanted if (change := _link_change(link, place)) is not None]
    added: list[bytes | Slot] = []
    if wishes.opens and asked.is_html:
        start = b'<img src="' + place.link(Kind.OPEN).encode()
        added += (start, Slot(Kind.OPEN), b'" width="1" height="1" alt="">')
    if wishes.trap and wishes.clicks and asked.is_html:
        start = b'<a href="' + place.link(Kind.TRAP).encode()
        added += (
            start,
            Slot(Kind.TRAP),
            b'" style="display:none" aria-hidden="true" tabindex="-1" rel="nofollow"></a>',
        )
    if added:
        changes.append(_Change(found.body_end, found.body_end, tuple(added)))
    return sorted(changes, key=lambda change: change.start)


@functools.lru_cache(maxsize=4096)
def _payload_of(url: str) -> tuple[bytes, bytes]:
    """Return a payload and how it is written; the links of a message that is made anew for each recipient come again."""
    return url.encode(), written(url.encode()).encode()


def _link_change(link: WebLink, place: Place) -> _Change | None:
    before = place.link(Kind.CLICK).encode()
    if len(link.url) > LONGEST_URL:
        return None
    payload, behind = _payload_of(link.url)
    if len(before) + HEAD_LETTERS + len(behind) > LONGEST_URL:
        return None
    return _Change(link.start, link.end, (before, Slot(Kind.FORM if link.is_form else Kind.CLICK, payload), behind))


def _replaced(octets: bytes, changes: Sequence[_Change]) -> Iterator[bytes | Slot]:
    position = 0
    for change in changes:
        yield octets[position : change.start]
        yield from change.pieces
        position = change.end
    yield octets[position:]


def _longest_line(pieces: Iterable[bytes | Slot]) -> int:
    measured = b"".join([b"x" * HEAD_LETTERS if isinstance(piece, Slot) else piece for piece in pieces])
    return max(map(len, measured.split(b"\r\n")))
