"""Paths of the envelope: what the grammar allows, and how a domain is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.smtp.address import AddressError, normal_domain, parse_path, with_a_labels


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("<>", ""),
        ("<ann@Example.NET>", "ann@example.net"),
        ("<Ann.O'Neil+tag@example.net>", "Ann.O'Neil+tag@example.net"),
        ("ann@example.net", "ann@example.net"),
        ('<"ann smith"@example.net>', '"ann smith"@example.net'),
        ('<"a@b\\"c>"@example.net>', '"a@b\\"c>"@example.net'),
        ("<@relay.example,@other.example:ann@example.net>", "ann@example.net"),
        ("<ann@[192.0.2.1]>", "ann@[192.0.2.1]"),
        ("<ann@[ipv6:2001:DB8:0::1]>", "ann@[IPv6:2001:db8::1]"),
        ("<ann@localhost>", "ann@localhost"),
        ("<ann@xn--mnchen-3ya.example>", "ann@xn--mnchen-3ya.example"),
        ("<" + "l" * 64 + "@example.net>", "l" * 64 + "@example.net"),
    ],
)
def test_a_path_becomes_local_part_and_domain(text: str, path: str) -> None:
    assert parse_path(text, is_utf8=False) == path


@pytest.mark.parametrize(
    "text",
    [
        "<ann>", "<@example.net>", "<ann@>", "<a..b@example.net>", "<.a@example.net>", "<a.@example.net>",
        "<a b@example.net>", "<a(b)@example.net>", '<"unclosed@example.net>', '<"a"b@example.net>', '<"a@b">',
        "<ann@-example.net>", "<ann@example-.net>", "<ann@exa_mple.net>", "<ann@example..net>", "<ann@example.net.>",
        "<ann@" + "d" * 64 + ".net>", "<ann@" + ".".join(["d" * 62] * 5) + ">", "<" + "l" * 65 + "@example.net>",
        "<ann@[192.0.2.256]>", "<ann@[IPv6:nonsense]>", "<ann@[192.0.2.1>", "<@relay.example ann@example.net>",
        "<ann@xn--zzzzzzz99999.example>", "<a\tb@example.net>", "<ann@example.net\x00>",
    ],
)  # fmt: skip
def test_what_the_grammar_forbids_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_path(text, is_utf8=False)

    assert len(str(caught.value)) > 10
    assert not caught.value.needs_smtputf8


def test_characters_beyond_ascii_need_smtputf8() -> None:
    with pytest.raises(AddressError) as caught:
        parse_path("<grüße@example.net>", is_utf8=False)

    assert caught.value.needs_smtputf8
    assert parse_path("<grüße@München.example>", is_utf8=True) == "grüße@xn--mnchen-3ya.example"
    assert parse_path('<"ü x"@example.net>', is_utf8=True) == '"ü x"@example.net'


@pytest.mark.parametrize(
    "text", ["<ann@mün_chen.example>", "<ann@ü\u0301\u200d.example>", "<\x85@example.net>", "<a @bücher>"]
)
def test_what_is_no_international_address_is_refused_under_smtputf8_too(text: str) -> None:
    with pytest.raises(AddressError):
        parse_path(text, is_utf8=True)


@pytest.mark.parametrize("local", ["نامه\u200cای", "क्\u200dष", "\U0001fae9", '"ü \u200d"'])
def test_letters_are_joined_as_their_language_writes_them(local: str) -> None:
    assert parse_path(f"<{local}@example.net>", is_utf8=True) == f"{local}@example.net"


@pytest.mark.parametrize(
    "character",
    [
        "\xa0",
        "\u1680",
        "\u2003",
        "\u2028",
        "\u2029",
        "\u202a",
        "\u202e",
        "\u202f",
        "\u2066",
        "\u2069",
        "\u3000",
        "\ud800",
    ],
)
@pytest.mark.parametrize("path", ["<a{}b@example.net>", '<"a{}b"@example.net>'])
def test_blanks_and_changes_of_direction_are_refused_by_their_number(character: str, path: str) -> None:
    with pytest.raises(AddressError, match=rf"has the character U\+{ord(character):04X}, which cannot be seen"):
        parse_path(path.format(character), is_utf8=True)


def test_a_local_part_of_many_octets_is_too_long_though_it_has_few_characters() -> None:
    with pytest.raises(AddressError, match="64 octets"):
        parse_path("<" + "ü" * 33 + "@example.net>", is_utf8=True)


_LABEL = st.from_regex(r"\A[a-zA-Z0-9]([a-zA-Z0-9]{0,20}[a-zA-Z0-9])?\Z")


@given(
    st.from_regex(r"\A[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[A-Za-z0-9+_-]{1,20}){0,2}\Z"),
    st.lists(_LABEL, min_size=1, max_size=4),
)
def test_an_address_comes_back_as_it_was_but_for_its_domains_case(local: str, labels: list[str]) -> None:
    domain = ".".join(labels)

    assert parse_path(f"<{local}@{domain}>", is_utf8=False) == f"{local}@{domain.lower()}"


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_an_error_and_normal_form_is_stable(text: str) -> None:
    try:
        path = parse_path(text, is_utf8=True)
    except AddressError:
        return
    assert not path or parse_path(f"<{path}>", is_utf8=True) == path
    assert not any(ord(character) < 32 for character in path)


def test_a_domain_is_normalised_once() -> None:
    assert normal_domain("BÜCHER.example") == normal_domain("xn--bcher-kva.example") == "xn--bcher-kva.example"


def test_what_is_looked_for_has_its_domain_in_a_labels_once_it_is_whole() -> None:
    assert with_a_labels("jörg@bücher.example") == "jörg@xn--bcher-kva.example"
    assert with_a_labels("@BÜCHER.example") == "@xn--bcher-kva.example"
    assert with_a_labels("bücher.example") == "xn--bcher-kva.example"
    for unchanged in ("", "Ada@Example.net", "a@bücher.", "a@bü cher.example", "@", "a@bücher.exam*"):
        assert with_a_labels(unchanged) == unchanged
