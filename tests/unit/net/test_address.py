"""Addresses and networks."""

import ipaddress

import pytest

from postroad.net.address import (
    Networks,
    client_of,
    is_private_host,
    is_public,
    normalise,
    parse_address,
    parse_network,
)


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unix:/run/x", "unix:/run/x"),
    ],
)
def test_an_address_has_one_spelling(text: str, usual: str) -> None:
    assert normalise(text) == usual


@pytest.mark.parametrize("text", ["", "192.0.2", "192.0.2.1/24", "example.com", "192.0.2.01"])
def test_other_text_is_no_address(text: str) -> None:
    assert parse_address(text) is None


def test_a_mapped_client_lies_in_its_ipv4_network() -> None:
    networks = Networks(["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"])

    inside = ["192.0.2.9", "::ffff:192.0.2.9", "2001:db8::9", "198.51.100.7"]
    outside = ["192.0.3.9", "2001:db9::9", "198.51.100.8", "nonsense", None]
    assert all(address in networks for address in inside)
    assert not any(address in networks for address in outside)
    assert ipaddress.ip_address("192.0.2.9") in networks


def test_no_networks_hold_nobody() -> None:
    assert not Networks()
    assert "127.0.0.1" not in Networks()


@pytest.mark.parametrize("text", ["192.0.2.1/24", "example.com", "192.0.2.0/33"])
def test_a_network_that_cannot_be_read_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=text.replace(".", r"\.")):
        Networks([text])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8.8.8.8", True),
        ("2a00:1450::1", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("::1", False),
        ("fc00::1", False),
        ("fe80::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:0a00:0001::1", False),
        ("2002:0808:0808::1", True),
        # Where clouds tell their hosts metadata: all but the first lie in ranges.
        ("168.63.129.16", False),
        ("100.100.100.200", False),
        ("192.0.0.192", False),
        ("fd00:ec2::254", False),
        ("::ffff:168.63.129.16", False),
        ("64:ff9b::a83f:8110", False),
        ("2002:a83f:8110::1", False),
        ("64:ff9b::c000:c0", False),
        ("168.63.129.15", True),
        ("168.63.129.17", True),
        ("192.0.0.0", False),
        ("192.0.0.255", False),
        ("192.0.1.0", True),
        ("191.255.255.255", True),
    ],
)
def test_public_addresses_are_told_from_all_others_through_transition_prefixes(text: str, expected: bool) -> None:
    assert is_public(ipaddress.ip_address(text)) is expected


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "app.localhost",
        "169.254.169.254",
        "168.63.129.16",
        "::ffff:168.63.129.16",
        "2822734096",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "::1",
        "fe80::1%25eth0",
        "::ffff:10.0.0.1",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f.1",
        "017700000001",
    ],
)
def test_hosts_that_are_private_by_themselves_are_told_in_every_spelling(host: str) -> None:
    assert is_private_host(host)


@pytest.mark.parametrize(
    "host", ["app.example", "8.8.8.8", "134744072", "10.example", "localhost.example", "1e100.net", ""]
)
def test_other_hosts_are_for_who_connects_to_them(host: str) -> None:
    assert not is_private_host(host)


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_host_counts_with_its_whole_network(address: str, client: str) -> None:
    assert client_of(address) == client


@pytest.mark.parametrize(
    ("text", "what_to_write"),
    [
        ("office", "write an address, or a range such as 192.0.2.0/24"),
        ("10.0.0.0/99", "write an address, or a range such as 192.0.2.0/24"),
        ("10.0.0.1/8", "did you mean 10.0.0.0/8?"),
    ],
)
def test_what_is_no_network_is_refused_with_what_to_write(text: str, what_to_write: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_network(text)

    assert str(refused.value) == f"{text!r} is not a network: {what_to_write}"
