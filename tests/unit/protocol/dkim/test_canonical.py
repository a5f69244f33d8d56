"""Canonical forms of fields and bodies."""

import hashlib

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.dkim.canonical import BodyHash, relaxed_body, relaxed_body_hash, relaxed_field, simple_body


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (b"a", b" X", b"a:X\r\n"),
        (b"b", b" Y\t\r\n\tZ  ", b"b:Y Z\r\n"),
        (b"c", b"", b"c:\r\n"),
        (b"d", b" \t \r\n ", b"d:\r\n"),
        (b"e", b"a\x0b b", b"e:a\x0b b\r\n"),
    ],
)
def test_relaxed_fields(name: bytes, value: bytes, expected: bytes) -> None:
    assert relaxed_field(name, value) == expected


@pytest.mark.parametrize(
    ("body", "relaxed", "simple"),
    [
        (b"", b"", b"\r\n"),
        (b"\r\n", b"", b"\r\n"),
        (b"\r\n\r\n\r\n", b"", b"\r\n"),
        (b" \r\n\t\r\n", b"", b" \r\n\t\r\n"),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n", b" C \r\nD \t E\r\n"),
        (b"no end", b"no end\r\n", b"no end\r\n"),
        (b"no end \t", b"no end\r\n", b"no end \t\r\n"),
        (b"a\n\r\n\r\n", b"a\n\r\n", b"a\n\r\n"),
        (b"\n", b"\n\r\n", b"\n\r\n"),
    ],
)
def test_bodies(body: bytes, relaxed: bytes, simple: bytes) -> None:
    assert (relaxed_body(body), simple_body(body)) == (relaxed, simple)


bodies = st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"  ", b"word word", b"\xc3\xa4"]), max_size=30).map(
    b"".join
)


@given(bodies)
def test_forms_agree_with_dkimpy(body: bytes) -> None:
    ended = body if body.endswith(b"\r\n") or not body else body + b"\r\n"

    assert simple_body(ended) == Simple.canonicalize_body(ended)
    # RFC 6376 §3.4.4: a body of nothing but line ends is empty; dkimpy leaves one CRLF of it.
    assert relaxed_body(ended) == (b"" if not ended.strip(b" \t\r\n") else Relaxed.canonicalize_body(ended))


@given(st.lists(bodies, max_size=6))
def test_a_body_in_chunks_hashes_like_the_whole(chunks: list[bytes]) -> None:
    hashed = BodyHash()
    for chunk in chunks:
        hashed.update(chunk)

    assert hashed.digest() == hashlib.sha256(relaxed_body(b"".join(chunks))).digest()


@given(st.lists(st.sampled_from([b"\r", b"\n", b" ", b"x"]), max_size=20))
def test_a_body_octet_by_octet_hashes_like_the_whole(octets: list[bytes]) -> None:
    hashed = BodyHash()
    for octet in octets:
        hashed.update(octet)

    assert hashed.digest() == hashlib.sha256(relaxed_body(b"".join(octets))).digest()


def test_a_large_body_is_hashed_like_a_small_one() -> None:
    body = b"words  and\tmore \r\n\r\n" * 40_000

    assert len(body) > 3 * 256 * 1024
    assert relaxed_body_hash(b"A: b\r\n\r\n" + body, 8) == hashlib.sha256(relaxed_body(body)).digest()


def test_a_body_of_nothing_but_line_ends_is_empty_however_long() -> None:
    assert relaxed_body_hash(b"\r\n" * 1_000_000) == hashlib.sha256(b"").digest()
