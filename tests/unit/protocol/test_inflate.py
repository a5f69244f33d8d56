"""Unpacking gzip in bounded pieces."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.inflate import InflateError, Inflater

PIECE = 64 * 1024


def unpacked(octets: bytes, size: int = 1024) -> bytes:
    inflater = Inflater()
    found = [piece for at in range(0, len(octets), size) for piece in inflater.feed(octets[at : at + size])]
    inflater.finish()
    return b"".join(found)


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_what_was_packed_comes_out(octets: bytes, size: int) -> None:
    assert unpacked(gzip.compress(octets, mtime=0), size) == octets


def test_several_members_are_one() -> None:
    assert unpacked(gzip.compress(b"one", mtime=0) + gzip.compress(b"two")) == b"onetwo"


def test_a_bomb_comes_in_small_pieces() -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    pieces = Inflater().feed(bomb)
    assert [len(next(pieces)) for _ in range(10)] == [PIECE] * 10


@pytest.mark.parametrize("octets", [b"{}", b"\x1f\x8b", zlib.compress(b"x"), gzip.compress(b"x", mtime=0) + b"x"])
def test_what_is_no_gzip_is_refused(octets: bytes) -> None:
    with pytest.raises(InflateError):
        unpacked(octets)


def test_what_breaks_off_is_refused() -> None:
    with pytest.raises(InflateError, match="breaks off"):
        unpacked(gzip.compress(b"x" * 100, mtime=0)[:-5])


def test_many_empty_members_are_refused() -> None:
    with pytest.raises(InflateError, match="16 parts"):
        unpacked(gzip.compress(b"", mtime=0) * 17)
