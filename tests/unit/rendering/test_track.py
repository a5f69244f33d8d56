"""Tracked copies: links lead over the tracking host in every encoding, and all other octets stay as they were."""

import base64
import email
import email.policy
import re
import tracemalloc
from email.message import EmailMessage
from typing import Any

import pytest

from postroad.protocol.mime import transfer_encoding
from postroad.rendering.track import lay_out
from postroad.rendering.track_body import Wishes
from postroad.tracking.token import Kind, Place, Signer, TrackingKey, read_token

KEY = TrackingKey(1, 0, b"k" * 32)
PLACE = Place("https://t.example.com", "t.example.com")
ALL = Wishes(clicks=True, opens=True)
UNSUBSCRIBE = "https://t.example.com/u/abc"
HTML = (
    '<html><body class="é">\r\n<p>Grüße <a href="https://shop.example/ü?a=1&amp;b=2#c">Laden</a></p>\r\n'
    "<a href='mailto:a@example.net'>Mail</a> <a href=https://other.example/>x</a>\r\n</body></html>\r\n"
)
URLS = [b"https://shop.example/%C3%BC?a=1&b=2#c", b"https://other.example/"]
TOKEN = re.compile(rb"https://t\.example\.com/[oc]/([A-Za-z0-9_-]+)")


def signer(delivery_id: int = 5) -> Signer:
    return Signer(KEY, PLACE.host, domain_id=7, delivery_id=delivery_id)


def part(body: bytes, encoding: str = "8bit", kind: str = "text/html; charset=utf-8", *, header: str = "") -> bytes:
    fields = f"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n{header}\r\n"
    return fields.encode() + body


def encoded(html: str, encoding: str) -> bytes:
    octets = html.encode()
    match encoding:
        case "quoted-printable":
            return transfer_encoding.quoted_printable(octets)
        case "base64":
            return transfer_encoding.base64(octets)
    return octets


def copy(content: bytes, wishes: Wishes = ALL) -> bytes:
    return lay_out(content, PLACE, wishes).filled(signer(), UNSUBSCRIBE)


def html_of(content: bytes) -> bytes:
    message = email.message_from_bytes(content, policy=email.policy.SMTP)
    found = next(one for one in message.walk() if one.get_content_type() == "text/html")
    payload: Any = found.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def tokens(html: bytes) -> list[tuple[Kind, bytes]]:
    read = [read_token(one.decode(), PLACE.host, {1: KEY.secret}) for one in TOKEN.findall(html)]
    assert all(one is not None and (one.domain_id, one.delivery_id) == (7, 5) for one in read)
    return [(one.kind, one.payload) for one in read if one is not None]


@pytest.mark.parametrize("encoding", ["8bit", "quoted-printable", "base64"])
def test_links_and_pixel_are_put_in_and_the_rest_stays(encoding: str) -> None:
    content = part(encoded(HTML, encoding), encoding)
    made = copy(content)

    html = html_of(made)
    assert tokens(html) == [*((Kind.CLICK, url) for url in URLS), (Kind.OPEN, b"")]
    originals = iter(["https://shop.example/ü?a=1&amp;b=2#c".encode(), b"https://other.example/", b""])
    back = TOKEN.sub(lambda _found: next(originals), html)
    assert back.replace(b'<img src="" width="1" height="1" alt="">', b"") == HTML.encode()
    assert html.index(b"<img") < html.index(b"</body>")
    assert made.startswith(content[: content.index(b"\r\n\r\n") + 4])
    assert max(map(len, made.split(b"\r\n"))) <= (998 if encoding == "8bit" else 76)


def test_quoted_printable_lines_without_links_stay_as_they_are() -> None:
    odd = b"<p>a=\r\nb =3D =C3=BC=\r\n=\r\n c</p>\r\n"
    made = copy(part(odd + b'<a href=3D"https://a.example/">x</a>\r\n' + odd, "quoted-printable"), Wishes(clicks=True))

    assert made.count(odd) == 2
    assert [url for _, url in tokens(html_of(made))] == [b"https://a.example/"]


