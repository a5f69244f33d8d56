"""The message text: faults of its octets in chunks and whole, and dots doubled and taken off again."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.smtp.data import Content, ContentScanner, DataReader, Fault, content_faults, stuff
from tests.unit.protocol.smtp.dialogue import every_split

PARTS = st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"\0", b"a", b"x" * 100, b"y" * 997, b"z" * 998, b"w" * 999])
CONTENTS = st.lists(PARTS, max_size=20).map(b"".join)


def expected_faults(content: bytes) -> Fault:
    """Say the same in the plainest way."""
    faults = Fault.NONE
    if re.search(rb"\r(?!\n)", content):
        faults |= Fault.BARE_CR
    if re.search(rb"(?<!\r)\n", content):
        faults |= Fault.BARE_LF
    if b"\0" in content:
        faults |= Fault.NUL
    if any(len(line) > 998 for line in re.split(rb"\r\n", content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))):
        faults |= Fault.LONG_LINE
    return faults


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        (b"", Fault.NONE),
        (b"Subject: x\r\n\r\nbody\r\n", Fault.NONE),
        (b"no line end", Fault.NONE),
        (b"a\rb\r\n", Fault.BARE_CR),
        (b"a\nb\r\n", Fault.BARE_LF),
        (b"a\n\rb\r\n", Fault.BARE_CR | Fault.BARE_LF),
        (b"a\r", Fault.BARE_CR),
        (b"\na", Fault.BARE_LF),
        (b"a\0b\r\n", Fault.NUL),
        (b"x" * 998 + b"\r\n" + b"y" * 998, Fault.NONE),
        (b"x" * 999 + b"\r\n", Fault.LONG_LINE),
        (b"\r\n" + b"x" * 999, Fault.LONG_LINE),
        (b"\r\n" * 700 + b"x" * 5000 + b"\r\n", Fault.LONG_LINE),
    ],
)
def test_faults_are_found(content: bytes, faults: Fault) -> None:
    assert content_faults(content) == faults


@given(CONTENTS, st.lists(st.integers(0, 3000), max_size=8))
def test_chunks_have_the_faults_of_the_whole(content: bytes, cuts: list[int]) -> None:
    # A CR that ends a line of 999 octets is one octet of a long line or the first half of its end: a bare LF settles it.
    scanner = ContentScanner()
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    for start, stop in itertools.pairwise(edges):
        scanner.feed(content[start:stop])

    assert scanner.faults == content_faults(content)
    clean = Fault.BARE_CR | Fault.BARE_LF
    if not scanner.faults & clean:
        assert scanner.faults == expected_faults(content)
    assert scanner.faults & (clean | Fault.NUL) == expected_faults(content) & (clean | Fault.NUL)


@pytest.mark.parametrize(
    "content", [b"a\r\nb\r\n", b"\r\n\r\n", b"a\r\rb", b"a\n\nb", b"\r\r\n\n", b"x" * 998 + b"\r\n"]
)
def test_a_line_end_that_is_torn_apart_is_still_one(content: bytes) -> None:
    for pieces in every_split(content):
        scanner = ContentScanner()
        for piece in pieces:
            scanner.feed(piece)

        assert scanner.faults == content_faults(content)


@given(CONTENTS, st.lists(st.integers(0, 3000), max_size=8), st.binary(max_size=10))
def test_what_is_stuffed_comes_back_as_it_was_in_whatever_pieces(content: bytes, cuts: list[int], after: bytes) -> None:
    wire = stuff(content) + after
    received, used = Content(1 << 20), 0
    reader = DataReader(received)
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    for start, stop in itertools.pairwise(edges):
        taken = reader.feed(wire[start:stop])
        if taken is not None:
            used = start + taken
            break

    assert used == len(wire) - len(after)
    faults = received.faults
    assert received.take() == (content if not content or content.endswith(b"\r\n") else content + b"\r\n")
    assert faults == content_faults(content if not content or content.endswith(b"\r\n") else content + b"\r\n")


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n..\r\n", b"..\r\n...\r\n.\r\n"),
        (b"a\n.b\r\n", b"a\n.b\r\n.\r\n"),
        (b"a\r", b"a\r\r\n.\r\n"),
    ],
)
def test_a_text_is_stuffed_for_the_wire(content: bytes, wire: bytes) -> None:
    assert stuff(content) == wire


def test_content_over_its_limit_is_let_go() -> None:
    content = Content(10)
    content.append(b"12345")
    assert len(content) == 5
    content.append(b"678901")

    assert content.is_too_large
    assert len(content) == 0
    content.append(b"1")
    assert len(content) == 0
