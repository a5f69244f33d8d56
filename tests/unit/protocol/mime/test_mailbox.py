"""Address lists."""

import email.utils
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.mime.mailbox import (
    MAX_OCTETS,
    AddressList,
    ListFault,
    Mailbox,
    parse_address_list,
    without_comments,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"ada@example.com", [("", "ada@example.com")]),
        (b" Ada Lovelace <ada@Example.COM> ", [("Ada Lovelace", "ada@example.com")]),
        (b'"Lovelace, Ada" <ada@example.com>', [("Lovelace, Ada", "ada@example.com")]),
        (rb'"A \"q\" B" <ada@example.com>', [('A "q" B', "ada@example.com")]),
        (b"J. Smith <j@example.com>", [("J. Smith", "j@example.com")]),
        (b"(x(y)z) Ada (a) <ada@example.com> (b)", [("Ada", "ada@example.com")]),
        (b"Ada\r\n <ada@example.com>", [("Ada", "ada@example.com")]),
        (b"a@b.example, C <c@d.example>", [("", "a@b.example"), ("C", "c@d.example")]),
        (b"=?utf-8?q?=C3=84da?= <ada@example.com>", [("Äda", "ada@example.com")]),
        (b"=?utf-8?q?=C3=84da?= =?utf-8?q?_L?= x <ada@example.com>", [("Äda L x", "ada@example.com")]),
        ('"Äda" <äda@bücher.example>'.encode(), [("Äda", "äda@xn--bcher-kva.example")]),
        (b'"a b"@example.com', [("", '"a b"@example.com')]),
        (b"<ada@example.com>", [("", "ada@example.com")]),
        (b"ada@[192.0.2.1]", [("", "ada@[192.0.2.1]")]),
    ],
)
def test_lists_are_read(value: bytes, expected: list[tuple[str, str]]) -> None:
    found = parse_address_list(value)

    assert isinstance(found, AddressList), found
    assert [(mailbox.display_name, mailbox.address) for mailbox in found.mailboxes] == expected
    assert found.group_count == 0


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (b"Team: a@example.com, B <b@example.com>;", ["a@example.com", "b@example.com"]),
        (b"undisclosed-recipients:;", []),
        (b"Team:a@example.com;, c@example.com", ["a@example.com", "c@example.com"]),
    ],
)
def test_groups_are_counted(value: bytes, addresses: list[str]) -> None:
    found = parse_address_list(value)

    assert isinstance(found, AddressList), found
    assert [mailbox.address for mailbox in found.mailboxes] == addresses
    assert found.group_count == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"", "has no address"),
        (b"  ", "has no address"),
        (b"<>", 'has no address where one is expected at ">"'),
        (b"<@a.example,@b.example:c@d.example>", "has an address with a route"),
        (b"a . b@example.com", "has something other than an address"),
        (b"a@example.com,, b@example.com", "has an empty place in its list"),
        (b"a@example.com,", "has an empty place in its list"),
        (b"Ada @ Home <ada@example.com>", "has something other than an address"),
        (b"Ada <ada@example.com", 'lacks ">" at its end'),
        (b"a@b.example c@d.example", 'lacks ","'),
        (b"(not closed", "has a comment that is not closed"),
        (b"(" * 30 + b")" * 30 + b"a@b.example", "has comments nested"),
        (b"a@-b.example", "holds an address with a wrong domain"),
        (b"a..b@example.com", "has something other than an address"),
        (b"\xff@example.com", "has octets that are not UTF-8"),
        (b"Team: a@example.com b@example.com;", 'lacks ","'),
    ],
)
def test_what_cannot_be_read_is_told(value: bytes, text: str) -> None:
    fault = parse_address_list(value)

    assert isinstance(fault, ListFault), fault
    assert fault.text.startswith(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"a@b.example <a@b.example>", 'has something other than an address at "a@b.example <a@b.exa"'),
        (b"Joe@Shop <a@b.example>", 'has something other than an address at "Joe@Shop <a@b.exampl"'),
        (b"a@b.example, Joe@Shop <a@b.example>", 'has something other than an address at "Joe@Shop <a@b.exampl"'),
        (b"Team: Joe@Shop <a@b.example>;", 'has something other than an address at "Joe@Shop <a@b.exampl"'),
        (b"Acme, Inc. <a@b.example>", 'has something other than an address at ", Inc. <a@b.example>"'),
        (b"Shop: Deals <a@b.example>", 'has a group that does not end with ";", or a colon in a name'),
        (b"Team: a@example.com", 'has a group that does not end with ";", or a colon in a name'),
    ],
)
def test_a_display_name_without_its_quotes_is_told_as_one(value: bytes, text: str) -> None:
    fault = parse_address_list(value)

    assert isinstance(fault, ListFault), fault
    assert fault.text.startswith(text)
    assert fault.text.endswith("put a display name with special characters in quotes")


def test_a_value_has_a_limit() -> None:
    address = b"ada@example.com"

    assert isinstance(parse_address_list(address + b" " * (MAX_OCTETS - len(address))), AddressList)
    assert parse_address_list(address + b" " * MAX_OCTETS) == ListFault("is longer than 16384 octets")


def test_a_comment_never_hides_an_address() -> None:
    found = parse_address_list(b"a@example.com (b@example.org, <c@example.org>)")

    assert found == AddressList((Mailbox("", "a", "example.com"),))


words = st.text("abcXYZ09-_", min_size=1, max_size=8)


@given(words, words, words)
def test_what_the_standard_library_writes_is_read_back(name: str, local: str, domain: str) -> None:
    host = f"x{domain.lower().replace('_', '')}x.example"
    found = parse_address_list(email.utils.formataddr((name, f"{local}@{host}")).encode())

    assert found == AddressList((Mailbox(name, local, host),))


@given(st.binary(max_size=60))
def test_any_octets_give_a_verdict(value: bytes) -> None:
    assert isinstance(parse_address_list(value), AddressList | ListFault)


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("a (b) c", "a   c"),
        ("a (b (c) d) e", "a   e"),
        (r"(a \) b) c", "  c"),
        (r"(a \\(b)) c", "  c"),
        (r"(a \( b", r"(a \( b"),
    ],
)
def test_comments_are_taken_out(text: str, bare: str) -> None:
    assert without_comments(text) == bare


@pytest.mark.parametrize("text", ["(\\" * 130_000, "(" * 260_000, "(\\(" * 87_000, "()" * 130_000, "\\" * 260_000])
def test_comments_that_are_not_closed_cost_no_more_than_their_length(text: str) -> None:
    begun = time.process_time()
    without_comments(text)

    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    "value",
    [b" " * 398 + b"a,", b"a" + b" " * 398 + b"\x01", b"a " * 199 + b"\x01", b'"a"' + b" " * 390 + b"b", b"\t" * 399],
)
def test_blanks_in_an_address_cost_no_more_than_their_length(value: bytes) -> None:
    begun = time.process_time()
    for _ in range(100):
        parse_address_list(value)

    assert time.process_time() - begun < 0.5
