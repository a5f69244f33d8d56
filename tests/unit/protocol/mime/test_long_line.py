"""Long lines are mended in the one part that has them; parts are found by their spans."""

import email
import email.policy

import pytest

from postroad.protocol.mime.header import HeaderFault
from postroad.protocol.mime.long_line import repair
from postroad.protocol.mime.structure import MAX_DEPTH, Part, parse, parse_content_type
from postroad.protocol.smtp.data import Fault, content_faults

LONG = b"ein langer Satz \xc3\xa4 " * 80
PLAIN = b"From: a@example.com\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + LONG + b"\r\nshort = line \r\n"


def mixed(second: bytes, kind: bytes = b"mixed") -> bytes:
    return (
        b'From: a@example.com\r\nContent-Type: multipart/%b; boundary="=_b"\r\n\r\npreamble\r\n'
        b"--=_b\r\nContent-Type: text/plain\r\n\r\nfirst, kept \r\n"
        b"--=_b\r\n%b\r\n--=_b--\r\nepilogue\r\n" % (kind, second)
    )


def payload_of(content: bytes, index: int | None = None) -> bytes:
    message = email.message_from_bytes(content, policy=email.policy.compat32)
    part = message if index is None else message.get_payload(index)
    assert isinstance(part, email.message.Message)
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    return octets


def test_a_plain_message_becomes_quoted_printable_and_reads_the_same() -> None:
    mended = repair(PLAIN)

    assert mended is not None
    assert content_faults(mended) is Fault.NONE
    assert b"Content-Transfer-Encoding: quoted-printable\r\n" in mended
    assert payload_of(mended) == PLAIN.partition(b"\r\n\r\n")[2]


def test_only_the_part_with_long_lines_changes() -> None:
    content = mixed(b"Content-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>" + LONG)
    mended = repair(content)

    assert mended is not None
    assert content_faults(mended) is Fault.NONE
    at = content.index(b"Content-Type: text/html")
    assert mended[:at] == content[:at]
    assert mended.endswith(b"\r\n--=_b--\r\nepilogue\r\n")
    assert b"8bit" not in mended
    assert payload_of(mended, 1) == b"<p>" + LONG


@pytest.mark.parametrize("encoding", [b"7bit", b"binary", b"base64"])
def test_a_part_that_is_no_text_becomes_base64(encoding: bytes) -> None:
    octets = b"QUJD" * 400
    part = b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (encoding, octets)
    mended = repair(mixed(part))

    assert mended is not None
    assert content_faults(mended) is Fault.NONE
    assert payload_of(mended, 1) == (b"ABC" * 400 if encoding == b"base64" else octets)


def test_text_that_holds_single_line_feeds_becomes_base64() -> None:
    """Encoded as quoted-printable its lines would change, or stand bare."""
    part = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"YQpiCmNk" * 200
    mended = repair(mixed(part))

    assert mended is not None
    assert content_faults(mended) is Fault.NONE
    assert payload_of(mended, 1) == b"a\nb\ncd" * 200


def test_long_quoted_printable_lines_are_broken_anew() -> None:
    part = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + b"a=3Db " * 200
    mended = repair(mixed(part))

    assert mended is not None
    assert payload_of(mended, 1) == b"a=b " * 200


def test_the_message_within_a_message_is_mended_in_its_own_part() -> None:
    mended = repair(mixed(b"Content-Type: message/rfc822\r\n\r\n" + PLAIN[:-2]))

    assert mended is not None
    assert content_faults(mended) is Fault.NONE
    assert mended.count(b"quoted-printable") == 1
    assert mended.index(b"message/rfc822") < mended.index(b"quoted-printable")


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: " + b"x" * 1000 + b"\r\n\r\nbody\r\n",
        mixed(b"\r\n" + LONG, kind=b"signed"),
        mixed(b"\r\nshort").replace(b"preamble", LONG),
        mixed(b"\r\nshort").replace(b"epilogue", LONG),
        mixed(b"Content-Transfer-Encoding: x-uuencode\r\n\r\n" + LONG),
        mixed(b"Content-Transfer-Encoding: base64\r\n\r\n" + b"A" * 1001),
        mixed(b"X-Long: " + LONG + b"\r\n\r\nshort"),
        mixed(b"no header field\r\n\r\n" + LONG),
        b"Content-Type: multipart/mixed\r\n\r\n" + LONG + b"\r\n",
    ],
    ids=["header", "signed", "preamble", "epilogue", "encoding", "padding", "part header", "part fault", "no boundary"],
)
def test_what_cannot_be_mended_is_left(content: bytes) -> None:
    assert Fault.LONG_LINE in content_faults(content)
    assert repair(content) is None


def test_a_line_of_998_octets_is_not_long() -> None:
    content = b"From: a@example.com\r\n\r\n" + b"x" * 998 + b"\r\n"

    assert repair(content) == content


def tree(content: bytes) -> Part:
    part = parse(content)
    assert not isinstance(part, HeaderFault)
    return part


def test_parts_are_spans_of_the_content() -> None:
    content = mixed(b"Content-Type: text/html\r\n\r\n<p>second</p>")
    root = tree(content)

    assert [content[part.body_start : part.end] for part in root.children] == [b"first, kept ", b"<p>second</p>"]
    assert [part.content_type.subtype for part in root.children] == ["plain", "html"]


def test_a_multipart_without_its_last_delimiter_ends_with_the_content() -> None:
    content = mixed(b"\r\nsecond").partition(b"\r\n--=_b--")[0]

    assert [content[part.body_start : part.end] for part in tree(content).children] == [b"first, kept ", b"second"]


def test_depth_is_bounded() -> None:
    content = b"Content-Type: message/rfc822\r\n\r\n" * (MAX_DEPTH + 10) + b"\r\n"
    part, depth = tree(content), 0
    while part.children:
        part, depth = part.children[0], depth + 1

    assert depth == MAX_DEPTH


def test_content_types() -> None:
    parsed = parse_content_type(b' Multipart/Mixed;\r\n Boundary="a\\"b c"; charset = utf-8; x')

    assert (parsed.type, parsed.subtype) == ("multipart", "mixed")
    assert parsed.parameters == {"boundary": 'a"b c', "charset": "utf-8"}
    assert parse_content_type(b"nonsense").subtype == "plain"


def test_no_text_comes_to_stand_as_a_boundary_behind_a_soft_break() -> None:
    for before in range(1000, 1080):
        mended = repair(mixed(b"Content-Type: text/plain\r\n\r\n" + b"x" * before + b"--=_b--").replace(b"=_b", b"B"))
        assert mended is not None
        assert payload_of(mended, 1).rstrip(b"\r\n") == b"x" * before + b"--B--"
