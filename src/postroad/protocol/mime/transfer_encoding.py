"""Content transfer encodings (RFC 2045 §6), with CRLF line ends throughout."""

import binascii

_OCTETS_PER_LINE = 57
"""Three quarters of the 76 columns that RFC 2045 §6.8 allows."""


def quoted_printable(text: bytes) -> bytes:
    """Encode text, keeping its lines (RFC 2045 §6.7)."""
    # The encoder takes the kind of line end from the first it meets, so there has to be one.
    return binascii.b2a_qp(text + b"\r\n", istext=True)[:-2]


def decode_quoted_printable(encoded: bytes) -> bytes:
    """Decode, leaving as it is what is not well-formed."""
    return binascii.a2b_qp(encoded)


def base64(octets: bytes) -> bytes:
    """Encode in lines of 76 columns (RFC 2045 §6.8)."""
    chunks = (octets[at : at + _OCTETS_PER_LINE] for at in range(0, len(octets), _OCTETS_PER_LINE))
    return b"".join(binascii.b2a_base64(chunk, newline=False) + b"\r\n" for chunk in chunks)


def decode_base64(encoded: bytes) -> bytes:
    """Decode, passing over characters outside the alphabet; raises ValueError where the padding is wrong."""
    return binascii.a2b_base64(encoded)
