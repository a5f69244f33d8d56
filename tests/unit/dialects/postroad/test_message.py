"""Whatever JSON somebody sends as a message becomes a call or faults by field, and never an error of ours."""

import base64
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroad.dialects.call import Call
from postroad.dialects.postroad.message import NewMessage, read_new_message
from postroad.dialects.postroad.problem import Fault
from postroad.dialects.postroad.shown_copy import shown_copy
from postroad.dialects.postroad.submission import author_domain, read_call
from postroad.protocol.mime.header import HeaderBlock, split
from postroad.protocol.smtp.data import Fault as Octets
from postroad.protocol.smtp.data import content_faults

_TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(
        [
            "a@news.example.com",
            "Ada <ada@x.example>",
            "2026-05-29T00:00:00Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "YQ==",
            "yes",
            "From: a@news.example.com\nX-OV-Tag: a\n\nHello",
            "https://x.example/",
            "X-OV-Track",
        ]
    ),
)
_NAMES = st.sampled_from([
    *(one.encode_name for one in msgspec.structs.fields(NewMessage)), "email", "name", "url", "content", "X-Tag", "X-OV-Tag"
])  # fmt: skip
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(_NAMES, _TEXTS), inner, max_size=3)),
    max_leaves=6,
)
_SOUND: dict[str, Any] = {"from": "a@news.example.com", "to": ["ada@x.example"], "text": "Hello."}


@settings(max_examples=300)
@given(st.dictionaries(_NAMES, _VALUES, max_size=4), st.booleans())
def test_whatever_comes_is_read_or_refused(given_fields: dict[str, Any], is_sound: bool) -> None:
    document = msgspec.json.decode(msgspec.json.encode((_SOUND if is_sound else {}) | given_fields))
    read = read_new_message(document)
    if isinstance(read, list):
        assert read
        assert all(isinstance(one, Fault) for one in read)
        return
    author_domain(read)
    call = read_call(read, "news.example.com")
    assert isinstance(call, Call) or call
    if isinstance(call, Call):
        assert call.envelope.recipients
        if read.raw is None:
            assert content_faults(call.content) is Octets.NONE
            assert isinstance(split(call.content), HeaderBlock)


def test_a_place_within_a_batch_is_named() -> None:
    read = read_new_message({"to": [1]}, "messages.3")
    assert isinstance(read, list)
    assert [one.field for one in read] == ["messages.3.to.0"]


def test_an_address_with_a_character_that_cannot_be_seen_is_named_with_it() -> None:
    read = read_new_message(_SOUND | {"to": ["a\u202eb@x.example", {"email": "a\u00a0b@x.example"}]})
    assert isinstance(read, NewMessage)
    faults = read_call(read, "news.example.com")
    assert isinstance(faults, list)
    said = {one.field: one.detail for one in faults}
    assert list(said) == ["to.0", "to.1"]
    assert "U+202E" in said["to.0"]
    assert "U+00A0" in said["to.1"]


_LINES = st.sampled_from(
    [b"From: a@b", b"Subject: =?utf-8?q?=ff?=", b"Subject: =?x?b?!?=", b"Content-Type: multipart/mixed; boundary=b", b"--b", b"--b--",
     b"Content-Type: text/html; charset=utf-16", b"Content-Type: text/plain; charset=idna", b"Content-Type: message/rfc822",
     b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable", b"", b"=C3=", b"YQ", b"\xff\xfe", b"..a"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=200), st.lists(_LINES, max_size=16).map(b"\r\n".join)), st.integers(0, 40))
def test_whatever_a_copy_holds_can_be_shown(content: bytes, most: int) -> None:
    shown = shown_copy("a@b.example", content, most)
    assert msgspec.json.encode(shown)
    assert len(shown.content) <= most
    assert sum(len(one.text or "") for one in shown.parts) <= most


@pytest.mark.parametrize(
    ("charset", "octets", "text"),
    [
        ("utf-16", b"a\0b\0\0", "ab"),
        ("utf-16", b"a\0b\0\0\xd8c\0", "ab\ufffdc"),
        ("utf-16", b"\xfe\xff\0a\xd8\0\0c", "a\ufffdc"),
        ("utf-32", b"a\0\0\0\0\0\0\xffc\0\0\0", "a\ufffdc"),
    ],
)
def test_a_wide_text_that_is_not_whole_is_shown_as_far_as_it_can_be_read(
    charset: str, octets: bytes, text: str
) -> None:
    content = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode()
    [part] = shown_copy("a@b.example", content + base64.b64encode(octets) + b"\r\n", 1000).parts

    assert part.text is not None
    assert part.text.rstrip("\ufffd") == text


def test_a_long_text_is_cut_before_it_is_decoded_and_only_by_character_sets() -> None:
    # Punycode takes more than a second for so much, and much longer for more.
    for charset, told in (("punycode", "a" * 9), ("unicode_escape", "a" * 9), ("cp999", "a" * 9), ("latin-1", "a" * 9)):
        content = f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + b"a" * 9 + b"-" * 400_000
        began = time.process_time()
        assert shown_copy("a@b.example", content, 9).parts[0].text == told, charset
        assert time.process_time() - began < 0.5
    cut = shown_copy("a@b.example", "Content-Type: text/plain; charset=utf-8\r\n\r\naüü".encode(), 4)
    assert cut.parts[0].text == "aü"


def test_a_copy_is_read_as_recipients_read_it() -> None:
    subject = b"Subject: =?ks_c_5601-1987?b?jGM=?=\r\n"
    shown = shown_copy(
        "a@b.example", subject + b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B-j\x1b(B", 40
    )

    assert [field.value for field in shown.header if field.name == "Subject"] == ["똠"]
    assert shown.parts[0].text == "㈱"
