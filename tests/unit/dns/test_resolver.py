"""Reading which resolvers to ask."""

from pathlib import Path

import pytest

from postroad.dns.answer import AnswerStatus, RecordType
from postroad.dns.resolver import Resolver, parse_nameserver, system_nameservers
from postroad.dns.upstream import Nameserver


@pytest.mark.parametrize(
    ("text", "nameserver"),
    [
        ("192.0.2.53", Nameserver("192.0.2.53")),
        ("127.0.0.1:5353", Nameserver("127.0.0.1", 5353)),
        ("2001:db8::53", Nameserver("2001:db8::53")),
        ("[2001:db8::53]:5353", Nameserver("2001:db8::53", 5353)),
    ],
)
def test_a_resolver_is_an_address_with_or_without_port(text: str, nameserver: Nameserver) -> None:
    assert parse_nameserver(text) == nameserver


@pytest.mark.parametrize("text", ["", "dns.example.test", "192.0.2.53:", "192.0.2.53:0", "192.0.2.53:65536", ":53"])
def test_what_is_no_resolver_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as 127\.0\.0\.1:5353"):
        parse_nameserver(text)


@pytest.mark.parametrize("text", ["::1:53", "::53"])
def test_a_port_behind_a_bare_ipv6_address_is_refused_with_brackets_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"\[::1\]:53"):
        parse_nameserver(text)


@pytest.mark.parametrize(
    ("nameserver", "text"),
    [
        (Nameserver("192.0.2.53"), "192.0.2.53"),
        (Nameserver("2001:db8::53", 5353), "[2001:db8::53]:5353"),
    ],
)
def test_a_resolver_is_shown_as_it_is_written(nameserver: Nameserver, text: str) -> None:
    assert str(nameserver) == text


@pytest.mark.parametrize(("address", "is_local"), [("127.0.0.53", True), ("::1", True), ("192.0.2.53", False)])
def test_a_resolver_of_this_machine_is_known_by_its_address(address: str, is_local: bool) -> None:
    assert Nameserver(address).is_local is is_local


def test_the_systems_resolvers_are_read(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# nameserver 192.0.2.1\nsearch example.test\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver\n"
    )

    assert system_nameservers(path) == (Nameserver("192.0.2.53"), Nameserver("fe80::1%eth0"))


def test_a_system_without_resolvers_asks_its_own_machine(tmp_path: Path) -> None:
    assert system_nameservers(tmp_path / "absent") == (Nameserver("127.0.0.1"),)


async def test_a_name_that_dns_cannot_hold_is_answered_without_asking() -> None:
    answer = await Resolver((), lambda: 0).resolve("a..b", RecordType.MX)

    assert answer.status is AnswerStatus.NO_SUCH_DOMAIN


async def test_without_resolvers_nothing_is_known() -> None:
    answer = await Resolver((), lambda: 0).resolve("example.test", RecordType.MX)

    assert (answer.status, answer.detail) == (AnswerStatus.TEMPORARY, "no resolver is configured")