@pytest.mark.parametrize(
    "body",
    [
        b'<a href=3D"https://a.exa=\r\nmple/">x</a>',
        b'<a href=3D"=\r\nhttps://a.example/=\r\n">x</a>',
        b'<a href=3Dhttps://a.example/\r\n>x</a>',
        b'<a href=3D"https://a.example/">' + b"x" * 44 + b"=\r\n</a>",
        b"=\r\n" * 3 + b'<a href=3D"https://a.example=2F">',
        b'<a href=3D"https://a.example/">=C3=',
    ],
)  # fmt: skip
def test_a_value_that_goes_over_soft_breaks_is_replaced_as_a_whole(body: bytes) -> None:
    made = copy(part(body, "quoted-printable"), Wishes(clicks=True))

    assert [url for _, url in tokens(html_of(made))] == [b"https://a.example/"]
    before, after = transfer_encoding.decode_quoted_printable(body).split(b"https://a.example/")
    assert html_of(made).startswith(before)
    assert html_of(made).endswith(after)
    assert max(map(len, made.split(b"\r\n"))) <= 76


@pytest.mark.parametrize(
    ("end", "broken"),
    [
        ("=", "=\r\n"),
        ("= \t", "= \t\r\n"),
        ("=3D=", "=3D=\r\n"),
        ("=\r\n", "=\r\n"),
        ("=3D", "=3D=\r\n"),
        ("", "=\r\n"),
    ],
)
def test_a_last_soft_break_may_lack_its_line_end(end: str, broken: str) -> None:
    content = (
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n"
        f"Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>hi{end}\r\n--b--\r\n"
    ).encode()

    assert f"\r\n<p>hi{broken}<img ".encode() in copy(content)


def test_base64_without_a_line_end_keeps_none() -> None:
    body = base64.b64encode(b'<a href="https://a.example/">')
    made = copy(part(body, "base64"), Wishes(clicks=True))

    assert not made.endswith(b"\r\n")
    assert [url for _, url in tokens(html_of(made))] == [b"https://a.example/"]


def test_a_line_that_would_be_too_long_makes_the_part_quoted_printable() -> None:
    html = "<p>" + '<a href="https://a.example/">ü</a>' * 20 + "</p>"
    made = copy(part(html.encode(), "8bit"), Wishes(clicks=True))

    assert b"Content-Transfer-Encoding: quoted-printable\r\n" in made
    assert len(tokens(html_of(made))) == 20
    assert TOKEN.sub(b"https://a.example/", html_of(made)).rstrip() == html.encode()
    assert max(map(len, made.split(b"\r\n"))) <= 76


def test_a_link_in_another_character_set_leads_where_it_does() -> None:
    body = '<a href="https://a.example/ü">ü</a>'.encode("latin-1")

    for encoding, octets in (("8bit", body), ("quoted-printable", transfer_encoding.quoted_printable(body))):
        made = copy(part(octets, encoding, "text/html; charset=iso-8859-1"), Wishes(clicks=True))
        assert tokens(html_of(made)) == [(Kind.CLICK, b"https://a.example/%C3%BC")]
        assert html_of(made).rstrip().endswith(b">\xfc</a>")


@pytest.mark.parametrize(
    ("charset", "codec"),
    [("windows-31j", "cp932"), ("x-sjis", "cp932"), ("windows-874", "cp874"), ("iso-8859-8-i", "iso8859-8"),
     ("x-gbk", "gbk"), ("nobody-s-set", "utf-8")],
)  # fmt: skip
def test_a_character_set_by_a_name_of_its_own_is_tracked(charset: str, codec: str) -> None:
    letters = {"cp874": "ส", "iso8859-8": "ש"}.get(codec, "山")
    body = f'<a href="https://a.example/">{letters}</a>'.encode(codec)
    made = copy(part(body, kind=f"text/html; charset={charset}"), Wishes(clicks=True))

    assert tokens(html_of(made)) == [(Kind.CLICK, b"https://a.example/")]
    assert html_of(made).rstrip().endswith(f">{letters}</a>".encode(codec))


