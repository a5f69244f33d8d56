"""Which fields of a message's header its events tell, and what of them is kept with the message.

Events go on long after the content is gone: complaints, late bounces, calls that are tried again or replayed. So the
octets of these fields are kept apart from it, as they stand in the stored content, within bounds.
"""

import re

from postroad.protocol.mime.header import MAX_BLOCK_SIZE

MAX_FIELDS = 50
MAX_OCTETS = 8192

# Our own options are told as what they mean; what the message was routed by is nobody's business. The content has been
# admitted: its header needs no closer look (RFC 5322 §2.2), and this one costs a quarter of splitting it.
_FIELD = re.compile(rb"\r\n([Tt][Oo]|[Cc][Cc]|[Xx]-(?![Oo][Vv]-)[!-9;-~]+):([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)")
_CC = b"cc"
"""Kept for the names in it, and not told."""
_PLACES = {b"to": 0, _CC: 2}
"""Where room is short, To goes first and Cc last."""
_OTHERS = 1


def told_header(content: bytes, *, with_cc: bool = False) -> bytes | None:
    """Return the fields of a message's header that are kept for its events; None where there are none.

    They are kept whole, of those with the same name the first, as far as ``MAX_FIELDS`` and ``MAX_OCTETS`` have room:
    every message that is accepted goes through this, and its row is written again when it settles.

    Args:
        content: The message as it is stored.
        with_cc: Whether the names are needed that it gives to its recipients.
    """
    if content.startswith(b"\r\n"):
        return None
    end = content.find(b"\r\n\r\n", 0, MAX_BLOCK_SIZE + 2)
    found = _fields(content[: end if end >= 0 else MAX_BLOCK_SIZE])
    if not with_cc:
        found = {name: value for name, value in found.items() if name.lower() != _CC}
    kept: list[bytes] = []
    room = MAX_OCTETS
    for name in sorted(found, key=_place):
        if len(kept) == MAX_FIELDS:
            break
        field = b"%b:%b\r\n" % (name, found[name])
        if len(field) <= room:
            kept.append(field)
            room -= len(field)
    return b"".join(kept) or None


def told_fields(kept: bytes) -> dict[bytes, bytes]:
    """Return the values of the fields that events tell, by name as it was written, of what ``told_header`` kept."""
    return {name: value for name, value in _fields(kept).items() if name.lower() != _CC}


def _fields(lines: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in _FIELD.findall(b"\r\n" + lines):
        found.setdefault(name, value)
    return found


def _place(name: bytes) -> int:
    return _PLACES.get(name.lower(), _OTHERS)
