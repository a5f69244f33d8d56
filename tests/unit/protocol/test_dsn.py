"""Reports as the standard library and a person read them."""

import email
import email.policy
from email.message import EmailMessage
from typing import cast

import msgspec
import pytest

from postroad.protocol.dsn import RecipientReport, ReportFacts, compose_report
from postroad.protocol.smtp.data import Fault, content_faults

ORIGINAL = b"From: ada@news.example.com\r\nTo: bob@example.net\r\nSubject: Hello\r\n\r\nText\r\n"
BOB = RecipientReport(
    final_recipient="bob@example.net",
    original_recipient="rfc822;robert@example.net",
    status="5.1.1",
    remote_host="mx.example.net",
    diagnostic="550 5.1.1 no such user\r\n here",
    is_smtp_reply=True,
    last_attempt_at=1_795_000_060_000,
)
FACTS = ReportFacts(
    action="failed",
    reporting_host="mail.example.org",
    report_id="06exxvc001810",
    reported_at=1_795_000_120_000,
    to="ada@news.example.com",
    recipients=(BOB,),
    original_content=ORIGINAL,
    arrived_at=1_795_000_000_000,
    envid="QQ314159",
)


def read(facts: ReportFacts) -> EmailMessage:
    report = compose_report(facts)
    assert content_faults(report) is Fault.NONE
    parsed = email.message_from_bytes(report, policy=email.policy.default)
    assert parsed.defects == []
    return parsed


def part(facts: ReportFacts, index: int) -> EmailMessage:
    return cast("EmailMessage", read(facts).get_payload(index))


def status_groups(facts: ReportFacts) -> list[dict[str, str]]:
    groups = cast("list[EmailMessage]", part(facts, 1).get_payload())
    return [dict(group.items()) for group in groups]


def with_facts(**changes: object) -> ReportFacts:
    return msgspec.structs.replace(FACTS, **changes)


def test_the_report_is_a_multipart_report_that_nobody_answers() -> None:
    report = read(FACTS)

    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert report["Auto-Submitted"] == "auto-replied"
    assert report["To"] == "ada@news.example.com"
    assert report["From"] == "Mail Delivery System <MAILER-DAEMON@mail.example.org>"
    assert report["Subject"] == "Not delivered: your message to bob@example.net"
    assert report["Message-ID"] == "<06exxvc001810@mail.example.org>"
    assert [cast("EmailMessage", item).get_content_type() for item in report.get_payload()] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]


def test_programs_find_every_field() -> None:
    assert status_groups(FACTS) == [
        {
            "Reporting-MTA": "dns; mail.example.org",
            "Original-Envelope-Id": "QQ314159",
            "Arrival-Date": "Wed, 18 Nov 2026 11:06:40 +0000",
        },
        {
            "Original-Recipient": "rfc822; robert@example.net",
            "Final-Recipient": "rfc822; bob@example.net",
            "Action": "failed",
            "Status": "5.1.1",
            "Remote-MTA": "dns; mx.example.net",
            "Diagnostic-Code": "smtp; 550 5.1.1 no such user  here",
            "Last-Attempt-Date": "Wed, 18 Nov 2026 11:07:40 +0000",
        },
    ]


def test_people_read_what_happened_and_what_to_do() -> None:
    text = part(FACTS, 0).get_content()

    assert "Your message could not be delivered. It will not be tried again." in text
    assert "Recipient: bob@example.net" in text
    assert "Its answer: 550 5.1.1 no such user" in text
    assert "What to do: Check the address for mistakes" in text


def test_the_header_alone_is_returned_unless_all_was_asked_for() -> None:
    assert part(FACTS, 2).get_content().encode() == ORIGINAL.partition(b"\r\n\r\n")[0] + b"\r\n"

    full = part(with_facts(returns_full=True), 2)
    assert full.get_content_type() == "message/rfc822"
    assert compose_report(with_facts(returns_full=True)).count(b"\r\n" + ORIGINAL + b"\r\n") == 1


def test_the_whole_message_is_returned_with_failures_only() -> None:
    assert part(with_facts(returns_full=True, action="delayed"), 2).get_content_type() == "text/rfc822-headers"


def test_every_recipient_has_a_group() -> None:
    facts = with_facts(
        recipients=(BOB, msgspec.structs.replace(BOB, final_recipient="eve@example.net", status="4.4.1"))
    )

    assert [group.get("Final-Recipient") for group in status_groups(facts)[1:]] == [
        "rfc822; bob@example.net",
        "rfc822; eve@example.net",
    ]
    assert read(facts)["Subject"] == "Not delivered: your message to bob@example.net and 1 more"


