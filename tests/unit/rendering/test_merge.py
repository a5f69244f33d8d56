"""One recipient's copy: values where placeholders were, and every other byte as it was."""

import base64
import email
import email.policy
import quopri
import re
import time
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.model.options import OnMissing
from postroad.protocol.mime.header import HeaderBlock, split
from postroad.rendering.merge import Merged, plan
from postroad.rendering.merge_values import MOST_OCTETS, Filling, TooMuchError
from postroad.rendering.placeholder import Addressee


def fill(
    content: bytes,
    variables: dict[str, Any] | None = None,
    *,
    address: str = "ada@dest.test",
    links: dict[str, str] | None = None,
    on_missing: OnMissing = OnMissing.EMPTY,
    escapes_html: bool = False,
) -> Merged:
    merge = plan(content)
    addressee = Addressee(
        address=address,
        display_name=merge.display_names.get(address, ""),
        variables=variables or {},
        links=links or {},
    )
    return merge.filled(Filling(addressee=addressee, on_missing=on_missing, escapes_html=escapes_html))


def header(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in ("From: a@news.test", "MIME-Version: 1.0", *lines)).encode() + b"\r\n"


def body(content: bytes) -> bytes:
    return content.partition(b"\r\n\r\n")[2]


def base64_lines(octets: bytes) -> bytes:
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


def field(content: bytes, name: str) -> str:
    found = email.message_from_bytes(content, policy=email.policy.default)[name]
    return "" if found is None else str(found)


# -- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("placeholder", "value"),
    [
        ("%recipient.name%", "Ada"),
        ("%recipient.address.city%", "Oslo"),
        ("%recipient.list.1%", "b"),
        ("%recipient.a.b%", "a key with a dot"),
        ("%recipient.v:id%", "7"),
        ("%recipient.n%", "12.5"),
        ("%recipient.yes%", "true"),
        ("%recipient.nothing%", ""),
        ("%recipient.address%", '{"city":"Oslo"}'),
        ("%recipient%", "Ada L <ada@dest.test>"),
        ("%recipient_email%", "ada@dest.test"),
        ("%recipient_name%", "Ada L"),
        ("%recipient_fname%", "Ada"),
        ("%recipient_lname%", "L"),
        ("100%recipient.name%", "100Ada"),
        ("%recipient.name%recipient.name%", "Adarecipient.name%"),
        ("% recipient.name%", "% recipient.name%"),
        ("%recipient.na me%", "%recipient.na me%"),
        ("%%recipient.name%%", "%Ada%"),
    ],
)
def test_placeholders_stand_for_the_recipients_values(placeholder: str, value: str) -> None:
    variables = {
        "name": "Ada",
        "address": {"city": "Oslo"},
        "list": ["a", "b"],
        "a.b": "a key with a dot",
        "a": {"b": "hidden"},
        "v:id": 7,
        "n": 12.5,
        "yes": True,
        "nothing": None,
    }
    content = header("To: Ada L <ada@dest.test>") + f"[{placeholder}]\r\n".encode()
    assert body(fill(content, variables).content).decode() == f"[{value}]\r\n"


def test_a_missing_value_is_empty_or_stays_and_is_told() -> None:
    content = header() + b"[%recipient.x%][%recipient.y.z%]\r\n"
    empty, kept = fill(content), fill(content, on_missing=OnMissing.KEEP)
    assert body(empty.content) == b"[][]\r\n"
    assert kept.content == content
    assert empty.missing == kept.missing == {"recipient.x", "recipient.y.z"}


def test_links_that_the_message_does_not_have_stay_as_they_are_written() -> None:
    content = header("List-Unsubscribe: <%unsubscribe_url%>") + b"%unsubscribe_url% %tag_unsubscribe_url%\r\n"
    assert fill(content) == Merged(content, frozenset())
    linked = fill(content, links={"unsubscribe_url": "https://u.test/1"})
    assert body(linked.content) == b"https://u.test/1 %tag_unsubscribe_url%\r\n"
    assert field(linked.content, "List-Unsubscribe") == "<https://u.test/1>"


@pytest.mark.parametrize("length", [890, 940, 1980])
def test_a_url_too_long_for_a_line_is_folded_and_never_encoded(length: int) -> None:
    url = "https://u.test/".ljust(length, "x")
    content = header("List-Unsubscribe: <mailto:a@b.test>, <%unsubscribe_url%>, <https://u.test/>")
    filled = fill(content, links={"unsubscribe_url": url}).content

    assert max(map(len, filled.split(b"\r\n"))) <= 998
    # RFC 2369 §2: white space within the brackets is ignored.
    assert re.sub(r"\s", "", field(filled, "List-Unsubscribe")) == f"<mailto:a@b.test>,<{url}>,<https://u.test/>"


@pytest.mark.parametrize("written", ["List-Unsubscribe: <%unsubscribe_url%>", "Subject: %unsubscribe_url%"])
def test_a_link_that_the_message_does_not_have_stays_in_the_header_too(written: str) -> None:
    content = header(written, "Content-Transfer-Encoding: quoted-printable") + b"=3D%unsubscribe_url%=\r\n.\r\n"
    kept = fill(content)
    assert (kept.content, kept.missing) == (content, frozenset())
    filled = fill(content, links={"unsubscribe_url": "https://u.test/?a=1"}).content
    assert written.replace("%unsubscribe_url%", "https://u.test/?a=1").encode() in filled
    assert body(filled) == b"=3Dhttps://u.test/?a=3D1=\r\n.\r\n"


