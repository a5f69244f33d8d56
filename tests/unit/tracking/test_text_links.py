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
        ("(https://a.example/x_) *https://a.example/x*", []),
        ("https://a.example/x_(y), https://b.example/?!", ["https://a.example/x_(y)", "https://b.example/"]),
        ("<HTTPS://a.example/>", ["HTTPS://a.example/"]),
        ('"https://a.example/"', ["https://a.example/"]),
        ("[1]: https://a.example/a]).", ["https://a.example/a"]),
        ("https://a.example/ü", []),
        ("https://ä.example/ https://a.example/", ["https://a.example/"]),
        ("詳細はhttps://a.example/fooをご覧ください。", []),
        ("詳細はhttps://a.example/foo。次は", ["https://a.example/foo"]),
        ("（https://a.example/foo）", ["https://a.example/foo"]),
        ("https://a.example/foo\u3000bar\u2028", ["https://a.example/foo"]),
        ("“https://a.example/e”", ["https://a.example/e"]),
        ("“https://a.example/e.”)", ["https://a.example/e"]),
        ("https://a.example/it’s https://a.example/a–b https://a.example/…/b", []),
        ("[https://a.example/](https://a.example/)", ["https://a.example/"] * 2),
        ("[https://a.example/]をご覧", ["https://a.example/"]),
        ("https://a.example,https://b.example", ["https://a.example", "https://b.example"]),
        ("https://a.example/(https://b.example/x_[y])", ["https://b.example/x_[y]"]),
        ("https://a.examplehttps://b.example", []),
        ("https://web.example/2020/https://a.example/", ["https://web.example/2020/https://a.example/"]),
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
        assert octets[link.start : link.end].decode() == link.url


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("https://a.example/long/ \r\nrest?x=1\r\n", []),
        ("https://a.example/long. \r\nhtml\r\n", []),
        ("(https://a.example/x) \r\nrest\r\n", ["https://a.example/x"]),
        ("https://a.example/x  \r\nrest\r\nhttps://b.example/\r\n", ["https://a.example/x", "https://b.example/"]),
    ],
)
def test_an_address_that_goes_on_in_the_next_line_is_left_alone(text: str, urls: list[str]) -> None:
    assert [link.url for link in links_in_text(text.encode(), goes_on=True)] == urls
    assert len(links_in_text(text.encode())) == text.count("https:")


@pytest.mark.parametrize("letter", ["_", "~", "*", "'", "(", "[", "{"])
def test_an_address_is_left_alone_where_programs_disagree_on_its_last_letter(letter: str) -> None:
    """A link that ends in one would lead nowhere where it is taken for a part of the link in its place."""
    for behind in (letter, f"{letter}.", f".{letter}{letter}!", f"{letter}\u3002"):
        found = links_in_text(f"https://a.example/reset?t=Zm9v{behind} https://b.example/".encode())
        assert [link.url for link in found] == ["https://b.example/"]
    (link,) = links_in_text(f"https://a.example/{letter}b?".encode())
    assert link.url == f"https://a.example/{letter}b"


def test_octets_of_another_character_set_are_no_address() -> None:
    assert [link.url for link in links_in_text(b"https://a.example/\xff https://b.example/")] == ["https://b.example/"]


@pytest.mark.parametrize(
    "octets",
    [
        b"https://a.example/" + b")" * 300_000,
        b"https://a.example/)) " * 20_000,
        b"https://a" * 50_000,
        b"https://a,b" * 50_000,
        b"https://a,https://" * 25_000,
        b"https://a/()[]{}" * 30_000,
        (b"https://a.example/" + b")" * 1900 + b"\r\n") * 250,
        (b"https://a.example/" + b"(" * 1900 + b"\xe3\x80\x82") * 250,
    ],
    ids=range(8),
)
def test_hostile_text_costs_no_more_than_its_length(octets: bytes) -> None:
    begun = time.process_time()
    links_in_text(octets)

    assert time.process_time() - begun < 0.3
