"""Unpacking what was compressed with gzip (RFC 1952), a bounded piece at a time: a bomb fills no memory."""

import zlib
from collections.abc import Iterator

_PIECE = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_MOST_MEMBERS = 16
"""RFC 1952 §2.2 lets a file have several; empty ones cost time and bring nothing."""


class InflateError(Exception):
    """What came is not gzip, or breaks off; the text says which, as the end of a sentence."""


class Inflater:
    """Takes gzip as it comes, and gives what it unpacks to."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP)
        self._members = 1
        self._has_begun = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a chunk unpacks to, in pieces of at most 64 KB; raises InflateError."""
        rest = chunk
        while rest:
            if self._stream.eof:
                self._next_member()
            self._has_begun = True
            try:
                piece = self._stream.decompress(rest, _PIECE)
            except zlib.error:
                raise InflateError("is not gzip") from None
            rest = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if piece:
                yield piece
            elif rest == self._stream.unconsumed_tail and not self._stream.eof:
                break

    def finish(self) -> None:
        """Make sure that nothing is missing; raises InflateError."""
        if self._has_begun and not self._stream.eof:
            raise InflateError("breaks off before its end")

    def _next_member(self) -> None:
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise InflateError(f"is made of more than {_MOST_MEMBERS} parts")
        self._stream = zlib.decompressobj(_GZIP)
