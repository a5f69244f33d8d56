"""Signatures as we make them, and verdicts on them and on others."""

import re

import pytest

from postroad.protocol.dkim.key import SigningKey, format_record, parse_tags
from postroad.protocol.dkim.sign import OVER_SIGNED, sign
from postroad.protocol.dkim.verify import Result, Verdict, verify

CONTENT = (
    b"From: Ada <ada@news.example.com>\r\nTo: bob@example.net\r\nSubject: Hello\r\n  there\r\n"
    b"Received: one\r\nList-Id: <news.example.com>\r\n\r\nText  with spaces \r\n\r\n\r\n"
)
NOW_S = 1_700_000_000
COVERED = (
    "From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "Sender", "MIME-Version", "Content-Type",
    "Content-Transfer-Encoding", "In-Reply-To", "References", "Feedback-ID",
    # RFC 8058 §4: mail clients offer one click where both are covered only.
    "List-Unsubscribe", "List-Unsubscribe-Post",
)  # fmt: skip
"""None of these can be altered, added or taken away unseen."""


class Records:
    """Published key records, by selector and domain."""

    def __init__(self, *keys: SigningKey) -> None:
        self.texts = {(key.selector, key.domain): format_record(key.private_key) for key in keys}

    def __call__(self, selector: str, domain: str) -> str | None:
        return self.texts.get((selector, domain))


def tags_of(field: bytes) -> dict[str, str]:
    tags = parse_tags(field.partition(b":")[2].decode())
    assert tags is not None
    return {name: re.sub(r"\s+", "", value) for name, value in tags.items()}


def results_of(signed: bytes, key: SigningKey) -> list[Result]:
    return [one.result for one in verify(signed, Records(key))]


def test_both_algorithms_verify(rsa_key: SigningKey, ed25519_key: SigningKey) -> None:
    signed = sign(CONTENT, [rsa_key, ed25519_key], NOW_S) + CONTENT

    assert verify(signed, Records(rsa_key, ed25519_key)) == [
        Verdict("news.example.com", "pr1", Result.PASS),
        Verdict("news.example.com", "pr2", Result.PASS),
    ]


def test_signing_twice_gives_the_same_bytes(rsa_key: SigningKey) -> None:
    assert sign(CONTENT, [rsa_key], NOW_S) == sign(CONTENT, [rsa_key], NOW_S)


def test_every_listed_name_stands_once_more_than_it_occurs(ed25519_key: SigningKey) -> None:
    names = tags_of(sign(CONTENT, [ed25519_key], NOW_S))["h"].split(":")

    assert [names.count(name) for name in ("From", "Subject", "Cc", "List-Id", "List-Post", "Received")] == [
        2, 2, 1, 2, 0, 0,
    ]  # fmt: skip


def test_every_name_that_is_over_signed_is_looked_at_below() -> None:
    assert set(OVER_SIGNED) == set(COVERED)


@pytest.mark.parametrize("name", COVERED)
def test_a_covered_field_cannot_be_touched_unseen(name: str, ed25519_key: SigningKey) -> None:
    others = "".join(f"{one}: one\r\n" for one in COVERED if one != name).encode()
    field, other, body = f"{name}: one\r\n".encode(), f"{name}: two\r\n".encode(), b"\r\nText\r\n"
    whole = others + field + body
    signature = sign(whole, [ed25519_key], NOW_S)
    assert tags_of(signature)["h"].split(":").count(name) == 2
    assert results_of(signature + whole, ed25519_key) == [Result.PASS]

    for touched in (
        others + other + body,
        other + whole,
        others + field + other + body,
        others + body,
    ):
        assert results_of(signature + touched, ed25519_key) == [Result.FAIL], touched


@pytest.mark.parametrize("name", [one for one in COVERED if one != "From"])
def test_a_covered_field_that_is_missing_cannot_be_added_unseen(name: str, ed25519_key: SigningKey) -> None:
    without = b"From: Ada <ada@news.example.com>\r\n\r\nText\r\n"
    signature = sign(without, [ed25519_key], NOW_S)

    assert results_of(signature + without, ed25519_key) == [Result.PASS]
    assert results_of(signature + f"{name}: one\r\n".encode() + without, ed25519_key) == [Result.FAIL]


def test_no_line_passes_78_columns(rsa_key: SigningKey) -> None:
    long = SigningKey("a-rather-long-name." * 8 + "example", "selector", rsa_key.private_key)
    lines = sign(CONTENT, [rsa_key], NOW_S).split(b"\r\n") + sign(CONTENT, [long], NOW_S).split(b"\r\n")

    # A domain is one word and cannot be folded.
    assert [line for line in lines if len(line) > 78 and b"d=a-rather" not in line] == []


def test_content_without_a_readable_header_is_refused(ed25519_key: SigningKey) -> None:
    with pytest.raises(ValueError, match="no colon"):
        sign(b"nonsense\r\n\r\n", [ed25519_key], NOW_S)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hello", b"Hallo"),
        (b"Text", b"text"),
        (b"To: bob", b"To: eve"),
        (b"From: Ada", b"From: eve@news.example.com\r\nFrom: Ada"),
        (b"with  spaces", b"withspaces"),
        (b"\r\n\r\n\r\n", b"\r\n\r\nmore\r\n"),
        (b"t=1700000000", b"t=1700000001"),
    ],
)
def test_tampering_is_seen(old: bytes, new: bytes, ed25519_key: SigningKey) -> None:
    content = CONTENT.replace(b"spaces \r\n", b"spaces \r\nwith  spaces\r\n")
    signed = sign(content, [ed25519_key], NOW_S) + content
    assert old in signed

    assert verify(signed.replace(old, new, 1), Records(ed25519_key))[0].result is Result.FAIL


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Received: one", b"Received: two"),
        (b"Subject: Hello\r\n  there", b"SUBJECT:   Hello\tthere  "),
        (b"Text  with", b"Text \t with"),
        (b"spaces \r\n", b"spaces\r\n"),
        (b"\r\n\r\n\r\n", b"\r\n\r\n\r\n\r\n\r\n"),
        (b"\r\n\r\nText", b"\r\nList-Post: <mailto:list@example.org>\r\n\r\nText"),
    ],
)
def test_changes_that_relaxed_forms_allow_are_let_pass(old: bytes, new: bytes, ed25519_key: SigningKey) -> None:
    signed = sign(CONTENT, [ed25519_key], NOW_S) + CONTENT
    assert old in signed

    assert verify(signed.replace(old, new, 1), Records(ed25519_key))[0].result is Result.PASS
