"""Web addresses in plain text: found as programs that show text find them, without the sentence around them."""

import time

import pytest

from postroad.tracking.text_links import links_in_text


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("See https://a.example/x?y=1&z=2#f now", ["https://a.example/x?y=1&z=2#f"]),
        ("See https://a.example.", ["https://a.example"]),
        ("(https://a.example/x)", ["https://a.example/x"]),
        ("https://a.example/x_(y), https://b.example/?!", ["https://a.example/x_(y)", "https://b.example/"]),
        ("<HTTPS://a.example/>", ["HTTPS://a.example/"]),
        ('"https://a.example/"', ["https://a.example/"]),
        ("[1]: https://a.example/a]).", ["https://a.example/a"]),
        ("https://a.example/ü", ["https://a.example/%C3%BC"]),
        ("https://a.example/\r\nnext", ["https://a.example/"]),
        ("xhttps://a.example/ ftp://a.example mailto:a@b.example www.a.example https:// http:///x", []),
        ("https://redirect.example/?to=https://a.example/", ["https://redirect.example/?to=https://a.example/"]),
    ],
)
def test_addresses_are_found(text: str, urls: list[str]) -> None:
    octets = text.encode()
    found = links_in_text(octets)

    assert [link.url for link in found] == urls
    for link in found:
        assert octets[link.start : link.end].decode() in text


def test_octets_of_another_character_set_are_no_address() -> None:
    assert [link.url for link in links_in_text(b"https://a.example/\xff https://b.example/")] == ["https://b.example/"]


@pytest.mark.parametrize(
    "octets", [b"https://a.example/" + b")" * 300_000, b"https://a.example/)) " * 20_000, b"https://a" * 50_000]
)
def test_hostile_text_costs_no_more_than_its_length(octets: bytes) -> None:
    begun = time.process_time()
    links_in_text(octets)

    assert time.process_time() - begun < 1
