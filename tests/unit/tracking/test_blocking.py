"""Destinations that are taken down: what is understood, and which links it means."""

import pytest

from postroad.tracking.blocking import is_blocked, understood


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("evil.example", "evil.example"),
        (" Evil.Example. ", "evil.example"),
        ("https://evil.example", "evil.example"),
        ("https://evil.example/", "evil.example"),
        ("HTTPS://Evil.Example/Path/", "evil.example/Path/"),
        ("http://evil.example:8080/a?b", "evil.example/a?b"),
    ],
)
def test_a_host_or_the_beginning_of_a_url_is_understood(text: str, pattern: str) -> None:
    assert understood(text) == pattern


@pytest.mark.parametrize(
    "text", ["", "evil", "evil.example/path", "a b.example", "ann@evil.example", "ftp://evil.example", "https://"]
)
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="beginning of a URL"):
        understood(text)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "http://www.EVIL.example:81/x",
        "https://user@evil.example/",
        "https://evil.example./",
        "https://good.example/stolen/goods?x",
    ],
)
def test_links_that_are_meant(url: str) -> None:
    assert is_blocked(url, {"evil.example", "good.example/stolen/"})


@pytest.mark.parametrize(
    "url", ["https://notevil.example/", "https://good.example/?evil.example", "https://good.example/stolen", "https://[bad/"]
)  # fmt: skip
def test_links_that_are_not(url: str) -> None:
    assert not is_blocked(url, {"evil.example", "good.example/stolen/"})
    assert not is_blocked(url, ())
