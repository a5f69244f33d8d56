"""The final bytes of a delivery."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from postroad.protocol.dkim.key import SigningKey, format_record
from postroad.protocol.dkim.verify import Result, verify
from postroad.rendering.pipeline import render

KEYS = [
    SigningKey(domain, "pr1", ed25519.Ed25519PrivateKey.from_private_bytes(domain[:1].encode() * 32))
    for domain in ("news.example.com", "example.com")
]
CONTENT = b"From: ada@news.example.com\r\nSubject: Hi\r\n\r\nText\r\n"
NOW_S = 1_795_000_000


def test_signatures_stand_above_the_stored_bytes_in_the_order_of_the_keys() -> None:
    rendered = render(CONTENT, KEYS, NOW_S)
    records = {key.domain: format_record(key.private_key) for key in KEYS}
    verdicts = verify(rendered.content, lambda _, domain: records.get(domain))

    assert rendered.content.endswith(b"\r\n" + CONTENT)
    assert [(verdict.domain, verdict.result) for verdict in verdicts] == [
        ("news.example.com", Result.PASS),
        ("example.com", Result.PASS),
    ]
    assert rendered.selectors == ("pr1._domainkey.news.example.com", "pr1._domainkey.example.com")


def test_without_keys_the_stored_bytes_leave_as_they_are() -> None:
    assert render(CONTENT, [], NOW_S).content == CONTENT


def test_content_that_was_never_admitted_is_an_error() -> None:
    with pytest.raises(ValueError, match="no colon"):
        render(b"nonsense\r\n\r\n", KEYS, NOW_S)
