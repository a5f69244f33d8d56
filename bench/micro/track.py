"""Tracking: one recipient's copy of a newsletter of 50 KB of HTML with 240 links and a pixel, without signing."""

from collections.abc import Callable

from bench.micro.merge import HEADER, HTML
from postroad.protocol.mime import transfer_encoding
from postroad.rendering.track import Layout, lay_out
from postroad.rendering.track_body import Wishes
from postroad.tracking.token import Kind, Place, Signer, TrackingKey, read_token

_PLACE = Place("https://t.news.example", "t.news.example")
_KEY = TrackingKey(1, 0, b"k" * 32)
_WISHES = Wishes(clicks=True, opens=True, unsubscribe=True)


def cases() -> dict[str, Callable[[], object]]:
    """Name the operations."""
    octets = HTML.encode()
    contents = {
        "8bit": octets,
        "quoted-printable": transfer_encoding.quoted_printable(octets),
        "base64": transfer_encoding.base64(octets),
    }
    made = {name: HEADER.format(name).encode() + body for name, body in contents.items()}
    layouts: dict[str, Layout] = {name: lay_out(content, _PLACE, _WISHES) for name, content in made.items()}
    cases: dict[str, Callable[[], object]] = {}
    for name, one in layouts.items():
        cases[f"fill 240 links in {name}"] = lambda one=one: one.filled(_signer(), "https://t.news.example/u/x")  # type: ignore[misc]
        cases[f"lay 240 links out in {name}"] = lambda name=name: lay_out(made[name], _PLACE, _WISHES)  # type: ignore[misc]
    token = _signer().token(Kind.CLICK, b"https://news.example/item/17?utm_source=news")
    cases["read a token"] = lambda: read_token(token, _PLACE.host, {1: _KEY.secret})
    return cases


def _signer() -> Signer:
    return Signer(_KEY, _PLACE.host, domain_id=1, delivery_id=1 << 60)
