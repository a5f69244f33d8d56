"""Letters are read by the standard library as they were meant, whatever they are made of."""

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.mime.compose import address_field, phrase, unstructured
from postroad.protocol.mime.header import HeaderBlock, split
from postroad.protocol.mime.letter import File, Letter, compose, field
from postroad.protocol.mime.mailbox import AddressList, Mailbox, parse_address_list
from postroad.protocol.mime.structure import Part, parse
from postroad.protocol.smtp.data import Fault, content_faults

TEXTS = st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=300)
FILES = st.lists(
    st.builds(
        File,
        octets=st.binary(max_size=200),
        name=st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=90),
        content_type=st.sampled_from(
            [
                "image/png",
                "text/plain; charset=latin-1",
                "text/calendar; method=REQUEST",
                "message/rfc822",
                "rubbish",
                "",
            ]
        ),
    ),
    max_size=3,
)
FROM = address_field("From", [Mailbox("", "a", "b.example")])


def read(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=email.policy.default)


def normal(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def kinds(message: EmailMessage) -> list[str]:
    return [part.get_content_type() for part in message.walk()]


@given(st.builds(Letter, fields=st.just([FROM]), text=TEXTS, amp=TEXTS, html=TEXTS, inline=FILES, attachments=FILES))
def test_every_letter_is_sound_and_holds_what_it_was_made_of(letter: Letter) -> None:
    content = compose(letter)

    assert content_faults(content) is Fault.NONE
    assert content.isascii()
    assert isinstance(parse(content), Part)
    message = read(content)
    texts = {part.get_content_type(): part for part in message.walk() if part.get_content_disposition() is None}
    for kind, text in (("plain", letter.text), ("x-amp-html", letter.amp), ("html", letter.html)):
        if text is not None:
            got = texts[f"text/{kind}"].get_payload(decode=True)
            assert isinstance(got, bytes)
            assert normal(got.decode()).removesuffix("\n") == normal(text).removesuffix("\n")
    for disposition, files in (("inline", letter.inline), ("attachment", letter.attachments)):
        found = [part for part in message.walk() if part.get_content_disposition() == disposition]
        assert len(found) == len(files)


@given(st.lists(st.binary(max_size=300), max_size=2), st.lists(st.binary(max_size=300), max_size=2))
def test_the_octets_of_files_are_kept(inline: list[bytes], attached: list[bytes]) -> None:
    letter = Letter(
        fields=[FROM],
        html="<p>x</p>",
        inline=[File(octets=octets, name="a.png", content_type="image/png") for octets in inline],
        attachments=[File(octets=octets, name="b.bin") for octets in attached],
    )

    message = read(compose(letter))

    found = [part.get_payload(decode=True) for part in message.walk() if part.get_filename()]
    assert found == [*inline, *attached]


@pytest.mark.parametrize(
    ("letter", "expected"),
    [
        (Letter(fields=[FROM]), ["text/plain"]),
        (Letter(fields=[FROM], html="<p>"), ["text/html"]),
        (Letter(fields=[FROM], text="a", html="<p>"), ["multipart/alternative", "text/plain", "text/html"]),
        (
            Letter(fields=[FROM], text="a", amp="<html>", html="<p>"),
            ["multipart/alternative", "text/plain", "text/x-amp-html", "text/html"],
        ),
        (
            Letter(
                fields=[FROM], text="a", html="<p>", inline=[File(octets=b"", name="a.png", content_type="image/png")]
            ),
            ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"],
        ),
        (
            Letter(fields=[FROM], text="a", attachments=[File(octets=b"", name="a")]),
            ["multipart/mixed", "text/plain", "application/octet-stream"],
        ),
    ],
)
def test_parts_stand_where_readers_look_for_them(letter: Letter, expected: list[str]) -> None:
    assert kinds(read(compose(letter))) == expected


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("short lines\nof ASCII\n", b"7bit"),
        ("a" * 78, b"7bit"),
        ("a" * 79, b"quoted-printable"),
        ("b\n" * 500 + "a" * 79, b"quoted-printable"),
        ("a" * 79 + "\n" + "b\n" * 500, b"quoted-printable"),
        (("a" * 78 + "\n") * 50 + "b" * 78, b"7bit"),
        ("\n" * 5000, b"7bit"),
        ("mostly ASCII with one é in it", b"quoted-printable"),
        ("山田さんへ", b"base64"),
        ("a\0b", b"quoted-printable"),
    ],
)
def test_the_transfer_encoding_is_chosen_by_the_content(text: str, encoding: bytes) -> None:
    content = compose(Letter(fields=[FROM], text=text))

    assert b"Content-Transfer-Encoding: " + encoding + b"\r\n" in content


