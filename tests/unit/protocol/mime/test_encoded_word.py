"""Encoded words."""

import email.header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.mime.encoded_word import decode, encode


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" plain\r\n text ", "plain text"),
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe_an?= alle", "Grüße an alle"),
        (b"=?utf-8?b?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?utf-8?b?R3LDvMOfZQ?=", "Grüße"),
        (b"=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?=C3?= =?UTF-8?q?=BC?=", "ü"),
        (b"=?iso-8859-1*en?q?=E4?=", "ä"),
        (b"=?utf-8?q?a?= =?iso-8859-1?q?=E4?=", "aä"),
        (b"=?utf-8?q?=C3=A4?= =?iso-8859-1?q?=E4?=", "ää"),
        (b"=?rot13?q?abc?=", "abc"),
        (b"=?utf-8?b?a?=", "=?utf-8?b?a?="),
        ("schon UTF-8: ä".encode(), "schon UTF-8: ä"),
        (b"not =? one", "not =? one"),
    ],
)
def test_values_are_decoded_for_people(value: bytes, expected: str) -> None:
    assert decode(value) == expected


def test_a_character_set_that_nobody_has_is_read_as_ascii() -> None:
    assert decode(b"=?cp999?q?a?= =?iso-8859-99?q?=ff?=") == "a\N{REPLACEMENT CHARACTER}"


def test_codecs_that_are_no_character_sets_are_not_looked_up() -> None:
    assert decode(b"=?zlib?b?eJwDAAAAAAE=?=").isprintable() is False


def test_ascii_is_left_alone() -> None:
    assert encode("plain text") == ("plain", "text")


def test_what_looks_like_an_encoded_word_is_encoded() -> None:
    assert encode("=?x?q?y?=") == ("=?utf-8?b?PT94P3E/eT89?=",)


@given(st.text(max_size=120))
def test_words_are_short_and_read_back(text: str) -> None:
    words = encode(text)
    shown = text.encode("utf-8", "replace").decode()

    assert all(len(word) <= 75 for word in words if word.startswith("=?utf-8?b?"))
    if not shown.isascii():
        assert decode(" ".join(words).encode()) == shown
        assert str(email.header.make_header(email.header.decode_header(" ".join(words)))) == shown
