"""Transfer encodings with CRLF line ends: decoded by the standard library, and back."""

import base64
import quopri
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.mime import transfer_encoding

LINES = st.lists(st.binary(max_size=120).map(lambda line: line.translate(None, b"\r\n")), max_size=6)


@given(LINES)
def test_quoted_printable_keeps_the_lines_and_reads_back(lines: list[bytes]) -> None:
    text = b"\r\n".join(lines)

    encoded = transfer_encoding.quoted_printable(text)

    assert transfer_encoding.decode_quoted_printable(encoded) == text
    assert quopri.decodestring(encoded) == text
    assert encoded.isascii()
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))
    assert b"\n" not in encoded.replace(b"\r\n", b"")


@given(st.binary(max_size=300))
def test_base64_has_short_lines_and_reads_back(octets: bytes) -> None:
    encoded = transfer_encoding.base64(octets)

    assert transfer_encoding.decode_base64(encoded) == octets
    assert base64.b64decode(encoded) == octets
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))


def test_base64_of_several_pieces_is_one_text() -> None:
    octets = bytes(range(256)) * 10_000

    encoded = transfer_encoding.base64(octets)

    assert len(transfer_encoding.base64_pieces(octets)) == 3
    assert base64.b64decode(encoded) == octets
    assert {len(line) for line in encoded.split(b"\r\n")[:-2]} == {76}


def test_characters_outside_the_alphabet_are_passed_over_and_wrong_padding_is_not() -> None:
    assert transfer_encoding.decode_base64(b"AA*A\r\nA=\x00") == b"\0\0\0"
    with pytest.raises(ValueError, match="padding"):
        transfer_encoding.decode_base64(b"AAA")


@pytest.mark.parametrize("line", [b"x" * 75 + b"=\r\n", b"=  \r\n", b"\t= \r\n"])
def test_a_text_on_one_line_is_cut_in_no_more_time_than_its_length_takes(line: bytes) -> None:
    begun = time.process_time()
    assert transfer_encoding.logical_lines(line * 40_000 + b"x\r\ny") == [line * 40_000 + b"x\r\n", b"y"]

    assert time.process_time() - begun < 0.3


def test_a_blank_line_behind_a_soft_break_ends_the_text_line() -> None:
    assert transfer_encoding.logical_lines(b"a=\r\n \r\nb= \r\n\r\nc") == [b"a=\r\n \r\n", b"b= \r\n\r\n", b"c"]
