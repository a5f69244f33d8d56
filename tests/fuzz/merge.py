"""Fuzz target: any message with any placeholders in it is planned and filled; only TooMuchError may come of it.

``python -m tests.fuzz merge`` runs it.
"""

from postroad.model.options import OnMissing
from postroad.protocol.mime.header import HeaderBlock, split
from postroad.rendering.merge import plan
from postroad.rendering.merge_values import Filling, TooMuchError
from postroad.rendering.placeholder import PLACEHOLDER, Addressee

_VARIABLES = {
    "a": "Ada",
    "b": "=?utf-8?q?x?= <y@z.test>, ü山",
    "c": {"d": ["%recipient.a%", None, 1.5]},
    "e": "x" * 1100,
}


def run_one(data: bytes) -> None:
    """Fill ``data`` for one recipient; any exception or broken promise is a finding."""
    merge = plan(data)
    addressee = Addressee(address="ada@dest.test", display_name="Ada L", variables=_VARIABLES)
    try:
        filled = merge.filled(Filling(addressee=addressee, escapes_html=True))
    except TooMuchError:
        return
    if not PLACEHOLDER.search(data) and b"=" not in data and b"base64" not in data.lower():
        assert filled.content == data
    nobody = merge.filled(Filling(addressee=Addressee(address="x@y.test"), on_missing=OnMissing.KEEP))
    assert filled.missing <= nobody.missing
    before, after = split(data), split(filled.content)
    if isinstance(before, HeaderBlock):
        assert isinstance(after, HeaderBlock), after
        added = {b"mime-version", b"content-type", b"content-transfer-encoding"}
        assert [one.name for one in before.fields] == [
            one.name for one in after.fields if one.name not in added or one.name in before.by_name
        ]
