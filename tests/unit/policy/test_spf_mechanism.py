"""Mechanisms of SPF that the operator writes."""

import pytest

from postroad.policy.spf_mechanism import parse_mechanism


@pytest.mark.parametrize(
    "text",
    [
        "ip4:192.0.2.1",
        "ip4:192.0.2.0/24",
        "IP4:192.0.2.1",
        "ip6:2001:db8::1",
        "ip6:2001:db8::/32",
        "a",
        "a/24",
        "a:mail.example.net",
        "a:mail.example.net/24//64",
        "mx",
        "mx//64",
        "mx:example.net",
        "include:spf.example.net",
        "include:_spf.example.net",
        "exists:%{i}._spf.example.net",
    ],
)
def test_what_lets_senders_pass_is_a_mechanism(text: str) -> None:
    assert parse_mechanism(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bogus mech",
        "192.0.2.1",
        "ip4",
        "ip4:",
        "ip4:192.0.2",
        "ip4:192.0.2.1/33",
        "ip4:192.0.2.1/255.255.255.0",
        "ip4:2001:db8::1",
        "ip6:192.0.2.1",
        "ip6:2001:db8::/129",
        "a:",
        "a/33",
        "a:mail.example.net//129",
        "a:mail example.net",
        "include:",
        "include",
        "include:spf",
        "all",
        "~all",
        "-all",
        "+mx",
        "?ip4:192.0.2.1",
        "redirect=spf.example.net",
        "v=spf1",
        "v=spf1 mx -all",
    ],
)
def test_what_is_no_mechanism_or_lets_nobody_pass_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is not a mechanism of SPF: write ip4:192"):
        parse_mechanism(text)
