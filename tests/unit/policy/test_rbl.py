"""Blocklists: the name that is asked, which answers count, and what of a list's words a reply repeats."""

import ipaddress

import pytest

from postroad.policy.rbl import BlocklistZone, ListAnswer, fit_for_reply, parse_zone

ZONE = parse_zone("zen.example.")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.99", "99.2.0.192.zen.example"),
        # RFC 5782 §2.4, its own example.
        (
            "2001:db8:1:2:3:4:567:89ab",
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.zen.example",
        ),
    ],
)
def test_an_address_is_asked_in_reverse(address: str, name: str) -> None:
    assert ZONE.name_of(ipaddress.ip_address(address)) == name


@pytest.mark.parametrize(
    ("zone", "codes", "answer"),
    [
        ("zen.example", [], ListAnswer.CLEAR),
        ("zen.example", ["127.0.0.2"], ListAnswer.LISTED),
        ("zen.example", ["127.0.0.9"], ListAnswer.LISTED),
        ("zen.example", ["127.0.0.10"], ListAnswer.CLEAR),
        ("zen.example", ["127.0.0.11"], ListAnswer.CLEAR),
        ("zen.example", ["127.0.0.11", "127.0.0.4"], ListAnswer.LISTED),
        ("zen.example", ["127.0.0.1"], ListAnswer.CLEAR),
        ("zen.example", ["192.0.2.1"], ListAnswer.CLEAR),
        ("zen.example", ["nonsense"], ListAnswer.CLEAR),
        ("zen.example", ["127.255.255.254"], ListAnswer.REFUSED),
        ("zen.example", ["127.255.255.255", "127.0.0.2"], ListAnswer.REFUSED),
        ("zen.example=127.0.0.4,127.0.0.11", ["127.0.0.2"], ListAnswer.CLEAR),
        ("zen.example=127.0.0.4,127.0.0.11", ["127.0.0.11"], ListAnswer.LISTED),
        ("zen.example = 127.0.1.2", ["127.0.1.2"], ListAnswer.LISTED),
        ("zen.example=127.0.0.4", ["127.255.255.252"], ListAnswer.REFUSED),
    ],
)
def test_only_the_codes_that_count_are_a_listing(zone: str, codes: list[str], answer: ListAnswer) -> None:
    assert parse_zone(zone).answers(codes) is answer


def test_a_zone_has_one_spelling() -> None:
    assert parse_zone(" Zen.Example. ") == BlocklistZone("zen.example")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the name of a zone"),
        ("=127.0.0.2", "the name of a zone"),
        ("zen..example", "the name of a zone"),
        ("http://zen.example", "the name of a zone"),
        ("zen.example=", "not a code"),
        ("zen.example=2", "not a code"),
        ("zen.example=127.0.0.1", "not a code"),
        ("zen.example=10.0.0.2", "not a code"),
        ("zen.example=127.0.0.2,127.255.255.254", "not a code"),
    ],
)
def test_a_zone_that_cannot_be_asked_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_zone(text)


def test_words_of_a_list_cannot_break_a_reply() -> None:
    assert fit_for_reply(["see\r\n250 Ok", "https://zen.example/?ip=1"]) == "see 250 Ok https://zen.example/?ip=1"
    assert fit_for_reply(["\x1b[31mred\x00 Grüße"]) == "?[31mred? Gr??e"
    assert len(fit_for_reply(["x" * 5_000])) == 200
    assert fit_for_reply([]) == ""
