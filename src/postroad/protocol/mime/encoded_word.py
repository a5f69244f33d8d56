"""Encoded words: text beyond ASCII in header fields (RFC 2047)."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence

import msgspec

from postroad.protocol.mime.charset import charset_of, shown

# RFC 2047 §2; RFC 2231 §5 lets a language follow the character set.
_WORD = re.compile(r"=\?([A-Za-z0-9!#$%&'+^_`{}~-]+)(?:\*[A-Za-z0-9-]*)?\?([BbQq])\?([!->@-~]*)\?=")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
# RFC 2047 §2: an encoded word has at most 75 characters; "=?utf-8?b?" and "?=" take 12 of them.
_OCTETS_PER_WORD = 45
_LONGEST_WORD = 900
"""A longer one could not stand on a line of its own behind a field's name (RFC 5322 §2.1.1)."""


class Unread(msgspec.Struct, frozen=True):
    """Encoded words that are not of the character set that they name, and stay as they came."""

    words: tuple[str, ...]
    shown: str
    """What people may see of them."""


class _Run(msgspec.Struct):
    """Neighbours of one character set: they may share a character, so their octets are joined."""

    start: int
    end: int
    charset: str
    octets: bytes | None
    """None where the one word is ill-formed."""


def decode(value: bytes) -> str:
    """Return a header value for people: unfolded, encoded words decoded, what cannot be read shown as U+FFFD."""
    text = _unfolded(value)
    if "=?" not in text:
        return text
    return "".join(piece if isinstance(piece, str) else piece.shown for piece, _, _ in _pieces(text))


def read(value: bytes) -> list[str | Unread]:
    """Return a header value as text, and what of its encoded words cannot be read between two texts, which may be empty."""
    pieces: list[str | Unread] = []
    texts: list[str] = []
    for piece, _, _ in _pieces(_unfolded(value)):
        if isinstance(piece, str):
            texts.append(piece)
        else:
            pieces += ("".join(texts), piece)
            texts = []
    return [*pieces, "".join(texts)]


def unread(text: str) -> list[tuple[Unread, int, int]]:
    """Return what of the encoded words in an unfolded text cannot be read, and where it begins and ends."""
    return [(piece, start, end) for piece, start, end in _pieces(text) if isinstance(piece, Unread)]


def _unfolded(value: bytes) -> str:
    return value.replace(b"\r\n", b"").decode("utf-8", "replace").strip(" \t")


def _pieces(text: str) -> Iterator[tuple[str | Unread, int, int]]:
    """Cut a text at its encoded words and decode these; yield each piece with the span that it comes from."""
    position = 0
    for run in _runs(text):
        between = text[position : run.start]
        # RFC 2047 §6.2: white space between two encoded words is there only because they had to be told apart.
        if between and (not position or not _is_blank(between)):
            yield between, position, run.start
        yield _read(text, run), run.start, run.end
        position = run.end
    yield text[position:], position, len(text)


def _runs(text: str) -> Iterator[_Run]:
    last: _Run | None = None
    for word in _WORD.finditer(text):
        octets, charset = _octets(word[2], word[3]), word[1].lower()
        if last is not None:
            is_next = last.charset == charset and _is_blank(text[last.end : word.start()])
            if is_next and octets is not None and last.octets is not None:
                last.octets += octets
                last.end = word.end()
                continue
            yield last
        last = _Run(word.start(), word.end(), charset, octets)
    if last is not None:
        yield last


def _is_blank(text: str) -> bool:
    return not text.strip(" \t\r\n")


def _read(text: str, run: _Run) -> str | Unread:
    words = text[run.start : run.end]
    if run.octets is None:
        return Unread((words,), words)
    charset = charset_of(run.charset)
    if charset is None:
        return Unread(tuple(words.split()), run.octets.decode("ascii", "replace"))
    try:
        return charset.decode(run.octets)
    except UnicodeError:
        return Unread(tuple(words.split()), shown(run.octets, run.charset))


def _octets(encoding: str, text: str) -> bytes | None:
    octets = text.encode("ascii")
    if encoding in "Qq":
        return _HEX.sub(lambda found: bytes([int(found[1], 16)]), octets.replace(b"_", b" "))
    try:
        return base64.b64decode(octets + b"=" * (-len(octets) % 4))
    except binascii.Error:
        return None


def encode(text: str) -> tuple[str, ...]:
    """Return the words that stand for ``text`` in an unstructured field or a phrase; ASCII stays as it is."""
    if text.isascii() and "=?" not in text and text.isprintable():
        words = tuple(text.split(" "))
        if max(map(len, words)) <= _LONGEST_WORD:
            return words
    return encoded_words(text)


def encoded_words(text: str) -> tuple[str, ...]:
    """Return encoded words for ``text``, whether or not it needs them."""
    words: list[str] = []
    chunk = b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        # RFC 2047 §5: a character is never cut in two.
        if len(chunk) + len(octets) > _OCTETS_PER_WORD:
            words.append(_word(chunk))
            chunk = b""
        chunk += octets
    words.append(_word(chunk))
    return tuple(words)


def encode_around(pieces: Sequence[str | Unread], encode: Callable[[str], tuple[str, ...]]) -> list[str]:
    """Return the words that stand for texts, and between two of them encoded words as they came.

    White space between encoded words is none (RFC 2047 §6.2). So a text beside them is encoded with its own spaces, but
    where a space parts it from them and it needs no encoding.

    Args:
        pieces: Texts, and what could not be read between two of them.
        encode: What writes a text that stands alone.
    """
    words: list[str] = []
    for at, piece in enumerate(pieces):
        if isinstance(piece, Unread):
            words += piece.words
            continue
        is_parted = (at == 0 or piece.startswith(" ")) and (at + 1 == len(pieces) or piece.endswith(" "))
        bare = piece[at > 0 : len(piece) - (at + 1 < len(pieces))] if is_parted else ""
        written = encode(bare) if bare.strip(" ") else ()
        if written and not any(word.startswith("=?") for word in written):
            words += written
        elif piece:
            words += encoded_words(piece)
    return words


def _word(octets: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(octets).decode()}?="