def test_a_delay_says_until_when() -> None:
    waiting = msgspec.structs.replace(BOB, status="4.4.1", will_retry_until=1_795_200_000_000)
    facts = with_facts(action="delayed", recipients=(waiting,))

    assert status_groups(facts)[1]["Will-Retry-Until"] == "Fri, 20 Nov 2026 18:40:00 +0000"
    assert "it is tried again until Fri, 20 Nov 2026 18:40:00 +0000." in part(facts, 0).get_content()
    assert "What to do" not in part(facts, 0).get_content()


@pytest.mark.parametrize("action", ["delivered", "relayed"])
def test_good_news_is_reported_too(action: str) -> None:
    facts = with_facts(action=action, recipients=(msgspec.structs.replace(BOB, status="2.0.0"),))

    assert status_groups(facts)[1]["Action"] == action
    assert "could not" not in part(facts, 0).get_content()


def test_what_is_not_known_is_left_out() -> None:
    bare = RecipientReport(final_recipient="bob@example.net", status="5.4.7")

    assert status_groups(with_facts(recipients=(bare,), envid=None)) == [
        {"Reporting-MTA": "dns; mail.example.org", "Arrival-Date": "Wed, 18 Nov 2026 11:06:40 +0000"},
        {"Final-Recipient": "rfc822; bob@example.net", "Action": "failed", "Status": "5.4.7"},
    ]


def test_our_own_words_are_not_passed_off_as_the_hosts() -> None:
    ours = msgspec.structs.replace(BOB, diagnostic="no answer in 72 hours", is_smtp_reply=False)

    assert status_groups(with_facts(recipients=(ours,)))[1]["Diagnostic-Code"] == "x-postroad; no answer in 72 hours"
    assert "Reason: no answer in 72 hours" in part(with_facts(recipients=(ours,)), 0).get_content()


@pytest.mark.parametrize("field", ["diagnostic", "remote_host", "original_recipient"])
def test_nobody_can_write_fields_of_their_own(field: str) -> None:
    forged = msgspec.structs.replace(BOB, **{field: "x\r\nAction: delivered\r\n\r\nFinal-Recipient: rfc822; y"})
    groups = status_groups(with_facts(recipients=(forged,)))

    assert [group.get("Action") for group in groups] == [None, "failed"]


def test_addresses_beyond_ascii_use_the_international_forms() -> None:
    user = msgspec.structs.replace(BOB, final_recipient="用户@xn--fsqu00a.example", original_recipient=None)
    original = "From: ada@news.example.com\r\nTo: 用户@例子.example\r\n\r\nText\r\n".encode()
    facts = with_facts(recipients=(user,), original_content=original, is_utf8=True)
    report = compose_report(facts)

    assert b"report-type=global-delivery-status" in report
    assert b"\r\nContent-Type: message/global-delivery-status\r\n" in report
    assert "Final-Recipient: utf-8; 用户@xn--fsqu00a.example\r\n".encode() in report
    assert b"\r\nContent-Type: message/global-headers\r\n" in report
    assert b"\r\nContent-Transfer-Encoding: 8bit\r\n" in report.partition(b"\r\n\r\n")[0] + b"\r\n"
    assert b"message/global\r\n" in compose_report(msgspec.structs.replace(facts, returns_full=True))
    assert read(facts)["Subject"] == "Not delivered: your message to 用户@xn--fsqu00a.example"
    assert "Recipient: 用户@xn--fsqu00a.example" in part(facts, 0).get_content()


def test_a_reply_beyond_ascii_keeps_the_ordinary_form() -> None:
    german = msgspec.structs.replace(BOB, diagnostic="550 Empfänger unbekannt")
    report = compose_report(with_facts(recipients=(german,)))

    assert b"Diagnostic-Code: smtp; 550 Empf?nger unbekannt\r\n" in report
    assert "Empfänger unbekannt" in part(with_facts(recipients=(german,)), 0).get_content()
    assert report.isascii()


def test_an_action_of_nobodys_is_an_error() -> None:
    with pytest.raises(ValueError, match="no action"):
        compose_report(with_facts(action="lost"))


def test_a_message_that_holds_the_boundary_is_an_error() -> None:
    with pytest.raises(ValueError, match="stands within a part"):
        compose_report(with_facts(original_content=b"X: --=_06exxvc001810\r\n\r\n"))
