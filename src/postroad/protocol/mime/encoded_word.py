"""Encoded words: text beyond ASCII in header fields (RFC 2047)."""

import base64
import binascii
import codecs
import re

# RFC 2047 §2; RFC 2231 §5 lets a language follow the character set.
_WORD = re.compile(r"=\?([A-Za-z0-9!#$%&'+^_`{}~-]+)(?:\*[A-Za-z0-9-]*)?\?([BbQq])\?([!->@-~]*)\?=")
# RFC 2047 §6.2: white space between two encoded words is there only because they had to be told apart.
_BETWEEN = re.compile(r"(\?=)[ \t\r\n]+(?==\?)")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_SAFE_CODECS = re.compile(r"(?i)\A(?:utf-?8|us-ascii|ascii|iso-?8859-\d{1,2}|windows-\d{3,4}|cp\d{3,4}|koi8-[rtu]|"
                          r"iso-2022-(?:jp|kr)(?:-\d)?|euc-(?:jp|kr)|shift_jis|big5|gb2312|gbk|gb18030|tis-620)\Z")  # fmt: skip
# RFC 2047 §2: an encoded word has at most 75 characters; "=?utf-8?b?" and "?=" take 12 of them.
_OCTETS_PER_WORD = 45
_LONGEST_WORD = 900
"""A longer one could not stand on a line of its own behind a field's name (RFC 5322 §2.1.1)."""


def decode(value: bytes) -> str:
    """Return a header value for people: unfolded, encoded words decoded, what cannot be read shown as U+FFFD."""
    text = value.replace(b"\r\n", b"").decode("utf-8", "replace").strip(" \t")
    if "=?" not in text:
        return text
    text = _BETWEEN.sub(r"\1", text) if "?=" in text else text
    return _join(text)


def _join(text: str) -> str:
    """Decode each encoded word; neighbours of one character set may share a character, so their octets are joined."""
    pieces: list[str] = []
    octets, charset, position = b"", "", 0
    for word in _WORD.finditer(text):
        decoded = _octets(word[2], word[3])
        if word.start() != position or word[1].lower() != charset or decoded is None:
            pieces.append(_text(octets, charset))
            octets = b""
        pieces.append(text[position : word.start()])
        if decoded is None:
            pieces.append(word[0])
        else:
            octets += decoded
        charset, position = word[1].lower(), word.end()
    pieces += (_text(octets, charset), text[position:])
    return "".join(pieces)


def _octets(encoding: str, text: str) -> bytes | None:
    octets = text.encode("ascii")
    if encoding in "Qq":
        return _HEX.sub(lambda found: bytes([int(found[1], 16)]), octets.replace(b"_", b" "))
    try:
        return base64.b64decode(octets + b"=" * (-len(octets) % 4))
    except binascii.Error:
        return None


def _text(octets: bytes, charset: str) -> str:
    return octets.decode(known_charset(charset) or "ascii", "replace") if octets else ""


def known_charset(name: str) -> str | None:
    """Return a character set by which strangers' text may be decoded; None for what is none, or not known here."""
    # Only character sets are looked up: Python knows codecs of other kinds by name, some of them costly.
    if not _SAFE_CODECS.match(name):
        return None
    try:
        return codecs.lookup(name).name
    except LookupError:
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


def _word(octets: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(octets).decode()}?="