def test_a_value_is_never_looked_at_again() -> None:
    content = (
        header("Subject: %recipient.a%", "To: %recipient.a% <%recipient_email%>") + b"%recipient.a%%recipient.b%\r\n"
    )
    found = fill(content, {"a": "%recipient.b%", "b": "x"})
    assert body(found.content) == b"%recipient.b%x\r\n"
    assert field(found.content, "Subject") == "%recipient.b%"
    assert field(found.content, "To") == '"%recipient.b%" <ada@dest.test>'


def test_html_is_escaped_only_where_that_was_asked_for() -> None:
    content = header("Content-Type: text/html") + b"<p>%recipient.x%</p>\r\n"
    assert body(fill(content, {"x": "<b>&"}).content) == b"<p><b>&</p>\r\n"
    assert body(fill(content, {"x": "<b>&"}, escapes_html=True).content) == b"<p>&lt;b&gt;&amp;</p>\r\n"
    plain = header("Content-Type: text/plain") + b"%recipient.x%\r\n"
    assert body(fill(plain, {"x": "<b>&"}, escapes_html=True).content) == b"<b>&\r\n"


def test_values_out_of_all_proportion_are_refused() -> None:
    content = header() + b"%recipient.x%\r\n" * 11
    with pytest.raises(TooMuchError, match="add more than"):
        fill(content, {"x": "y" * (MOST_OCTETS // 10)})


# -- bodies ------------------------------------------------------------------------------------------------------


def quoted(text: str) -> bytes:
    return (
        header("Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: quoted-printable")
        + text.replace("\n", "\r\n").encode()
    )


def test_quoted_printable_changes_only_the_encoded_lines_that_a_placeholder_touches() -> None:
    content = quoted(
        "<p>first =C3=\n=A4</p> and =3D\nkept   \nDear %recip=\nient.na=\nme%, this is kept=\n as it is=2E\nend\n"
    )
    found = fill(content, {"name": "Åse"})
    assert found.content == quoted(
        "<p>first =C3=\n=A4</p> and =3D\nkept   \nDear =C3=85se, this is kept=\n as it is=2E\nend\n"
    )


def test_white_space_behind_a_soft_break_is_none_of_the_text() -> None:
    # RFC 2045 §6.7 (3): it was added on the way.
    content = quoted("kept=  \n as it is\nDear %recip=  \nient.na=\t\nme%, this is kept=  \n too\n")
    found = fill(content, {"name": "Ada"})
    assert found.content == quoted("kept=  \n as it is\nDear Ada, this is kept=\n too\n")


@pytest.mark.parametrize("length", range(60, 160))
def test_no_quoted_printable_line_is_longer_than_76_columns(length: int) -> None:
    content = quoted("%recipient.name% and so on=\n and the rest of it\nend =\n%recipient.name%\n")
    found = fill(content, {"name": "ä=x " * (length // 4) + "y" * (length % 4)})
    assert max(map(len, body(found.content).split(b"\r\n"))) <= 76
    value = "ä=x " * (length // 4) + "y" * (length % 4)
    assert quopri.decodestring(body(found.content).replace(b"\r\n", b"\n")).decode() == (
        f"{value} and so on and the rest of it\nend {value}\n"
    )


@pytest.mark.parametrize("value", ["a\r\n", "a\r\nb", "\r\nb", "\r\n\r\n", "a\r\nbc"])
@pytest.mark.parametrize("written", ["%recipient.name%=\n rest\n", "%recipient.name%\n", "%recipient.name%"])
def test_line_ends_of_a_value_are_line_ends_of_the_text(value: str, written: str) -> None:
    # RFC 2045 §6.7 (4).
    found = body(fill(quoted(written), {"name": value}).content)
    assert b"=0D" not in found
    assert quopri.decodestring(found.replace(b"\r\n", b"\n")).decode() == (
        written.replace("=\n", "").replace("%recipient.name%", value.replace("\r\n", "\n"))
    )


def test_base64_is_decoded_and_encoded_anew() -> None:
    text = "Grüße an %recipient.name%\r\n" + "x" * 200 + "\r\n"
    coded = header("Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64")
    found = fill(coded + base64.encodebytes(text.encode()).replace(b"\n", b"\r\n"), {"name": "Ada"})
    assert base64.b64decode(body(found.content)).decode() == text.replace("%recipient.name%", "Ada")
    assert max(map(len, body(found.content).split(b"\r\n"))) == 76


@pytest.mark.parametrize(
    ("charset", "value", "codec"),
    [
        ("iso-8859-1", "Åse", "latin-1"),
        ("iso-2022-jp", "山田", "iso-2022-jp"),
        ("shift_jis", "山田", "shift_jis"),
        ("gb2312", "王", "gb2312"),
        ("koi8-r", "Ада", "koi8-r"),
        ("utf-8", "Ада 山田", "utf-8"),
    ],
)
def test_a_character_set_is_kept_where_it_holds_the_value(charset: str, value: str, codec: str) -> None:
    encoding = "7bit" if charset == "iso-2022-jp" else "8bit"
    before, after = {"iso-2022-jp": ("ヲ様", "です"), "shift_jis": ("様", "です")}.get(charset, ("a", "b"))
    content = header(f"Content-Type: text/plain; charset={charset}", f"Content-Transfer-Encoding: {encoding}")
    text = f"{before} %recipient.name% {after}\r\nsecond\r\n"
    found = fill(content + text.encode(codec), {"name": value})
    assert found.content.startswith(content)
    assert body(found.content).decode(codec) == text.replace("%recipient.name%", value)


@pytest.mark.parametrize("length", range(20, 60))
@pytest.mark.parametrize("charset", ["iso-2022-jp", "iso-2022-kr", "hz-gb-2312", "utf-7"])
def test_a_shift_goes_over_soft_line_breaks(charset: str, length: int) -> None:
    letter = {"iso-2022-kr": "\ud55c", "utf-7": "\u00fc"}.get(charset, "\u4e2d")
    text = f"{letter * length}%recipient.name%{letter}, %recipient.name%{letter * 50}\n"
    coded = header(f"Content-Type: text/plain; charset={charset}", "Content-Transfer-Encoding: quoted-printable")
    content = coded + quopri.encodestring(text.encode(charset)).replace(b"\n", b"\r\n")

    found = fill(content, {"name": "Yamada"}).content

    assert found.startswith(coded)
    assert max(map(len, body(found).split(b"\r\n"))) <= 76
    assert quopri.decodestring(body(found).replace(b"\r\n", b"\n")).decode(charset) == (
        text.replace("%recipient.name%", "Yamada")
    )


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("utf-16", "utf-16-be"),
        ("utf-16", "utf-16-le"),
        ("UTF-16LE", "utf-16-le"),
        ("utf-16be", "utf-16-be"),
        ("utf-32", "utf-32-be"),
        ("utf-32", "utf-32-le"),
        ("utf-32le", "utf-32-le"),
        ("UTF-32BE", "utf-32-be"),
    ],
)
def test_wide_characters_keep_their_set_their_order_and_its_mark(charset: str, codec: str, mark: str) -> None:
    text = mark + "Grüße %recipient.name%,\r\n\U0001f4ee 山 10 %\r\n%recipient.name%" * 3
    coded = header(f"Content-Type: text/html; charset={charset}", "Content-Transfer-Encoding: base64")

    found = fill(coded + base64_lines(text.encode(codec)), {"name": "Łukasz 山 \U0001f600"})

    expected = text.replace("%recipient.name%", "Łukasz 山 \U0001f600").encode(codec)
    assert found.content == coded + base64_lines(expected)


@pytest.mark.parametrize(
    ("encoding", "octets"),
    [
        ("base64", base64.b64encode("no placeholder".encode("utf-16-be")) + b"\r\n\r\n"),
        ("base64", base64.b64encode("%recipient.name%".encode("utf-16-be") + b"\x00")),
        ("base64", base64.b64encode("%recipient.name%".encode("utf-16-be") + b"\xd8\x00")),
        ("base64", base64.b64encode("%recipient.name%".encode("utf-16-be"))[:-1]),
        ("base64", base64.b64encode(b"%recipient.name%")),
        ("base64", b""),
        ("binary", "%recipient.name%".encode("utf-16-be")),
    ],
)
def test_what_is_not_of_a_wide_character_set_or_has_no_placeholder_stays(encoding: str, octets: bytes) -> None:
    content = header("Content-Type: text/plain; charset=utf-16", f"Content-Transfer-Encoding: {encoding}") + octets
    assert fill(content, {"name": "Ada"}).content == content


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_wide_flowed_text_keeps_its_lines(codec: str) -> None:
    kind = "Content-Type: text/plain; charset=utf-16; format=flowed"
    coded = header(kind, "Content-Transfer-Encoding: base64")
    text = "\ufeff%recipient.x%\u010a%recipient.x%\r\n%recipient.x%".encode(codec)

    found = fill(coded + base64_lines(text), {"x": "> a "})

    assert base64.b64decode(body(found.content)).decode("utf-16") == " > a \u010a> a\r\n > a"


@pytest.mark.parametrize(
    ("charset", "encoding", "text"),
    [
        ("us-ascii", "7bit", "plain %recipient.name%"),
        ("iso-8859-1", "8bit", "Grüße %recipient.name%"),
        ("iso-8859-1", "quoted-printable", "Gr=FC=DFe %recipient.name%"),
        ("iso-2022-jp", "7bit", "\x1b$B;3ED\x1b(B %recipient.name%"),
    ],
)
def test_a_part_that_cannot_hold_a_value_alone_becomes_utf8(charset: str, encoding: str, text: str) -> None:
    boundary = 'Content-Type: multipart/alternative; boundary="b"'
    other = "--b\r\nContent-Type: text/html; charset=us-ascii\r\n\r\n<p>%recipient.plain%</p>\r\n"
    octets = text.encode("latin-1")
    part = f"--b\r\nContent-Type: text/plain;\r\n charset={charset}; format=fixed\r\n".encode()
    part += f"Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + octets + b"\r\n"
    content = header(boundary) + part + other.encode() + b"--b--\r\n"
    found = email.message_from_bytes(
        fill(content, {"name": "Łukasz 山", "plain": "x"}).content, policy=email.policy.default
    )
    first, second = found.iter_parts()
    expected = quopri.decodestring(octets) if encoding == "quoted-printable" else octets
    assert first.get_content().strip() == expected.decode(charset).replace("%recipient.name%", "Łukasz 山")
    assert first["Content-Type"].params == {"charset": "utf-8", "format": "fixed"}
    assert second.as_bytes(policy=email.policy.SMTP) == b"Content-Type: text/html; charset=us-ascii\r\n\r\n<p>x</p>"


@pytest.mark.parametrize(
    ("head", "recoded"),
    [
        ('<meta charset="iso-8859-1">', '<meta charset="utf-8">'),
        ("<META NAME=x><meta charset=ISO-8859-1/>", "<META NAME=x><meta charset=utf-8/>"),
        (
            '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1">',
            '<meta http-equiv="Content-Type" content="text/html; charset=utf-8">',
        ),
        ("<meta name=a content=b>charset=iso-8859-1", "<meta name=a content=b>charset=iso-8859-1"),
        ("</head><meta charset=iso-8859-1>", "</head><meta charset=iso-8859-1>"),
    ],
)
def test_html_that_becomes_utf8_says_so_itself(head: str, recoded: str) -> None:
    coded = header("Content-Type: text/html; charset=iso-8859-1", "Content-Transfer-Encoding: 8bit")
    page = "<html><head>%s</head><body>%%recipient.name%% <meta charset=iso-8859-1></body></html>\r\n"
    content = coded + (page % head).encode()
    read = email.message_from_bytes(fill(content, {"name": "山"}).content)
    assert read.get_content_charset() == "utf-8"
    assert read.get_payload(decode=True) == (page % recoded).replace("%recipient.name%", "山").encode()
    assert fill(content, {"name": "ä"}).content == content.replace(b"%recipient.name%", b"\xe4")


def test_a_message_without_mime_becomes_mime_where_it_must() -> None:
    content = b"From: a@news.test\r\n\r\nDear %recipient.name%\r\n"
    assert fill(content, {"name": "Ada"}).content == b"From: a@news.test\r\n\r\nDear Ada\r\n"
    found = fill(content, {"name": "Åse"}).content
    assert field(found, "MIME-Version") == "1.0"
    assert email.message_from_bytes(found, policy=email.policy.default).get_content().strip() == "Dear Åse"


def test_octets_of_no_character_set_survive_a_change_of_it() -> None:
    content = header("Content-Type: text/plain; charset=us-ascii") + b"caf\xe9 %recipient.name%\r\n"
    assert body(fill(content, {"name": "x"}).content).startswith(b"caf=C3=A9 x")


def test_a_line_that_would_be_too_long_is_encoded() -> None:
    content = header("Content-Type: text/plain; charset=utf-8") + b"%recipient.x%\r\n"
    found = fill(content, {"x": "y" * 1200})
    assert max(map(len, found.content.split(b"\r\n"))) <= 78
    assert quopri.decodestring(body(found.content)).strip() == b"y" * 1200


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("%recipient.x%\r\n", ">not a quote", " >not a quote\r\n"),
        ("%recipient.x%\r\n", "From here", " From here\r\n"),
        ("Dear %recipient.x%\r\n", ">fine", "Dear >fine\r\n"),
        ("Dear %recipient.x%\r\nnext\r\n", "Ada  ", "Dear Ada\r\nnext\r\n"),
        ("Dear %recipient.x% \r\nnext\r\n", "Ada", "Dear Ada \r\nnext\r\n"),
        ("%recipient.x%\r\n", ">a  \n>b \n From\nFrom c ", " >a\r\n >b\r\n  From\r\n From c\r\n"),
        ("Dear %recipient.x%, hi\r\n", ">a\n>b ", "Dear >a\r\n >b , hi\r\n"),
        ("%recipient.x%\r\n", "-- \nAda", "-- \r\nAda\r\n"),
    ],
)
def test_format_flowed_keeps_its_lines(text: str, value: str, expected: str) -> None:
    content = header("Content-Type: text/plain; charset=utf-8; format=flowed") + text.encode()
    assert body(fill(content, {"x": value}).content).decode() == expected


LINE_ENDS = ["\r", "\n", "\r\n"]
BREAKS = [*LINE_ENDS, "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
"""What some reader or other takes for the end of a line."""


def in_encoding(text: str, encoding: str) -> bytes:
    match encoding:
        case "base64":
            return base64_lines(text.encode())
        case "quoted-printable":
            return quopri.encodestring(text.replace("\r\n", "\n").encode()).replace(b"\n", b"\r\n")
    return text.encode()


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("line_end", LINE_ENDS)
def test_line_ends_of_a_value_are_those_of_a_message_in_every_encoding(line_end: str, encoding: str) -> None:
    content = header("Content-Type: text/plain; charset=utf-8", f"Content-Transfer-Encoding: {encoding}")
    found = fill(
        content + in_encoding("%recipient.x%!\r\n", encoding), {"x": f"1 Road{line_end}{line_end}Town"}
    ).content
    decoded = email.message_from_bytes(found).get_payload(decode=True)
    assert decoded == b"1 Road\r\n\r\nTown!\r\n"
    assert found.replace(b"\r\n", b"").isascii()
    assert b"\r" not in found.replace(b"\r\n", b"")
    assert b"\n" not in found.replace(b"\r\n", b"")


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize(
    "text", ["%recipient.x%\r\n", "Dear %recipient.x%!\r\n", "--%recipient.x%\r\n", "%recipient.x%"]
)
@pytest.mark.parametrize(
    "value",
    ["--B--", "B", "B--", "\r\n--B--\r\n", "\n--B\n\nforged", "\r--B-- \rforged", "\n--A--\n", "-\n--B\n" * 40, "\n" + "-" * 300,
     "\n--B\t\nContent-Type: text/html\n\n<b>", "é\n--B--\n", "x" * 990 + "\n--B--\nx"],
)  # fmt: skip
def test_no_value_ends_its_part_or_begins_another(value: str, text: str, encoding: str) -> None:
    content = header("Content-Type: multipart/mixed; boundary=A") + (
        b"--A\r\nContent-Type: multipart/alternative; boundary=B\r\n\r\n--B\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: %b\r\n\r\n%b\r\n--B\r\nContent-Type: text/html\r\n\r\nlast\r\n--B--\r\n--A--\r\n"
    ) % (encoding.encode(), in_encoding(text, encoding))
    filled = fill(content, {"x": value}).content
    found = email.message_from_bytes(filled, policy=email.policy.compat32)
    leaves = [one for one in found.walk() if not one.is_multipart()]
    assert [one.get_content_type() for one in leaves] == ["text/plain", "text/html"]
    decoded = leaves[0].get_payload(decode=True)
    assert isinstance(decoded, bytes)
    expected = text.replace("%recipient.x%", "\n".join(re.split("\r\n|\r|\n", value)).replace("\n", "\r\n"))
    assert decoded.decode().rstrip("\r\n") == expected.rstrip("\r\n")
    if leaves[0]["Content-Transfer-Encoding"] in {"quoted-printable", "base64"}:
        assert max(map(len, str(leaves[0].get_payload()).split("\n"))) <= 77


def test_a_signature_in_a_value_changes_no_encoding() -> None:
    assert fill(header() + b"%recipient.x%\r\n", {"x": "Bye\n-- \nAda"}).content == header() + b"Bye\r\n-- \r\nAda\r\n"


PLACED = b"%recipient.name%\r\n"


@pytest.mark.parametrize(
    "part",
    [
        b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\n" + PLACED,
        b'Content-Type: text/plain\r\nContent-Disposition: inline;\r\n filename="a.txt"\r\n\r\n' + PLACED,
        b"Content-Type: text/calendar; method=REQUEST\r\n\r\n" + PLACED,
        b"Content-Type: text/csv\r\n\r\n" + PLACED,
        b"Content-Type: application/pdf\r\n\r\n" + PLACED,
        b"Content-Type: message/rfc822\r\n\r\nSubject: %recipient.name%\r\n\r\n" + PLACED,
        b"Content-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n\r\n" + PLACED + b"--c--",
        b"Content-Type: multipart/encrypted; boundary=c\r\n\r\n--c\r\n\r\n" + PLACED + b"--c--",
        b"Content-Type: text/plain; charset=utf-16\r\n\r\n" + PLACED,
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n" + PLACED,
        b"no header and no empty line\r\n",
        b"Content-Type: text/plain; name=a.txt\r\n\r\n" + PLACED,
        b"Content-Type: text/plain;\r\n name*0*=utf-8''a; name*1=.txt\r\n\r\n" + PLACED,
        b"Content-Type: multipart/digest; boundary=c\r\n\r\n--c\r\n\r\nSubject: x\r\n\r\n" + PLACED + b"--c--",
        b"Subject: 1\r\n\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\n" + PLACED,
        b"Subject: 2\r\n\r\n" + PLACED + b"-----BEGIN PGP MESSAGE-----\r\n",
        b"Subject: 3\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64_lines(PLACED + b"-----BEGIN PGP MESSAGE-----"),
        b"Subject: 4\r\nContent-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64_lines("-----BEGIN PGP MESSAGE-----\r\n%recipient.name%".encode("utf-16")),
    ],
    ids=lambda part: part[:40].decode(),
)
def test_what_is_no_text_to_read_is_never_touched(part: bytes) -> None:
    content = header('Content-Type: multipart/mixed; boundary="b"') + b"--b\r\n\r\n[%recipient.name%]\r\n--b\r\n" + part
    content += b"\r\n--b--\r\n"
    assert fill(content, {"name": "Ada"}).content == content.replace(b"[%recipient.name%]", b"[Ada]")


@pytest.mark.parametrize(
    "part",
    [
        b"Content-Type: text/html; name=a.html\r\n\r\n",
        b"Content-Type: multipart/digest; boundary=c\r\n\r\n--c\r\nContent-Type: text/plain\r\n\r\n",
        b"\r\n> -----BEGIN PGP MESSAGE-----\r\n",
    ],
)
def test_the_first_text_of_its_kind_is_read_whatever_its_name_and_so_is_what_quotes_pgp(part: bytes) -> None:
    content = (
        header("Content-Type: multipart/mixed; boundary=b") + b"--b\r\n\r\nHi\r\n--b\r\n" + part + PLACED + b"--b--\r\n"
    )
    assert fill(content, {"name": "Ada"}).content == content.replace(b"%recipient.name%", b"Ada")


def test_texts_in_nested_multiparts_are_filled() -> None:
    inner = b"--c\r\n\r\n%recipient.name%\r\n--c\r\nContent-Type: text/html\r\n\r\n<i>%recipient.name%</i>\r\n--c--"
    content = header('Content-Type: multipart/mixed; boundary="b"') + b"preamble %recipient.name%\r\n--b\r\n"
    content += b"Content-Type: multipart/alternative; boundary=c\r\n\r\n" + inner + b"\r\n--b--\r\nepilogue\r\n"
    before, _, rest = content.partition(b"--c\r\n")
    assert fill(content, {"name": "Ada"}).content == before + b"--c\r\n" + rest.replace(b"%recipient.name%", b"Ada")


def test_a_message_without_placeholders_and_one_that_is_no_mime_stay_as_they_are() -> None:
    for content in (header() + b"100% of it\r\n", b"no header at all\r\n\r\n%recipient.x%", b"Subject: x\r\n", b""):
        assert fill(content, {"x": "y"}).content == content


# -- header fields -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Subject: Hi %recipient.name%", "Subject: Hi Ada"),
        ("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_=25recipient=2Ename=25?=", "Subject: =?utf-8?b?R3LDvMOfZSBBZGE=?="),
        ("Subject: a\r\n  folded %recipient.name%", "Subject: a\r\n  folded Ada"),
        ("X-Campaign: %recipient.wide%", "X-Campaign: =?utf-8?b?w4VzZQ==?="),
        ("X-Lines: %recipient.lines%", "X-Lines: a b c"),
        ("List-Unsubscribe: <https://u.test/?e=%recipient.wide%>", "List-Unsubscribe: <https://u.test/?e=%C3%85se>"),
        ("List-Unsubscribe: <https://u.test/?e=%recipient.odd%>", "List-Unsubscribe: <https://u.test/?e=%3Cx%3E%20y>"),
        ("To: %recipient%", "To: ada@dest.test"),
        ("List-Unsubscribe: %recipient.url%", "List-Unsubscribe: <https://u.test/1?a=%20%C3%A5>, <mailto:l@u.test>"),
        ("List-Id: %recipient.city% <%recipient.odd%.u.test>", "List-Id: New York <%3Cx%3E%20y.u.test>"),
        ("List-Help: %recipient.open%%recipient.odd%>, <a>", "List-Help: <https://u.test/%3Cx%3E%20y>, <a>"),
        ("To: %recipient.name% <%recipient_email%>", 'To: "Ada" <ada@dest.test>'),
        ("To: <%recipient_email%>", "To: ada@dest.test"),
        ("To: %recipient.evil% <%recipient_email%>, b@dest.test", 'To: "x\\" <y@z.test>," <ada@dest.test>, b@dest.test'),
        ("To: c%recipient.id%@dest.test", "To: c7@dest.test"),
        ("To: %recipient.evil%", "To: undisclosed-recipients:;"),
        ("Cc: Group: a@b.test, %recipient.name%;", 'Cc: "Group": a@b.test;'),
        ("To: Team: a@x.test, b@y.test;", "To: Team: a@x.test, b@y.test;"),
        ("To: Team:%recipient%;", 'To: "Team": ada@dest.test;'),
        (
            "To: c@x.test, The %recipient.name% Team: %recipient.wide% <%recipient_email%>, b@y.test;, %recipient%",
            'To: c@x.test, "The Ada Team": =?utf-8?b?w4VzZQ==?= <ada@dest.test>, b@y.test;,\r\n ada@dest.test',
        ),
        ("To: %recipient.evil%:;, b@y.test", 'To: "x\\" <y@z.test>,":;, b@y.test'),
        ("Reply-To: Team: %recipient.name% <r@news.test>;", 'Reply-To: "Team": "Ada" <r@news.test>;'),
        ("Sender: Team: %recipient.name% <a@news.test>;", "Sender: Team: %recipient.name% <a@news.test>;"),
        ("Reply-To: %recipient.wide% <r@news.test>", "Reply-To: =?utf-8?b?w4VzZQ==?= <r@news.test>"),
        ('Reply-To: "Dear %recipient.name%, you" <r@news.test>', 'Reply-To: "Dear Ada, you" <r@news.test>'),
        ("Reply-To: zq0zq %recipient.name% <r@news.test>", "Reply-To: zq0zq %recipient.name% <r@news.test>"),
        ("Sender: %recipient.name% <a@news.test>", 'Sender: "Ada" <a@news.test>'),
        ("Sender: %recipient.mail%", "Sender: %recipient.mail%"),
        ("Sender: %recipient.name%@news.test", "Sender: %recipient.name%@news.test"),
        ("Message-ID: <%recipient.id%@news.test>", "Message-ID: <%recipient.id%@news.test>"),
        ("Date: %recipient.id%", "Date: %recipient.id%"),
        ('X-OV-Variables: {"a": "x\r\n\t%recipient.wide%"}', 'X-OV-Variables: {"a": "x \\u00c5se"}'),
        ("X-OV-Variables: {\"a\": \"%recipient.wide%\",\r\n \"n\": [1, true]}", 'X-OV-Variables: {"a": "\\u00c5se", "n": [1, true]}'),
    ],
)  # fmt: skip
def test_header_fields_take_values_each_in_its_own_way(written: str, expected: str) -> None:
    variables = {
        "name": "Ada",
        "wide": "Åse",
        "lines": "a\vb\u2028c",
        "odd": "<x> y",
        "evil": 'x" <y@z.test>, ',
        "id": 7,
        "mail": "other@news.test",
        "url": "<https://u.test/1?a= å>, <mailto:l@u.test>",
        "city": "New York",
        "open": "<https://u.test/",
    }
    content = b"From: a@news.test\r\n" + written.encode() + b"\r\n\r\nx\r\n"
    assert fill(content, variables).content.decode() == f"From: a@news.test\r\n{expected}\r\n\r\nx\r\n"


@pytest.mark.parametrize(
    "name",
    [
        r'"z\q5zq %recipient.name%"',
        r'"z\q0zq %recipient.name%"',
        r'"%recipient.name% =?utf-8?q?z\q5zq?="',
        "zq5%recipient.name%",
        "zq0%recipient.name%",
        "=?utf-8?q?zq5?=%recipient.name%",
        f"zq{'7' * 5000}zq %recipient.name%",
    ],
)
def test_an_address_field_stays_where_its_placeholders_cannot_be_told_from_its_text(name: str) -> None:
    content = f"From: a@news.test\r\nTo: {name} <b@dest.test>\r\n\r\nx\r\n".encode()
    assert fill(content, {"name": "Ada"}).content == content


@pytest.mark.parametrize("number", ["5", "00", "7" * 5000])
def test_what_only_looks_like_a_placeholder_once_it_is_read_stays_in_a_name(number: str) -> None:
    written = f"=?utf-8?q?zq?= (c) =?utf-8?q?{number}zq?= %recipient.name% <b@dest.test>"
    content = f"From: a@news.test\r\nTo: {written}\r\n\r\nx\r\n".encode()
    assert plan(fill(content, {"name": "Ada"}).content).display_names == {"b@dest.test": f"zq{number}zq Ada"}


@pytest.mark.parametrize("value", [None, "", " ", "Support, Ltd <s@news.test>"])
@pytest.mark.parametrize("name", ["Reply-To", "Cc"])
def test_an_address_field_that_names_nobody_is_left_out(name: str, value: str | None) -> None:
    # RFC 5322 §3.6.2, §3.6.3: none of them may be empty, and an empty group would be shown, or replied to.
    content = header(f"{name}: %recipient.x%", "X-Last: 1") + b"x\r\n"
    assert fill(content, {"x": value}).content == header("X-Last: 1") + b"x\r\n"


@pytest.mark.parametrize(
    "written",
    [
        "References: %recipient.x%",
        "In-Reply-To: <%recipient.x%>",
        "List-Unsubscribe: <%recipient.x%>,\r\n <%recipient.y%>",
        "List-Id: %recipient.x%",
        "X-Campaign: %recipient.x%",
        "Keywords: =?utf-8?q?=25recipient=2Ex=25?=",
    ],
)
def test_a_field_that_comes_out_without_a_value_is_left_out(written: str) -> None:
    content = header(written, "X-Last: 1") + b"x\r\n"
    assert fill(content, {"x": ""}).content == header("X-Last: 1") + b"x\r\n"
    assert fill(content, on_missing=OnMissing.KEEP).content != header("X-Last: 1") + b"x\r\n"


def test_a_subject_may_come_out_empty() -> None:
    assert fill(header("Subject: %recipient.x%")).content == header("Subject: ")


@pytest.mark.parametrize("name", ["Subject", "X-Any", "List-Help"])
@pytest.mark.parametrize("value", ["", " ", "z" * 80 + "   "])
def test_no_value_leaves_a_blank_line_in_the_header(name: str, value: str) -> None:
    content = header(f"{name}: Hi\r\n %recipient.x%\r\n %recipient.x%", "X-Last: 1") + b"x\r\n"
    lines = fill(content, {"x": value}).content.split(b"\r\n")
    assert all(line.strip() for line in lines[: lines.index(b"X-Last: 1")])


def test_header_lines_stay_within_bounds() -> None:
    content = b"From: a@news.test\r\nSubject: %recipient.x% %recipient.y%\r\n\r\nx\r\n"
    found = fill(content, {"x": "word " * 400, "y": "z" * 2000}).content
    assert max(map(len, found.split(b"\r\n"))) <= 998
    assert "word word" in field(found, "Subject")


# -- any message, any value --------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=120),
    st.lists(st.sampled_from([*BREAKS, "-", "--", " ", "a", "é", "=", "<", ">", ":", '"', ","]), max_size=60).map(
        "".join
    ),
)
LINES = st.text(st.characters(exclude_characters="\r\n%\0", exclude_categories=["Cs"]), max_size=60)


@given(
    value=VALUES,
    lines=st.lists(LINES, min_size=1, max_size=5),
    encoding=st.sampled_from(["8bit", "base64", "quoted-printable"]),
)
def test_any_value_arrives_as_it_is_in_every_encoding(value: str, lines: list[str], encoding: str) -> None:
    lines = [" ".join(line.splitlines()) for line in lines]
    text = "\r\n".join(f"{line}%recipient.x%{line}" for line in lines) + "\r\n"
    octets = text.encode()
    if encoding == "base64":
        octets = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        octets = quopri.encodestring(octets.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    content = header("Content-Type: text/plain; charset=utf-8", f"Content-Transfer-Encoding: {encoding}") + octets
    found = email.message_from_bytes(fill(content, {"x": value}).content, policy=email.policy.compat32)
    decoded = found.get_payload(decode=True)
    assert isinstance(decoded, bytes)
    assert decoded.decode() == text.replace("%recipient.x%", re.sub("\r\n|\r|\n", "\r\n", value))


@given(value=VALUES, name=st.sampled_from(["Subject", "To", "Reply-To", "X-Any", "List-Help", "X-OV-Variables"]))
def test_no_value_adds_a_field_an_address_or_a_body(value: str, name: str) -> None:
    written = {
        "To": "%recipient.x% <ada@dest.test>",
        "Reply-To": "%recipient.x% <r@news.test>",
        "X-OV-Variables": '{"a": "%recipient.x%"}',
    }.get(name, "a %recipient.x% b")
    content = f"From: a@news.test\r\n{name}: {written}\r\nX-Last: 1\r\n\r\nbody\r\n".encode()
    found = email.message_from_bytes(fill(content, {"x": value}).content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    assert found.keys() == ["From", name, "X-Last"]
    assert found.get_content() in {"body\r\n", "body\n"}
    if name in {"To", "Reply-To"}:
        assert [one.addr_spec for one in found[name].addresses] == [written.partition("<")[2][:-1]]


IN_HEADERS = {
    "Subject": "a %recipient.x% b",
    "Comments": "=?utf-8?q?%25recipient.x%25?= b",
    "X-Any": "a\r\n %recipient.x%\r\n b",
    "From": "%recipient.x% <a@news.test>",
    "Sender": '"%recipient.x%" <s@news.test>',
    "Reply-To": "%recipient.x% <r@news.test>",
    "To": "%recipient.x%: %recipient%, <b@%recipient.x%>;",
    "Cc": "%recipient.x%, c@news.test",
    "List-Unsubscribe": "<https://x.test/?%recipient.x%>",
    "List-Help": "%recipient.x%",
    "List-Id": "%recipient.x% <l.news.test>",
    "References": "<1@news.test> %recipient.x%",
    "In-Reply-To": "<%recipient.x%@news.test>",
    "X-OV-Variables": '{"a": "%recipient.x%"}',
}


@pytest.mark.parametrize("name", IN_HEADERS)
@pytest.mark.parametrize("mark", BREAKS)
@pytest.mark.parametrize(
    "value",
    ["1 Road|Town", "|Bcc: x@evil.test", "|Bcc: x@evil.test|", "x||evil", "|", "a@dest.test|Bcc: x@evil.test", "<https://y.test/|Bcc: 1>",
     "é|Bcc: x@evil.test", "x|" * 300],
)  # fmt: skip
def test_line_ends_of_a_value_are_blanks_in_every_header_field(value: str, mark: str, name: str) -> None:
    content = f"{name}: {IN_HEADERS[name]}\r\nX-Last: 1\r\n\r\nbody\r\n".encode()
    filled = fill(content, {"x": value.replace("|", mark)}).content
    block = split(filled)
    assert isinstance(block, HeaderBlock)
    assert [one.name for one in block.fields] in ([name.lower().encode(), b"x-last"], [b"x-last"])
    assert block.body == b"body\r\n"
    lines = filled[: block.end].split(b"\r\n")[:-1]
    assert all(line.strip() and len(line) <= 998 and re.fullmatch(rb"[ -~]+", line) for line in lines)
    assert all(line.startswith((f"{name}:".encode(), b"X-Last: 1", b" ")) for line in lines)


@pytest.mark.parametrize("line_end", LINE_ENDS)
@pytest.mark.parametrize(
    ("name", "expected"),
    [("Subject", "a 1 Road Town b"), ("X-Any", "a 1 Road Town b"), ("Reply-To", '"1 Road Town" <r@news.test>'),
     ("List-Unsubscribe", "<https://x.test/?1%20Road%20Town>"), ("List-Id", "1 Road Town <l.news.test>"),
     ("References", "<1@news.test> 1 Road Town")],
)  # fmt: skip
def test_a_line_end_of_a_value_is_one_blank_of_a_header_field(name: str, expected: str, line_end: str) -> None:
    content = f"{name}: {IN_HEADERS[name]}\r\n\r\nbody\r\n".encode()
    block = split(fill(content, {"x": f"1 Road{line_end}Town"}).content)
    assert isinstance(block, HeaderBlock)
    assert block.text(block.fields[0]).decode() == expected


def test_a_line_end_at_the_end_of_a_value_is_a_blank_too() -> None:
    found = fill(header("Subject: %recipient.x%%recipient.x%"), {"x": "a\n"}).content
    assert field(found, "Subject").rstrip() == "a a"


@pytest.mark.parametrize("value", ['"\\' * 100_000, '"\\"' * 80_000, '"' * 200_000, "%recipient% " * 20_000])
def test_an_address_field_costs_no_more_than_its_length(value: str) -> None:
    content = header(f"To: {value} %recipient%") + b"x"
    begun = time.process_time()
    fill(content)

    assert time.process_time() - begun < 0.5
