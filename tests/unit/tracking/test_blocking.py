"""Destinations that are taken down: what is understood, and which links it means."""

import time

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
        ("http://evil.example?b", "evil.example/?b"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("https://%65vil.example/x/../%73tolen/", "evil.example/stolen/"),
        ("https://1572395042/", "93.184.216.34"),
        ("https://[2001:DB8:0::1]/", "[2001:db8::1]"),
    ],
)
def test_a_host_or_the_beginning_of_a_url_is_understood(text: str, pattern: str) -> None:
    assert understood(text) == pattern


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "evil",
        "evil.example/path",
        "a b.example",
        "ann@evil.example",
        "ftp://evil.example",
        "https://",
        "https://:80",
        "https://:80/x",
        "http://@/",
        "http://?x",
        "https://[::1",
        "https://com",
        "https://com./path",
        "https://evil%20.example/",
        "https://1.2.3.4.5/",
        "https://evil.999/",
    ],
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


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("evil.example", "https://%65vil.example/x"),
        ("evil.example", "https://evil%2Eexample/"),
        ("evil.example", "https://evil.example\\@good.example/x"),
        ("evil.example", "https://\\evil.example/"),
        ("evil.example", "https:///evil.example/"),
        ("evil.example", "https://a@good.example@evil.example/"),
        ("evil.example", "https://evil%E3%80%82example/"),
        ("evil.example", "https://evil.example%E3%80%82/"),
        ("evil.example", "https://%EF%BD%85vil.example/"),
        ("evil.example", "https://ev%C2%ADil.example:80/"),
        ("xn--bcher-kva.example", "https://b%C3%BCcher.example/"),
        ("bücher.example", "https://xn--bcher-kva.example/"),
        ("BÜCHER.example", "https://www.b%C3%BCcher.example/"),
        ("93.184.216.34", "http://1572395042/"),
        ("93.184.216.34", "http://0x5d.0270.216.34/"),
        ("93.184.216.34", "http://93.184.55330./"),
        ("https://[2001:db8::1]", "https://[2001:0DB8::0:1]:8080/x"),
        ("https://shop.example/stolen/", "https://shop.example/x/../stolen/a"),
        ("https://shop.example/stolen/", "https://shop.example/x/%2e%2E/./stolen/a"),
        ("https://shop.example/stolen/", "https://shop.example/../stolen/a"),
        ("https://shop.example/stolen/", "https://shop.example/%73tolen/a"),
        ("https://shop.example/stolen/", "https://shop.example\\stolen\\a"),
        ("https://shop.example/größe(1) a", "https://shop.example/gr%c3%b6%C3%9Fe%281%29%20a"),
        ("https://shop.example?id=1", "https://shop.example/?%69d=1&x"),
    ],
)
def test_another_spelling_that_browsers_take_for_the_same_is_no_way_around(text: str, url: str) -> None:
    assert is_blocked(url, {understood(text)})


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("evil.example", "https://evil.example%2F@good.example/"),
        ("evil.example", "https://good.example/\\evil.example"),
        ("evil.example", "https://good.example%2F.evil.example/"),
        ("evil.example", "https://%FF.evil.example/"),
        ("evil.example", ""),
        ("216.34", "http://93.184.216.34/"),
        ("https://shop.example/stolen/", "https://shop.example/stolen%2Fa"),
        ("https://shop.example/stolen/", "https://shop.example/stolen/../a"),
        ("https://shop.example/stolen/", "https://www.shop.example/stolen/"),
    ],
)
def test_what_browsers_take_for_another_is_led_on(text: str, url: str) -> None:
    assert not is_blocked(url, {understood(text)})


def test_many_patterns_cost_a_hit_no_more_than_few() -> None:
    patterns = frozenset(f"shop{number}.example/stolen/" for number in range(100_000))
    is_blocked("https://shop.example/", patterns)
    begun = time.process_time()
    for number in range(1000):
        assert is_blocked(f"https://shop{number}.example/stolen/x", patterns)

    assert time.process_time() - begun < 1
