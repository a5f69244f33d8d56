"""Verdicts on signatures that are not as they should be."""

import pytest

from postroad.protocol.dkim.key import SigningKey, format_record, parse_tags
from postroad.protocol.dkim.sign import sign
from postroad.protocol.dkim.verify import MAX_SIGNATURES, Result, Verdict, verify

CONTENT = b"From: ada@news.example.com\r\nSubject: Hello\r\n\r\nText\r\n"
NOW_S = 1_700_000_000


def verdict_on(content: bytes, record: str | None, now_s: int | None = None) -> Verdict:
    (verdict,) = verify(content, lambda selector, domain: record, now_s)
    return verdict


@pytest.fixture
def signed(ed25519_key: SigningKey) -> bytes:
    return sign(CONTENT, [ed25519_key], NOW_S) + CONTENT


@pytest.fixture
def record(ed25519_key: SigningKey) -> str:
    return format_record(ed25519_key.private_key)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b"v=1;", b"", (Result.PERMERROR, "the tag v= is missing")),
        (b"v=1;", b"v=2;", (Result.PERMERROR, "version '2' is not known")),
        (b"a=ed25519-sha256", b"a=rsa-sha1", (Result.PERMERROR, "the algorithm 'rsa-sha1' is not accepted")),
        (b"a=ed25519-sha256", b"a=rsa-sha256", (Result.PERMERROR, "the key is ed25519 and the signature rsa-sha256")),
        (b"c=relaxed/relaxed", b"c=strict", (Result.PERMERROR, "the canonical form 'strict' is not known")),
        (b"s=pr2;", b"s=pr2; l=4;", (Result.NEUTRAL, "l= leaves the end of the body unsigned, which is not accepted")),
        (b"s=pr2;", b"s=pr2; i=@example.org;", (Result.PERMERROR, "i= is not at the domain d= or below it")),
        (b"s=pr2;", b"s=pr2; i=@xnews.example.com;", (Result.PERMERROR, "i= is not at the domain d= or below it")),
        (b"s=pr2;", b"s=pr2; x=1;", (Result.PERMERROR, "x= is earlier than t=")),
        (b"s=pr2;", b"s=pr2; x=soon;", (Result.PERMERROR, "x= is not a number of seconds")),
        (b"h=From:From:", b"h=", (Result.PERMERROR, "h= does not cover From")),
        (b"bh=", b"bh=!", (Result.PERMERROR, "b= or bh= is not base64")),
        (b"s=pr2;", b"s=pr2; s=pr3;", (Result.PERMERROR, "the field is not a list of tags")),
        (b"s=pr2;", b"s=pr9;", (Result.FAIL, "the signature does not match the header and the key")),
        (b"Text", b"Toxt", (Result.FAIL, "the body has changed since it was signed")),
    ],
)
def test_reasons(old: bytes, new: bytes, expected: tuple[Result, str], signed: bytes, record: str) -> None:
    assert old in signed
    verdict = verdict_on(signed.replace(old, new, 1), record)

    assert (verdict.result, verdict.reason) == expected


def test_an_expired_signature_fails_once_the_time_has_passed(signed: bytes, record: str) -> None:
    """The field is changed, so without the time it fails for its own sake."""
    expiring = signed.replace(b"s=pr2;", b"s=pr2; x=1700000100;")

    assert verdict_on(expiring, record, NOW_S + 101).reason == "the signature has expired"
    assert verdict_on(expiring, record, NOW_S + 99).reason == "the signature does not match the header and the key"
    assert verdict_on(expiring, record).reason == "the signature does not match the header and the key"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (None, "there is no key at the selector"),
        ("v=DKIM1; p=", "the key is revoked: its p= tag is empty"),
        ("h=sha1; ", "the key record does not allow sha256"),
        ("s=chat; ", "the key record is not for email"),
    ],
)
def test_reasons_of_the_record(change: str | None, reason: str, signed: bytes, record: str) -> None:
    text = change if change is None or "p=" in change else record.replace("k=", f"{change}k=")

    assert verdict_on(signed, text) == Verdict("news.example.com", "pr2", Result.PERMERROR, reason)


def test_the_s_flag_asks_for_the_exact_domain(signed: bytes, record: str) -> None:
    strict = record.replace("k=", "t=y:s; k=")
    at_subdomain = signed.replace(b"s=pr2;", b"s=pr2; i=x@a.news.example.com;")

    assert verdict_on(signed, strict).result is Result.PASS
    assert verdict_on(at_subdomain, strict).reason == "the key record's s flag asks for i= at exactly d="
    assert verdict_on(at_subdomain, record).reason == "the signature does not match the header and the key"


def test_results_read_as_their_words() -> None:
    assert Result.PASS == "pass"  # type: ignore[comparison-overlap]


def test_a_message_without_signatures_has_no_verdicts(record: str) -> None:
    assert verify(CONTENT, lambda *_: record) == []
    assert verify(b"nonsense\r\n\r\n", lambda *_: record) == []


def test_only_so_many_signatures_are_looked_at(record: str) -> None:
    content = b"DKIM-Signature: v=1\r\n" * (MAX_SIGNATURES + 5) + CONTENT

    assert len(verify(content, lambda *_: record)) == MAX_SIGNATURES


def test_a_b_tag_in_folded_odd_white_space_is_still_found(ed25519_key: SigningKey, signed: bytes, record: str) -> None:
    """White space within b= may be anything: it is not part of what is signed."""
    value = (parse_tags(sign(CONTENT, [ed25519_key], NOW_S).partition(b":")[2].decode()) or {})["b"]
    spread = "\r\n ".join(value.replace("\r\n\t", ""))

    assert verdict_on(signed.replace(value.encode(), spread.encode()), record).result is Result.PASS
