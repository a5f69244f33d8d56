"""Where web addresses stand in plain text, as programs that show it make links of them.

These programs differ in where an address ends. What most agree on is found; an address that may go on, for all that can be
seen, is left alone.
"""

import re
import unicodedata

from postroad.tracking.html_links import WebLink
from postroad.tracking.token import LONGEST_URL

_RUN = re.compile(rb"(?<![A-Za-z0-9/@._-])https?://[^\x00-\x20<>\"\x7f/?#][^\x00-\x20<>\"\x7f]*+", re.IGNORECASE)
_NEXT = re.compile(rb"(?<=[,;|!*'()\[\]{}])https?://[^\x00-\x20<>\"\x7f/?#]", re.IGNORECASE)
"""An address right behind another one."""
_WITHIN = re.compile(rb"(?<![=/?&#:%+])https?://", re.IGNORECASE)
"""Unlike the address that another one holds as a value, this may be either."""
_ENDS_SENTENCE = b".,;:!?"
"""What programs agree on: at the end it belongs to the sentence around an address."""
_BEHIND = _ENDS_SENTENCE + b"'*_~([{"
"""What ends a sentence, marks words or begins what is in brackets; some programs count the latter as the address's own."""
_BRACKET_OR_END = re.compile(rb"[()\[\]{}]|[\x80-\xff]")
_OPENED = {b")": b"(", b"]": b"[", b"}": b"{"}
_ENDING = frozenset({"Ps", "Pe", "Pi", "Pf", "Po"})
"""Categories of Unicode: brackets, quotation marks, full stops and the like."""
_LOOKED_AT = 64
"""Octets that are looked at behind an address."""


def links_in_text(octets: bytes, codec: str = "utf-8", *, goes_on: bool = False) -> tuple[WebLink, ...]:
    """Return the web addresses of a plain text in a character set in which ASCII stands for itself.

    Args:
        octets: The text.
        codec: Its character set.
        goes_on: A space at the end of a line is none, and the line goes on in the next (RFC 3676 §4.1, DelSp).
    """
    found = []
    for run in _RUN.finditer(octets):
        starts = [run.start(), *(one.start() for one in _NEXT.finditer(octets, run.start() + 1, run.end()))]
        is_open = goes_on and octets.startswith(b" \r\n", run.end())
        for start, end in zip(starts, (*starts[1:], run.end()), strict=True):
            url = _address(octets, start, end, codec)
            if url and not (is_open and end == run.end() and not octets[start + len(url) : end].strip(_BEHIND)):
                found.append(WebLink(start, start + len(url), url.decode()))
    return tuple(found)


def _address(octets: bytes, start: int, end: int, codec: str) -> bytes:
    """Return the address that begins a run of characters; empty where it is unclear which it is."""
    # What is longer would not be tracked.
    stop = _stop(octets, start, min(end, start + LONGEST_URL + 1))
    address = octets[start:stop].rstrip(_BEHIND)
    if stop - start > LONGEST_URL or _WITHIN.search(address, 1):
        return b""
    # A token as value may end in "_" or "~". Behind a tracked address these would break it for whoever takes them along.
    if octets[start + len(address) : stop].strip(_ENDS_SENTENCE):
        return b""
    is_unclear = stop < end and octets[stop] >= 0x80 and not _ends(octets[stop:end][:_LOOKED_AT], codec)
    return b"" if is_unclear else address


def _stop(octets: bytes, start: int, end: int) -> int:
    """Return where an address can go no further: at a bracket that was opened before it, or where it is no ASCII."""
    opened = {b"(": 0, b"[": 0, b"{": 0}
    for found in _BRACKET_OR_END.finditer(octets, start, end):
        letter = found[0]
        if letter in opened:
            opened[letter] += 1
        elif letter not in _OPENED or opened[_OPENED[letter]] == 0:
            return found.start()
        else:
            opened[_OPENED[letter]] -= 1
    return end


def _ends(behind: bytes, codec: str) -> bool:
    """Whether an address ends before this: there are spaces, quotation marks, full stops, and nothing that it could go on with."""
    text = behind.decode(codec, "replace")
    for at, character in enumerate(text):
        category = unicodedata.category(character)
        if category.startswith("Z"):
            return True
        if category not in _ENDING:
            return at > 0 and not (character.isascii() and character.isalnum())
    return True