@pytest.mark.parametrize("charset", ["utf-16", "iso-2022-jp", "unknown-8bit-thing"])
def test_a_character_set_of_another_kind_is_left_alone(charset: str) -> None:
    text = '<a href="https://a.example/">\u3042</a>'
    octets = text.encode("utf-16" if charset.startswith("unk") else charset)
    content = part(transfer_encoding.base64(octets), "base64", f"text/html; charset={charset}")

    assert copy(content) == content


def message(*, attached: bool = False) -> EmailMessage:
    made = EmailMessage(policy=email.policy.SMTP)
    made["Subject"] = "x"
    made.set_content("See https://text.example/ or %unsubscribe_url%\r\n")
    made.add_alternative('<a href="https://a.example/">x</a>', subtype="html")
    if attached:
        made.add_attachment('<a href="https://file.example/">x</a>', subtype="html", filename="page.html")
    return made


def test_the_text_part_and_attachments_stay() -> None:
    content = message(attached=True).as_bytes()
    made = copy(content, Wishes(clicks=True))

    assert made.count(b"https://text.example/") == made.count(b"https://file.example/") == 1
    assert made[made.index(b"page.html") :] == content[content.index(b"page.html") :]
    assert len(TOKEN.findall(made)) == 1


@pytest.mark.parametrize("encoding", ["8bit", "quoted-printable", "base64"])
def test_addresses_in_plain_text_are_led_over_the_host_where_that_is_asked_for(encoding: str) -> None:
    text = f"Grüße: https://a.example/?b=1 (siehe http://b.example/x). {UNSUBSCRIBE}\r\n"
    content = part(encoded(text, encoding), encoding, "text/plain; charset=utf-8")
    wishes = Wishes(clicks=True, text_clicks=True, opens=True, trap=True)
    made = email.message_from_bytes(copy(content, wishes)).get_payload(decode=True)

    assert isinstance(made, bytes)
    assert tokens(made) == [(Kind.CLICK, b"https://a.example/?b=1"), (Kind.CLICK, b"http://b.example/x")]
    originals = iter([b"https://a.example/?b=1", b"http://b.example/x"])
    assert TOKEN.sub(lambda _found: next(originals), made) == text.encode()
    assert copy(content, Wishes(text_clicks=True, opens=True)) == copy(content, Wishes(clicks=True)) == content


def test_an_address_that_goes_on_in_the_next_line_is_left_alone() -> None:
    text = b"https://a.example/long/ \r\nrest https://b.example/\r\n"
    wishes = Wishes(clicks=True, text_clicks=True)
    for kind, number in (
        ("text/plain", 2),
        ("text/plain; format=flowed", 2),
        ("text/plain; format=Flowed; DelSp=Yes", 1),
    ):
        assert len(tokens(copy(part(text, kind=kind), wishes))) == number, kind


def test_a_message_of_several_texts_has_one_pixel() -> None:
    inner = part(b'<a href="https://a.example/">x</a>', "7bit")
    made = copy(
        part(b"--b\r\n" + inner + b"\r\n--b\r\n" + inner + b"\r\n--b--\r\n", "7bit", 'multipart/mixed; boundary="b"')
    )

    assert [kind for kind, _ in tokens(made)] == [Kind.CLICK, Kind.OPEN, Kind.CLICK]


def test_what_pgp_has_signed_stays() -> None:
    body = b'-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\n<a href="https://a.example/">x</a>\r\n'

    for encoding, octets in (("8bit", body), ("base64", transfer_encoding.base64(body))):
        content = part(octets, encoding)
        assert copy(content) == content


def test_signed_and_encrypted_parts_and_messages_within_stay() -> None:
    inner = part(b'<a href="https://a.example/">x</a>\r\n', "7bit")
    for kind in ('multipart/signed; boundary="b"', 'multipart/encrypted; boundary="b"', "message/rfc822"):
        body = inner if kind.startswith("message") else b"--b\r\n" + inner + b"\r\n--b--\r\n"
        content = part(body, "7bit", kind)

        assert copy(content) == content


