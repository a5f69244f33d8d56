"""Content transfer encodings (RFC 2045 §6), with CRLF line ends throughout."""

import binascii
import re

_COLUMNS = 76
"""RFC 2045 §6.8."""
_AT_ONCE = _COLUMNS * 3 // 4 * 20_000
"""Octets that are encoded at a time: whole lines, which as objects take far more memory than their text."""
SOFT_BREAK = re.compile(rb"=[ \t]*\r\n")
"""RFC 2045 §6.7 (5); white space at the end of a line was added on the way (3)."""
_PADDED = re.compile(rb"=[ \t]+(?=\r?\n)")
BOUNDARY_LIKE = re.compile(rb"--(?:(?<=[\r\n]--)|(?<=\A--))(?![ \t]*+(?:[\r\n]|\Z))[^\r\n]*+")
"""A line that could be the boundary between two parts (RFC 2046 §5.1.1): two hyphens alone could not."""


def quoted_printable(text: bytes) -> bytes:
    """Encode text, keeping its lines (RFC 2045 §6.7)."""
    # The encoder takes the kind of line end from the first it meets, so there has to be one.
    return binascii.b2a_qp(text + b"\r\n", istext=True)[:-2]


def quoted_printable_line(octets: bytes) -> bytes:
    """Encode one line, its CRLF at the end kept if it has one; line ends within are octets like others."""
    text, end = (octets[:-2], b"\r\n") if octets.endswith(b"\r\n") else (octets, b"")
    return binascii.b2a_qp(text, istext=False).replace(b"=\n", b"=\r\n") + end


def without_boundaries(encoded: bytes) -> bytes:
    """Return quoted-printable text in which no encoded line could be taken for a boundary (RFC 2045 §6.7)."""
    return BOUNDARY_LIKE.sub(lambda found: _no_boundary(found[0]), encoded)


def _no_boundary(line: bytes) -> bytes:
    if not line.startswith(b"--"):
        return line
    if len(line) + 2 <= _COLUMNS:
        return b"=2D" + line[1:]
    # There is no room for two octets more: both go on a line of their own.
    return b"=2D=2D=\r\n" + _no_boundary(line[2:])


def quoted_printable_part(text: bytes) -> bytes:
    """Encode the text of a part that stands among others: no soft line break makes a boundary of what stands behind it."""
    return without_boundaries(quoted_printable(text))


def logical_lines(encoded: bytes) -> list[bytes]:
    """Cut quoted-printable text behind its real line ends, each line with its soft breaks as they stand (§6.7 (5))."""
    lines: list[bytes] = []
    begun = position = 0
    while (found := encoded.find(b"\r\n", position)) >= 0:
        # Only its last encoded line is looked at: a text on one line has a great many.
        is_whole = not encoded[position:found].rstrip(b" \t").endswith(b"=")
        position = found + 2
        if is_whole:
            lines.append(encoded[begun:position])
            begun = position
    return [*lines, encoded[begun:]] if begun < len(encoded) else lines


def decode_quoted_printable(encoded: bytes) -> bytes:
    """Decode, leaving as it is what is not well-formed."""
    if b"= " in encoded or b"=\t" in encoded:
        encoded = _PADDED.sub(b"=", encoded)
    return binascii.a2b_qp(encoded)


def base64(octets: bytes) -> bytes:
    """Encode in lines of 76 columns (RFC 2045 §6.8)."""
    return b"".join(base64_pieces(octets))


def base64_pieces(octets: bytes) -> list[bytes]:
    """Encode as :func:`base64` does, for what joins it with more: it takes no memory for the whole twice."""
    return [_base64_lines(octets[at : at + _AT_ONCE]) for at in range(0, len(octets), _AT_ONCE)]


def _base64_lines(octets: bytes) -> bytes:
    encoded = binascii.b2a_base64(octets, newline=False)
    # Encoding at one go and cutting afterwards takes a tenth of the time that encoding line by line takes.
    return b"".join([encoded[at : at + _COLUMNS] + b"\r\n" for at in range(0, len(encoded), _COLUMNS)])


def decode_base64(encoded: bytes) -> bytes:
    """Decode, passing over characters outside the alphabet; raises ValueError where the padding is wrong."""
    return binascii.a2b_base64(encoded)
