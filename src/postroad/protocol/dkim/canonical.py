"""Canonical forms of header fields and bodies, as bytes operations (RFC 6376 §3.4).

Runs of white space are folded with ``replace`` alone, which runs at the speed of memory; an expression would stop at
every space of a text.
"""

import hashlib

_CHUNK = 256 * 1024


def relaxed_field(name: bytes, value: bytes) -> bytes:
    """Return a field in relaxed form: ``name`` in lower case, ``value`` as it stands behind the colon.

    The CRLF that ends the field is included.
    """
    # RFC 6376 §3.4.2: unfold, runs of white space become one space, none at either end or around the colon.
    if b"\r\n" in value:
        value = value.replace(b"\r\n", b"")
    if b"\t" in value or b"  " in value:
        value = _one_space(value)
    return name + b":" + value.strip(b" ") + b"\r\n"


def _one_space(text: bytes) -> bytes:
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def relaxed_body(body: bytes) -> bytes:
    """Return a whole body in relaxed form (RFC 6376 §3.4.4); an empty one stays empty."""
    return _end_once(_relaxed_lines(body), empty=b"")


def simple_body(body: bytes) -> bytes:
    """Return a whole body in simple form (RFC 6376 §3.4.3); an empty one becomes one CRLF."""
    return _end_once(body, empty=b"\r\n")


def _relaxed_lines(body: bytes) -> bytes:
    """Fold white space within lines and drop it at their ends."""
    body = _one_space(body)
    if b" \r\n" in body:
        body = body.replace(b" \r\n", b"\r\n")
    return body.removesuffix(b" ")


def _end_once(body: bytes, empty: bytes) -> bytes:
    """Leave exactly one CRLF at the end of a body, or ``empty`` of one that is nothing but line ends."""
    text = body.rstrip(b"\r\n")
    tail = body[len(text) :]
    if tail == b"\r\n" and text:
        return body
    if len(tail) & 1 or tail.count(b"\r\n") * 2 != len(tail):
        # A CR or LF alone is text: only the CRLFs behind the last of them may go.
        end = len(body)
        while body.endswith(b"\r\n", 0, end):
            end -= 2
        text = body[:end]
    return text + b"\r\n" if text else empty


class BodyHash:
    """SHA-256 of a body's relaxed form, fed in chunks of any size.

    What ends a chunk and may be dropped or folded with what follows is held back until that is known.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._line_ends = 0
        self._held = b""
        self._is_empty = True

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        data = _one_space(self._held + chunk)
        if b" \r\n" in data:
            data = data.replace(b" \r\n", b"\r\n")
        text = data.rstrip(b" \r\n")
        if text:
            self._hash.update(b"\r\n" * self._line_ends + text)
            self._is_empty, self._line_ends = False, 0
        tail = data[len(text) :]
        # Held line ends are counted, not kept: a body may be nothing else, and each chunk would copy them anew.
        pairs = tail.count(b"\r\n")
        if tail.startswith(b"\r\n" * pairs):
            self._line_ends += pairs
            tail = tail[2 * pairs :]
        self._held = tail

    def digest(self) -> bytes:
        """Return the hash; nothing may follow."""
        held = b"\r\n" * self._line_ends + self._held.removesuffix(b" ")
        if self._is_empty:
            self._hash.update(_end_once(held, empty=b""))
        else:
            # A stand-in for the text before, so that the end is not taken for the whole.
            self._hash.update(_end_once(b"." + held, empty=b"")[1:])
        return self._hash.digest()


def relaxed_body_hash(content: bytes, body_offset: int = 0) -> bytes:
    """Return the SHA-256 of the relaxed form of the body that begins at ``body_offset``.

    A large body is taken in chunks: in a thread of its own it then does not hold up the others.
    """
    if len(content) - body_offset <= _CHUNK:
        return hashlib.sha256(relaxed_body(content[body_offset:])).digest()
    hashed = BodyHash()
    for at in range(body_offset, len(content), _CHUNK):
        hashed.update(content[at : at + _CHUNK])
    return hashed.digest()