def test_how_to_unsubscribe_stands_in_the_header() -> None:
    content = message().as_bytes()
    made = email.message_from_bytes(copy(content, Wishes(unsubscribe=True)), policy=email.policy.SMTP)

    assert made["List-Unsubscribe"] == f"<{UNSUBSCRIBE}>"
    assert made["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert copy(content, Wishes(unsubscribe=True)).endswith(content[content.index(b"\r\n\r\n") :])


def test_one_click_is_offered_over_https_alone() -> None:
    made = lay_out(message().as_bytes(), PLACE, Wishes(unsubscribe=True)).filled(signer(), "http://t.example.com/u/abc")

    assert b"\r\nList-Unsubscribe: <http://t.example.com/u/abc>\r\n" in made
    assert b"List-Unsubscribe-Post" not in made


@pytest.mark.parametrize("own", ["List-Unsubscribe: <mailto:out@example.com>", "list-unsubscribe-post: x"])
def test_a_sender_who_says_how_is_not_gainsaid(own: str) -> None:
    content = part(b"<p>x</p>", header=f"{own}\r\n")

    assert copy(content, Wishes(unsubscribe=True)) == content


def test_the_unsubscribe_link_is_no_click() -> None:
    content = part(f'<a href="{UNSUBSCRIBE}">leave</a>'.encode())

    assert copy(content, Wishes(clicks=True)) == content


def test_a_trap_is_hidden_and_looks_like_any_link() -> None:
    html = html_of(copy(part(b"<p>x</p>"), Wishes(clicks=True, trap=True)))

    assert tokens(html) == [(Kind.TRAP, b"")]
    assert b'style="display:none"' in html
    assert b"/c/" in html


def test_a_link_that_would_be_too_long_is_left_alone() -> None:
    long = part(b'<a href="https://a.example/' + b"x" * 1500 + b'">x</a>', "quoted-printable")

    assert copy(long, Wishes(clicks=True)) == long


def test_what_asks_for_nothing_is_fixed() -> None:
    assert lay_out(part(b"<p>x</p>"), PLACE, Wishes()).is_fixed
    assert lay_out(b"no header at all", PLACE, ALL).is_fixed
    # Nothing is put where a header would be taken to go on.
    assert lay_out(b"Subject: x\r\nContent-Type: text/html\r\n", PLACE, ALL).is_fixed
    assert not lay_out(part(b"<p>x</p>"), PLACE, ALL).is_fixed


def test_each_recipient_has_tokens_of_its_own_in_one_layout() -> None:
    layout = lay_out(part(encoded(HTML, "base64"), "base64"), PLACE, ALL)
    copies = [html_of(layout.filled(signer(number))) for number in (5, 6)]

    assert len(set(copies)) == 2
    assert len(copies[0]) == len(copies[1])
    read = read_token(TOKEN.findall(copies[1])[0].decode(), PLACE.host, {1: KEY.secret})
    assert read is not None
    assert read.delivery_id == 6


def test_a_layout_takes_about_what_the_message_does() -> None:
    content = part(HTML.encode() * 2000, "8bit")
    tracemalloc.start()
    layout = lay_out(content, PLACE, ALL)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert not layout.is_fixed
    assert kept < 6 * len(content)


@pytest.mark.parametrize(
    "beginning", ["data:image/png;base64,", "https://shop.example/", "https://shop.example/?a&amp;"]
)
def test_nothing_is_remembered_of_long_values(beginning: str) -> None:
    def track(number: int) -> None:
        copy(part(f'<a href="{beginning}{number}'.encode() + b"A" * 300_000 + b'">x</a>'))

    track(0)
    tracemalloc.start()
    try:
        for number in range(1, 11):
            track(number)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 100_000


def test_no_text_comes_to_stand_as_a_boundary_behind_a_soft_break() -> None:
    for before in range(900, 976):
        text = b'<a href="https://shop.example/">' + b"x" * before + b"--B--"
        two = b"--B\r\nContent-Type: text/html\r\n\r\n" + text + b"\r\n--B\r\n\r\nlast\r\n--B--\r\n"
        content = copy(
            b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n" + two, Wishes(clicks=True)
        )
        assert b"quoted-printable" in content
        assert b"x" * before + b"--B--" in html_of(content)