@pytest.mark.parametrize(
    "name", ["a.pdf", 'say "hi" \\ there.pdf', "ü.pdf", "ä" * 90 + ".pdf", "a" * 250 + ".pdf", "a\tb.pdf"]
)
def test_a_name_of_a_file_is_read_back(name: str) -> None:
    letter = Letter(fields=[FROM], text="", attachments=[File(octets=b"x", name=name, content_type="application/pdf")])
    content = compose(letter)

    assert [part.get_filename() for part in read(content).iter_attachments()] == [name.replace("\t", "_")]
    assert max(map(len, content.split(b"\r\n"))) <= 200


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("image/png", "image/png"),
        ('Text/Calendar; method=REQUEST; name="x"', "text/calendar"),
        ("multipart/mixed; boundary=x", "application/octet-stream"),
        ("message/delivery-status", "application/octet-stream"),
        ("image/png\r\nBcc: x@y", "application/octet-stream"),
        ("no type", "application/octet-stream"),
        ("/", "application/octet-stream"),
        ("image/ü", "application/octet-stream"),
    ],
)
def test_a_declared_type_is_kept_where_it_is_one(declared: str, expected: str) -> None:
    file = File(octets=b"x", name="a", content_type=declared)
    message = read(compose(Letter(fields=[FROM], text="", attachments=[file])))

    [part] = message.iter_attachments()
    assert part.get_content_type() == expected
    if expected == "text/calendar":
        assert part.get_param("method") == "REQUEST"
        assert part.get_param("name") is None


def test_a_message_within_is_never_encoded() -> None:
    whole = b"Subject: inner\r\n\r\nplain\r\n"
    sound = File(octets=whole, name="a.eml", content_type="message/rfc822")
    eight_bit = File(octets=whole + b"\xe4\r\n", name="b.eml", content_type="message/rfc822")
    first, second = read(compose(Letter(fields=[FROM], text="", attachments=[sound, eight_bit]))).iter_attachments()

    assert first.get_content()["Subject"] == "inner"
    assert (second.get_content_type(), second.get_payload(decode=True)) == (
        "application/octet-stream",
        eight_bit.octets,
    )


def test_a_boundary_stands_in_no_part() -> None:
    plain = compose(Letter(fields=[FROM], text="a", html="b"))
    boundary = plain.partition(b'boundary="')[2].partition(b'"')[0].decode().removesuffix("-a")
    hostile = f"--{boundary}-a--\n"
    inner = File(
        octets=f"Subject: x\r\n\r\n{hostile}".replace("\n", "\r\n").replace("\r\r", "\r").encode(),
        content_type="message/rfc822",
    )

    message = read(compose(Letter(fields=[FROM], text="a", html="b", attachments=[inner])))

    assert kinds(message)[:4] == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html"]
    assert kinds(message)[4] == "message/rfc822"


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1, max_size=76),
    st.text(st.characters(codec="utf-8"), max_size=1200),
)
def test_a_field_is_always_one_field(name: str, value: str) -> None:
    if any(one in value for one in "\r\n\0"):
        with pytest.raises(ValueError, match="is no header field"):
            field(name, value)
        return
    block = split(field(name, value) + b"\r\n")

    assert isinstance(block, HeaderBlock)
    assert [one.name.decode() for one in block.fields] == [name.lower()]
    assert max(map(len, block.content.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nBcc", "ü", "x" * 77])
def test_what_is_no_name_of_a_field_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no header field"):
        field(name, "x")


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_a_subject_is_read_back_and_adds_no_field(text: str) -> None:
    raw = unstructured("Subject", text)
    block = split(raw + b"\r\n")

    assert isinstance(block, HeaderBlock)
    assert len(block.fields) == 1


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=450),
            st.sampled_from(["a", '"b c"']),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_addresses_are_read_back_with_their_names(pairs: list[tuple[str, str]]) -> None:
    mailboxes = [Mailbox(name.strip(), local, "b.example") for name, local in pairs]
    raw = address_field("To", mailboxes)

    found = parse_address_list(raw.removeprefix(b"To:").removesuffix(b"\r\n"))

    assert isinstance(found, AddressList)
    assert [one.address for one in found.mailboxes] == [one.address for one in mailboxes]
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    for got, wanted in zip(found.mailboxes, mailboxes, strict=True):
        if wanted.display_name.isascii():
            assert got.display_name == wanted.display_name


def test_a_phrase_with_special_characters_is_quoted() -> None:
    assert phrase('O"Neil, \\ (x)') == ('"O\\"Neil, \\\\ (x)"',)
