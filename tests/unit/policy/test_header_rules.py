"""What happens to each header field."""

from pathlib import Path

import pytest

from postroad.policy.admission import admit
from postroad.policy.header_rules import HEADER_RULES, IDENTIFIER_PURPOSE, MAX_RECEIVED, reference_page
from postroad.policy.identifier import read_identifier
from postroad.protocol.mime.header import HeaderBlock, split
from tests.unit.policy.submissions import CONTENT, KEY, MESSAGE_ID, admitted, facts, rejected, submission

ROOT = Path(__file__).parents[3]


def with_field(field: bytes) -> bytes:
    return CONTENT.replace(b"\r\n\r\nText", b"\r\n" + field + b"\r\n\r\nText")


def without(name: bytes) -> bytes:
    head, _, body = CONTENT.partition(b"\r\n\r\n")
    return b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(name)) + b"\r\n\r\n" + body


def values(content: bytes, name: bytes) -> list[bytes]:
    block = split(content)
    assert isinstance(block, HeaderBlock)
    return [block.text(field) for field in block.named(name)]


def test_what_needs_no_change_keeps_its_bytes() -> None:
    stored = admitted(CONTENT).content
    head, _, body = CONTENT.partition(b"\r\n\r\n")

    assert head in stored
    assert stored.endswith(b"\r\n\r\n" + body)


def test_a_good_message_is_only_added_to() -> None:
    assert admitted(CONTENT).edits == ("added Received", "added Feedback-ID", "added X-Postroad-ID")


def test_received_names_us_and_hides_the_client() -> None:
    (received,) = values(admitted(CONTENT).content, b"received")

    assert received == (
        b"by mail.example.org (Postroad) with ESMTPSA (using TLSv1.3) id 03DMV9EK31WTE; Wed, 18 Nov 2026 11:06:40 +0000"
    )
    assert admitted(CONTENT).content.startswith(b"Received: by mail.example.org")


def test_received_names_the_client_where_the_domain_wants_it() -> None:
    stored = admit(submission(), facts(show_client_address=True)).content  # type: ignore[union-attr]

    assert values(stored, b"received")[0].startswith(b"from pc.example.org ([192.0.2.7]) by mail.example.org")


def test_a_missing_date_is_added() -> None:
    verdict = admitted(without(b"Date"))

    assert values(verdict.content, b"date") == [b"Wed, 18 Nov 2026 11:06:40 +0000"]
    assert "added Date" in verdict.edits


def test_a_malformed_date_is_replaced() -> None:
    verdict = admitted(CONTENT.replace(b"18 Nov", b"48 Nov"))

    assert values(verdict.content, b"date") == [b"Wed, 18 Nov 2026 11:06:40 +0000"]
    assert "replaced Date" in verdict.edits


def test_a_missing_message_id_is_added_at_the_sending_domain() -> None:
    verdict = admitted(without(b"Message-ID"))

    assert verdict.message_id_header == "<03dmv9ek31wte@news.example.com>"
    assert values(verdict.content, b"message-id") == [b"<03dmv9ek31wte@news.example.com>"]


def test_a_malformed_message_id_is_replaced() -> None:
    verdict = admitted(CONTENT.replace(b"<one@", b"<one "))

    assert values(verdict.content, b"message-id") == [verdict.message_id_header.encode()]
    assert "replaced Message-ID" in verdict.edits


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        (b"Date: Wed, 18 Nov 2026 11:00:00 +0000", b"Date: Wed, 18 Nov 2026 12:00:00 +0000", b"date"),
        (b"Message-ID: <one@news.example.com>", b"Message-Id: <two@news.example.com>", b"message-id"),
        (b"MIME-Version: 1.0", b"mime-version: 1.0", b"mime-version"),
        (b"Content-Type: text/plain", b"Content-Type: text/html", b"content-type"),
        (b"Content-Disposition: inline", b"Content-Disposition: attachment", b"content-disposition"),
        (b"Reply-To: a@b.example", b"Reply-To: c@d.example", b"reply-to"),
        (b"Sender: a@example.com", b"Sender: b@example.com", b"sender"),
        (b"Feedback-ID: a:b:c:sender", b"Feedback-ID: d:e:f:sender", b"feedback-id"),
        (b"List-Unsubscribe: <https://a.example>", b"list-unsubscribe: <https://b.example>", b"list-unsubscribe"),
        (b"List-ID: <a.example.com>", b"List-Id: <b.example.com>", b"list-id"),
    ],
)
def test_of_duplicates_the_first_is_kept(first: bytes, second: bytes, name: bytes) -> None:
    head, _, body = CONTENT.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(name)]
    verdict = admitted(b"\r\n".join([*lines, first, second]) + b"\r\n\r\n" + body)

    assert values(verdict.content, name) == [first.partition(b": ")[2]]
    assert [edit for edit in verdict.edits if edit.endswith("(a duplicate)")] != []


