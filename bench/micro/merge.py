"""Merging: one recipient's copy of a newsletter of 50 KB of HTML with thirty placeholders, without signing."""

from collections.abc import Callable

from postroad.protocol.mime import transfer_encoding
from postroad.rendering.merge import MergePlan, plan
from postroad.rendering.merge_values import Filling
from postroad.rendering.placeholder import Addressee

_ROW = (
    '<tr><td style="padding:0 12px 8px 12px;font-family:Helvetica,Arial,sans-serif"><a href="https://news.example/item/{0}'
    '?r=%recipient.id%">Offer {0}</a> for {1}, this week only, as long as there are any left in our shops</td></tr>\r\n'
)
HTML = (
    "<html><body><p>Dear %recipient.name%,</p><table>\r\n"
    + "".join(
        _ROW.format(number, "you" if number % 8 else "Müller & Söhne")
        if number % 8 == 0
        else _ROW.format(number, "you").replace("?r=%recipient.id%", "")
        for number in range(240)
    )
    + '</table><a href="%unsubscribe_url%">unsubscribe</a></body></html>\r\n'
)
HEADER = (
    "From: Shop <shop@news.example>\r\nTo: %recipient%\r\nSubject: Offers for %recipient.name%\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: {}\r\n\r\n"
)


def cases() -> dict[str, Callable[[], object]]:
    """Name the operations."""
    filling = Filling(
        addressee=Addressee(address="ada@dest.example", variables={"name": "Ada Lovelace", "id": "a1b2c3"})
    )
    octets = HTML.encode()
    assert 48_000 < len(octets) < 56_000, len(octets)
    contents = {
        "8bit": octets,
        "quoted-printable": transfer_encoding.quoted_printable(octets),
        "base64": transfer_encoding.base64(octets),
    }
    made = {name: HEADER.format(name).encode() + body for name, body in contents.items()}
    plans: dict[str, MergePlan] = {name: plan(content) for name, content in made.items()}
    cases: dict[str, Callable[[], object]] = {}
    for name, one in plans.items():
        cases[f"fill 50 KB of HTML in {name}"] = lambda one=one: one.filled(filling)  # type: ignore[misc]
        cases[f"plan 50 KB of HTML in {name}"] = lambda name=name: plan(made[name])  # type: ignore[misc]
    return cases
