"""Dates and message identifiers."""

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.mime.date import format_date, is_date
from postroad.protocol.mime.message_id import is_message_id, make_message_id


@pytest.mark.parametrize(
    "text",
    [
        "Sat, 21 Nov 2026 02:00:00 +0000",
        "21 Nov 2026 02:00 -0830",
        "Sat, 1 Aug 2026 23:59:60 GMT",
        "sat,  21 nov 2026 02:00:00 EST",
        "Sat, 21 Nov 2026 02:00:00 +0100 (CET)",
        "29 Feb 2028 00:00:00 +0000",
    ],
)
def test_dates_that_exist(text: str) -> None:
    assert is_date(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-21T02:00:00Z",
        "Sun, 21 Nov 2026 02:00:00 +0000",
        "31 Nov 2026 02:00:00 +0000",
        "29 Feb 2026 02:00:00 +0000",
        "21 Nov 2026 24:00:00 +0000",
        "21 Nov 2026 02:60:00 +0000",
        "21 Nov 2026 02:00:00 +0060",
        "21 Nov 26 02:00:00 +0000",
        "21 Nov 2026 02:00:00",
        "21 Nov 1826 02:00:00 +0000",
        "21 Nov 2026 02:00:00 +0000 trailing",
    ],
)
def test_dates_that_do_not(text: str) -> None:
    assert not is_date(text)


@given(st.integers(0, 4_000_000_000_000))
def test_an_instant_is_written_as_the_standard_library_writes_it(at: int) -> None:
    written = format_date(at)

    assert written == email.utils.formatdate(at // 1000, usegmt=False).replace("-0000", "+0000")
    assert is_date(written)


@pytest.mark.parametrize(
    "text", ["<a@b>", "<a.b-c+d@example.com>", '<"a:b"@example.com>', "<x@[192.0.2.1]>", "<ä@bücher.example>"]
)
def test_message_ids(text: str) -> None:
    assert is_message_id(text)


@pytest.mark.parametrize(
    "text", ["", "a@b", "<a>", "<a@>", "<@b>", "<a@b> <c@d>", "<a b@c>", "<a..b@c>", "<a@b>x", "<" + "a" * 900 + "@b>"]
)
def test_what_is_no_message_id(text: str) -> None:
    assert not is_message_id(text)


def test_a_made_message_id_is_one() -> None:
    assert make_message_id("06exxvc001810", "example.com") == "<06exxvc001810@example.com>"
    assert is_message_id(make_message_id("06exxvc001810", "example.com"))
