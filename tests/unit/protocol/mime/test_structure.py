"""The tree of parts as byte spans, bounded in depth and number."""

import email
import email.policy
import tracemalloc

import pytest

from postroad.protocol.mime.header import HeaderFault
from postroad.protocol.mime.structure import MAX_DEPTH, MAX_PARTS, PLAIN, ContentType, Part, parse, parse_content_type

MIXED = (
    b'Content-Type: multipart/mixed; boundary="b 1"\r\n\r\npreamble\r\n'
    b"--b 1\r\nContent-Type: text/html\r\n\r\n<p>\r\n"
    b"--b 1 \t\r\nContent-Transfer-Encoding: BASE64\r\n\r\nAAAA\r\n\r\n"
    b"--b 1--\r\nepilogue\r\n"
)


def _parsed(content: bytes) -> Part:
    part = parse(content)
    assert isinstance(part, Part)
    return part


def _depth(part: Part) -> int:
    return 1 + max((_depth(child) for child in part.children), default=0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"text/HTML; Charset=utf-8", ContentType("text", "html", {"charset": "utf-8"})),
        (b'multipart/mixed;\r\n boundary="a\\"b"', ContentType("multipart", "mixed", {"boundary": 'a"b'})),
        (b"text/plain; a=1; A=2", ContentType("text", "plain", {"a": "1"})),
        (b"nonsense", PLAIN),
        (b"", PLAIN),
    ],
)
def test_a_content_type_is_read_with_its_parameters(value: bytes, expected: ContentType) -> None:
    assert parse_content_type(value) == expected


def test_parts_are_the_spans_between_delimiter_lines() -> None:
    first, second = _parsed(MIXED).children

    assert MIXED[first.body_start : first.end] == b"<p>"
    assert MIXED[second.body_start : second.end] == b"AAAA\r\n"
    assert (first.content_type.subtype, second.transfer_encoding) == ("html", "base64")


def test_the_standard_library_sees_the_same_parts() -> None:
    oracle = email.message_from_bytes(MIXED, policy=email.policy.SMTP)

    assert [part.get_content_type() for part in oracle.walk()][1:] == [
        f"{part.content_type.type}/{part.content_type.subtype}" for part in _parsed(MIXED).children
    ]


def test_what_does_not_say_what_it_is_is_a_message_in_a_digest_alone() -> None:
    content = (
        b"Content-Type: multipart/digest; boundary=d\r\n\r\n"
        b"--d\r\n\r\nSubject: one\r\n\r\nbody\r\n--d\r\nContent-Type: text/plain\r\n\r\ntext\r\n--d--\r\n"
    )
    first, second = _parsed(content).children

    assert (first.content_type.type, second.content_type) == ("message", PLAIN)
    assert [content[one.body_start : one.end] for one in first.children] == [b"body"]


def test_a_message_within_is_a_part_of_its_own() -> None:
    content = b"Content-Type: message/rfc822\r\n\r\nSubject: within\r\n\r\nbody\r\n"

    [within] = _parsed(content).children

    assert content[within.start : within.body_start] == b"Subject: within\r\n\r\n"


def test_a_multipart_that_never_ends_reaches_to_the_end() -> None:
    content = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x\r\n\r\ntwo\r\n"

    assert [content[part.body_start : part.end] for part in _parsed(content).children] == [b"one", b"two\r\n"]


def test_depth_and_number_are_bounded() -> None:
    nested = b"Content-Type: message/rfc822\r\n\r\n" * (MAX_DEPTH * 3) + b"\r\n"
    many = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\n.\r\n" * (MAX_PARTS * 2)

    assert _depth(_parsed(nested)) == MAX_DEPTH + 1
    assert len(_parsed(many).children) < MAX_PARTS


@pytest.mark.parametrize("boundary", [b"", b"x" * 71])
def test_a_boundary_that_cannot_be_one_makes_a_part_nobody_looks_into(boundary: bytes) -> None:
    content = b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n--' + boundary + b"\r\n\r\n.\r\n"

    assert _parsed(content).children == ()


def test_a_fault_in_the_header_of_a_part_is_the_fault_of_the_whole() -> None:
    content = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nno colon\r\n\r\n.\r\n--x--\r\n"

    assert isinstance(parse(content), HeaderFault)


@pytest.mark.parametrize(("subtype", "is_signed"), [("signed", True), ("mixed", False)])
def test_what_its_author_signed_is_known(subtype: str, is_signed: bool) -> None:
    assert _parsed(f"Content-Type: multipart/{subtype}\r\n\r\n".encode()).is_signed is is_signed


def test_a_large_part_within_many_others_is_not_kept_for_each() -> None:
    delimiters = [b"b%d" % number for number in range(MAX_DEPTH)]
    header = b"".join(b"Content-Type: multipart/mixed; boundary=%b\r\n\r\n--%b\r\n" % (one, one) for one in delimiters)
    content = header + b"\r\n" + b"x" * 10_000_000
    tracemalloc.start()
    root = parse(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert isinstance(root, Part)
    assert peak < 10_000_000
