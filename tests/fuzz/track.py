"""Fuzz target: any message is laid out and filled; what comes of it is the message but for links, pixel and header fields.

``python -m tests.fuzz track`` runs it.
"""

from postroad.protocol.mime.header import HeaderBlock, split
from postroad.rendering.track import lay_out
from postroad.rendering.track_body import Wishes
from postroad.tracking.html_links import destination, links_in
from postroad.tracking.token import Place, Signer, TrackingKey, read_token

_PLACE = Place("https://t.example.com", "t.example.com")
_KEY = TrackingKey(1, 0, b"k" * 32)
_LINK = b"https://t.example.com/c/"


def run_one(data: bytes) -> None:
    """Track ``data`` for two recipients; any exception or broken promise is a finding."""
    for link in links_in(data).links:
        assert destination(data[link.start : link.end].decode()) == link.url
        assert link.url.isascii()
    assert lay_out(data, _PLACE, Wishes()).filled(_signer(1)) == data
    layout = lay_out(data, _PLACE, Wishes(clicks=True, text_clicks=True, opens=True, unsubscribe=True))
    first, second = (layout.filled(_signer(number), "https://t.example.com/u/x") for number in (1, 2))
    assert len(first) == len(second)
    before, after = split(data), split(first)
    if isinstance(before, HeaderBlock):
        assert isinstance(after, HeaderBlock), after
        added = {b"list-unsubscribe", b"list-unsubscribe-post", b"content-transfer-encoding"}
        assert [one.name for one in before.fields if one.name not in added] == [
            one.name for one in after.fields if one.name not in added
        ]
    for part in first.split(_LINK)[1:]:
        letters = part.split(b'"')[0].split(b"'")[0].split(b">")[0]
        if letters.replace(b"-", b"").replace(b"_", b"").isalnum() and _LINK not in data:
            assert read_token(letters.decode(), _PLACE.host, {1: _KEY.secret}) is not None, letters


def _signer(delivery_id: int) -> Signer:
    return Signer(_KEY, _PLACE.host, domain_id=1, delivery_id=delivery_id)