@pytest.mark.parametrize(
    "field",
    [
        b"Bcc: eve@example.net",
        b"Resent-Bcc: eve@example.net",
        b"Return-Path: <x@example.net>",
        b"Errors-To: x@example.net",
        b"Sender: someone@example.org",
        b"Sender: not an address",
        b"DKIM-Signature: v=1; d=News.Example.com; s=x; b=abc",
        b"Authentication-Results: mail.example.org; dkim=pass",
        b"Authentication-Results: (hi; (you))\r\n Mail.Example.org 1; spf=pass",
        b'Authentication-Results: "mail.example.org"; spf=pass',
        b"X-OV-Tag: spring",
        b"X-OV-Require-TLS: yes",
        b"X-Postroad-ID: forged",
        b"List-Unsubscribe:",
        b"List-Unsubscribe-Post:\r\n ",
    ],
)
def test_fields_that_are_removed(field: bytes) -> None:
    verdict = admitted(with_field(field))
    name = field.partition(b":")[0]

    assert field not in verdict.content
    assert any(edit.startswith(f"removed {name.decode()}") for edit in verdict.edits)


@pytest.mark.parametrize(
    "field",
    [
        b"Sender: Office <office@example.com>",
        b"DKIM-Signature: v=1; d=example.com; s=x; b=abc",
        b"DKIM-Signature: v=1; d=x.news.example.com; s=x; b=abc",
        b"Authentication-Results: mail.example.org.evil.example; dkim=pass",
        b"ARC-Seal: i=1; a=rsa-sha256",
        b"Resent-To: x@example.net",
        b"List-Unsubscribe: <https://example.com/u>",
        b"X-OV-Variables: {}",
        b"Feedback-ID: campaign:customer:mail:sender1",
        b"Received: from a by b; Wed, 18 Nov 2026 10:00:00 +0000",
        b"Content-Type: text/plain\r\nMIME-Version: 1.0",
        b"X-Empty:",
        b"List-Unsubscribe: \r\n <https://example.com/u>",
        b"MIME-Version: 1 (one) . (and) 0 (by a program)",
    ],
)
def test_fields_that_are_kept_byte_for_byte(field: bytes) -> None:
    verdict = admitted(with_field(field))

    assert b"\r\n" + field + b"\r\n" in verdict.content
    assert [edit for edit in verdict.edits if edit.startswith("removed")] == []


def test_mime_version_is_added_beside_content_fields() -> None:
    assert values(admitted(with_field(b"Content-Type: text/html")).content, b"mime-version") == [b"1.0"]
    assert values(admitted(CONTENT).content, b"mime-version") == []


def test_an_empty_list_field_does_not_stand_in_the_way_of_a_filled_one() -> None:
    verdict = admitted(with_field(b"List-Unsubscribe:\r\nList-Unsubscribe: <https://example.com/u>"))

    assert values(verdict.content, b"list-unsubscribe") == [b"<https://example.com/u>"]
    assert [edit for edit in verdict.edits if "List" in edit] == ["removed List-Unsubscribe (empty)"]


def test_another_mime_version_than_the_one_there_is_is_replaced() -> None:
    verdict = admitted(with_field(b"MIME-Version: 2.0"))

    assert values(verdict.content, b"mime-version") == [b"1.0"]
    assert "replaced MIME-Version" in verdict.edits


def test_feedback_id_is_added_or_put_right() -> None:
    made = [b"smtp:2:1:postroad"]

    assert values(admitted(CONTENT).content, b"feedback-id") == made
    assert values(admitted(with_field(b"Feedback-ID: nonsense")).content, b"feedback-id") == made


def test_the_identifier_leads_back_to_the_message() -> None:
    (token,) = values(admitted(CONTENT).content, b"x-postroad-id")

    assert read_identifier(token.decode(), IDENTIFIER_PURPOSE, [KEY]) == MESSAGE_ID


def test_fifty_received_are_kept_and_one_more_is_refused() -> None:
    field = b"Received: from a by b; Wed, 18 Nov 2026 10:00:00 +0000\r\n"

    assert len(values(admitted(field * MAX_RECEIVED + CONTENT).content, b"received")) == MAX_RECEIVED + 1
    assert rejected(field * (MAX_RECEIVED + 1) + CONTENT).enhanced_status == "5.4.6"


def test_the_reference_page_is_current() -> None:
    assert (ROOT / "docs/reference/headers.md").read_text() == reference_page()


def test_every_rule_is_in_the_reference() -> None:
    page = reference_page()

    assert [rule.headers for rule in HEADER_RULES if f"| {rule.headers} |" not in page] == []
