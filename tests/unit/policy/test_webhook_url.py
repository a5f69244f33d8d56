"""Addresses that events are posted to, taken apart."""

import pytest

from postroad.policy.webhook_url import PostAddress, read, server_of, without_password


def test_user_and_password_are_taken_out_of_the_address() -> None:
    address = read(" https://app:se%3Asame@hooks.example:8443/a?b=c#d ")

    assert address == PostAddress(
        "https://hooks.example:8443/a?b=c", "https://app@hooks.example:8443/a?b=c", "app", address.password
    )
    assert str(address.password) == "se:same"
    assert "same" not in repr(address)


@pytest.mark.parametrize(
    "text",
    ["", "hooks.example", "ftp://hooks.example/", "https://", "https:///a", "https://h.example:0/", "https://h.example:x/",
     "https://h.example/a b", "https://häuser.example/", "https://[::1/"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="must be an http or https one"):
        read(text)


def test_an_address_has_a_length() -> None:
    with pytest.raises(ValueError, match=r"has 2,?049 characters"):
        read("https://h.example/".ljust(2_049, "x"))


@pytest.mark.parametrize("text", ["https://user:sesame@hooks.example/", "http://:sesame@[2001:db8::1]:8080/x?y#z"])
def test_nothing_shown_has_a_password(text: str) -> None:
    assert "sesame" not in without_password(text)


def test_what_is_no_address_is_shown_as_it_is() -> None:
    assert without_password("what?") == "what?"


def test_servers_are_told_apart_by_scheme_host_and_port() -> None:
    assert server_of("https://hooks.example/a?b") == server_of("https://HOOKS.example/c")
    servers = ("http://hooks.example/", "https://hooks.example/", "https://hooks.example:8443/", "https://b.example/")
    assert len({server_of(url) for url in servers}) == 4
