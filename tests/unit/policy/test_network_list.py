"""Lists of networks as people write them."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.policy.network_list import MOST_NETWORKS, first_beyond, in_words, read_networks

V4 = st.builds(
    lambda number, length: ipaddress.IPv4Network((number, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
V6 = st.builds(
    lambda number, length: ipaddress.IPv6Network((number, length), strict=False),
    st.integers(2**112, 2**128 - 1),
    st.integers(0, 128),
)
BETWEEN = st.sampled_from([" ", ",", ", ", "\n", "\r\n", ";", "\t", " , \n"])


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("", ()),
        (" \n, ", ()),
        ("192.0.2.7", ("192.0.2.7/32",)),
        ("192.0.2.0/24, 2001:db8::/32\n2001:DB8::1", ("192.0.2.0/24", "2001:db8::/32", "2001:db8::1/128")),
        ("192.0.2.0/255.255.255.0", ("192.0.2.0/24",)),
        ("0.0.0.0/0 ::/0", ("0.0.0.0/0", "::/0")),
        ("::ffff:192.0.2.1 ::ffff:192.0.2.0/120", ("192.0.2.1/32", "192.0.2.0/24")),
        ("10.0.0.1 10.0.0.1/32;10.0.0.1", ("10.0.0.1/32",)),
    ],
)
def test_several_are_read_at_once(text: str, networks: tuple[str, ...]) -> None:
    read = read_networks(text)

    assert (read.networks, read.problems) == (networks, ())


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("office", "office is not an address, nor a range"),
        ("192.0.2.256", "192.0.2.256 is not an address"),
        ("192.0.2.0/33", "192.0.2.0/33 is not an address"),
        ("192.0.2.0-192.0.2.9", "192.0.2.0-192.0.2.9 is not an address"),
        ("192.0.2.7/24", "did you mean 192.0.2.0/24, or 192.0.2.7 alone?"),
        ("2001:db8::7/32", "did you mean 2001:db8::/32, or 2001:db8::7 alone?"),
        ("fe80::1%eth0", "has a zone"),
        ("/24", "/24 is not an address"),
        ("x" * 500, "x" * 60 + "… is not an address"),
    ],
)
def test_each_wrong_entry_is_named(entry: str, sentence: str) -> None:
    read = read_networks(f"192.0.2.1, {entry}\n2001:db8::1")

    assert read.networks == ("192.0.2.1/32", "2001:db8::1/128")
    [problem] = read.problems
    assert sentence in problem


def test_all_wrong_entries_are_named_at_once() -> None:
    assert len(read_networks("a b c").problems) == 3


def test_a_list_has_an_end() -> None:
    many = [f"10.0.{number}.0/24" for number in range(MOST_NETWORKS + 1)]

    assert read_networks(" ".join(many[:-1])).problems == ()
    assert "100 at most" in read_networks(" ".join(many)).problems[0]


@given(st.lists(V4 | V6, max_size=MOST_NETWORKS), BETWEEN)
def test_whatever_is_a_network_is_read_as_that_network(wanted: list[ipaddress.IPv4Network], between: str) -> None:
    read = read_networks(between.join(map(str, wanted)))

    assert read.problems == ()
    assert read.networks == tuple(dict.fromkeys(map(str, wanted)))


@given(V4 | V6)
def test_what_is_shown_is_read_again(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
    assert read_networks(in_words(str(network))).networks == (str(network),)


@given(st.text(max_size=200))
def test_any_text_gives_networks_or_sentences_and_never_an_error(text: str) -> None:
    read = read_networks(text)

    assert all(str(ipaddress.ip_network(one)) == one for one in read.networks)
    assert all(problem.endswith((".", "?")) for problem in read.problems)


@pytest.mark.parametrize(
    ("networks", "beyond"),
    [
        ((), None),
        (("10.0.0.0/8", "10.1.2.3/32", "2001:db8:7::/48"), None),
        (("10.1.2.3/32", "11.0.0.1/32", "::/0"), "11.0.0.1/32"),
        (("0.0.0.0/0",), "0.0.0.0/0"),
        (("2001:db8::/31",), "2001:db8::/31"),
    ],
)
def test_the_first_network_beyond_others_is_found(networks: tuple[str, ...], beyond: str | None) -> None:
    assert first_beyond(networks, ("10.0.0.0/8", "2001:db8::/32")) == beyond


def test_every_network_is_beyond_none() -> None:
    assert first_beyond(("192.0.2.1/32",), ()) == "192.0.2.1/32"
