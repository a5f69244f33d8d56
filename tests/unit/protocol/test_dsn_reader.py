"""What receivers send back, in the shapes of real ones: the corpus, and what is read of each."""

import string
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.model.outcome import BounceClass
from postroad.model.returned import ReturnedStatus
from postroad.policy.late_bounce import class_of
from postroad.policy.suppression import is_hard_late
from postroad.protocol.dsn import RecipientReport, ReportFacts, compose_report
from postroad.protocol.dsn_reader import AutoReply, DeliveryReport, RecipientStatus, read_delivery_report

CORPUS = Path(__file__).parents[2] / "conformance" / "bounce_corpus"
ANN = "ann@receiver.example"
INNER = "ann@inner.receiver.example"
HARD, SOFT = True, False
BAD, INACTIVE, DOMAIN = BounceClass.BAD_MAILBOX, BounceClass.INACTIVE_MAILBOX, BounceClass.BAD_DOMAIN
QUOTA, SPAM, POLICY = BounceClass.QUOTA, BounceClass.SPAM, BounceClass.POLICY
ROUTING, PROTOCOL, OTHER = BounceClass.ROUTING, BounceClass.PROTOCOL, BounceClass.OTHER

FAILURES = {
    # name: (shape, recipient, status, code, class, whether nobody will ever read mail there)
    "bare_refusal": ("rfc3464", ANN, "5.0.0", 550, OTHER, SOFT),
    "blocklisted_address": ("rfc3464", INNER, "5.0.0", 550, SPAM, SOFT),
    "communigate": ("communigate", ANN, "", None, QUOTA, SOFT),
    "courier": ("courier", ANN, "", 550, BAD, HARD),
    "exchange_2003": ("exchange", ANN, "5.1.1", None, BAD, HARD),
    "exchange_2013_html": ("exchange", ANN, "5.1.1", 550, BAD, HARD),
    "exchange_disabled": ("rfc3464", ANN, "5.2.1", 550, INACTIVE, HARD),
    "exchange_online_ndr": ("rfc3464", ANN, "5.1.10", 550, BAD, HARD),
    "exchange_policy": ("rfc3464", ANN, "5.7.1", 550, POLICY, SOFT),
    "exim": ("exim", ANN, "5.1.1", 550, BAD, HARD),
    "exim_unrouteable": ("exim", ANN, "", None, DOMAIN, SOFT),
    "generic_full": ("generic", ANN, "", 552, QUOTA, SOFT),
    "generic_without_reason": ("generic", "", "", None, OTHER, SOFT),
    "german": ("german", ANN, "5.1.1", 550, BAD, HARD),
    "gmail_report": ("rfc3464", ANN, "5.1.1", 550, BAD, HARD),
    "gmail_text": ("gmail", ANN, "5.1.1", 550, BAD, HARD),
    "groupwise": ("groupwise", "", "", None, BAD, HARD),
    "hotmail_text": ("outlook", "ann@hotmail.example", "5.5.0", 550, PROTOCOL, SOFT),
    "lmtp_overquota_permanent": ("rfc3464", ANN, "5.2.2", 552, QUOTA, SOFT),
    "lotus_domino": ("lotus", ANN, "", None, BAD, HARD),
    "no_such_domain": ("rfc3464", "ann@gone.example", "5.4.4", None, DOMAIN, SOFT),
    "postfix_expired": ("rfc3464", INNER, "4.4.1", None, ROUTING, SOFT),
    "postfix_mailbox_full": ("rfc3464", ANN, "5.2.2", None, QUOTA, SOFT),
    "postfix_plain": ("postfix", ANN, "5.1.1", 550, BAD, HARD),
    "postfix_relayed_refusal": ("rfc3464", INNER, "5.1.1", 550, BAD, HARD),
    "postfix_unknown_user": ("rfc3464", ANN, "5.1.1", None, BAD, HARD),
    "qmail": ("qmail", ANN, "5.1.1", None, BAD, HARD),
    "qmail_remote": ("qmail", INNER, "5.1.1", 550, BAD, HARD),
    "qsbmf_other": ("qsbmf", ANN, "", None, BAD, HARD),
    "refused_at_rcpt": ("rfc3464", ANN, "5.0.0", 550, BAD, HARD),
    "sendmail_old": ("sendmail", ANN, "5.1.1", 550, BAD, HARD),
    "sendmail_report": ("rfc3464", ANN, "5.1.1", 550, BAD, HARD),
    "spam_refused": ("rfc3464", INNER, "5.7.1", 554, SPAM, SOFT),
    "status_says_nothing": ("rfc3464", ANN, "5.1.1", 550, BAD, HARD),
    "utf8_report": ("rfc3464", "jörg@receiver.example", "5.1.1", 550, BAD, HARD),
    "utf8_xtext": ("rfc3464", "jörg@receiver.example", "5.1.1", 550, BAD, HARD),
    "without_action": ("rfc3464", ANN, "5.1.1", 550, BAD, HARD),
    "without_status": ("rfc3464", ANN, "5.1.1", 550, BAD, HARD),
    "yahoo_text": ("yahoo", "ann@yahoo.example", "", 554, BAD, HARD),
}
OTHERS = {
    "exchange_delay": "delayed",
    "exim_delay": "delayed",
    "gmail_delayed": "delayed",
    "gmail_text_delay": "delayed",
    "postfix_delayed": "delayed",
    "postfix_plain_delay": "delayed",
    "postfix_relayed": "relayed",
    "postfix_success": "delivered",
    "sendmail_expanded": "expanded",
    "sendmail_old_warning": "delayed",
}
AUTO_REPLIES = (
    "auto_abwesenheit", "auto_challenge", "auto_left_company", "auto_out_of_office", "auto_read_receipt", "auto_vacation",
)  # fmt: skip


def read(name: str) -> DeliveryReport | AutoReply | None:
    return read_delivery_report((CORPUS / f"{name}.eml").read_bytes())


def status_of(name: str) -> tuple[DeliveryReport, RecipientStatus]:
    report = read(name)
    assert isinstance(report, DeliveryReport)
    [status] = report.recipients
    return report, status


def test_every_file_of_the_corpus_is_expected() -> None:
    expected = {*FAILURES, *OTHERS, *AUTO_REPLIES, "two_recipients", "letter"}
    assert {path.stem for path in CORPUS.glob("*.eml")} == expected
    assert len(FAILURES) + len(OTHERS) >= 40


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_read_with_its_reason(name: str) -> None:
    shape, recipient, status, code, bounce_class, is_hard = FAILURES[name]
    report, found = status_of(name)

    assert (report.shape, found.action) == (shape, "failed")
    assert (found.final_recipient, found.status, found.code) == (recipient, status, code)
    failed = ReturnedStatus(action="failed", status=found.status, code=found.code, diagnosis=found.diagnosis)
    assert class_of(failed) is bounce_class
    assert is_hard_late(bounce_class, found.code, found.status or None, found.diagnosis) is is_hard


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_failure_is_told_from_one(name: str) -> None:
    assert status_of(name)[1].action == OTHERS[name]


@pytest.mark.parametrize("name", AUTO_REPLIES)
def test_answers_by_machines_are_no_bounces(name: str) -> None:
    assert isinstance(read(name), AutoReply)


@pytest.mark.parametrize(
    ("field", "is_answer"),
    [
        ("Auto-Submitted: auto-replied", True),
        ("Auto-Submitted: Auto-Notified; x=1", True),
        ("X-Autoreply: yes", True),
        ("Auto-Submitted: auto-generated", False),
        ("X-Auto-Response-Suppress: All", False),
        ("Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All", False),
    ],
)
def test_what_a_program_writes_for_its_user_is_told_from_answers(field: str, is_answer: bool) -> None:
    assert read_delivery_report(f"Subject: unsubscribe\r\n{field}\r\n\r\nx\r\n".encode()) == AutoReply(
        is_answer=is_answer
    )


def test_a_letter_is_nothing_of_the_kind() -> None:
    assert read("letter") is None
    assert read_delivery_report(b"") is None


def test_each_recipient_of_a_report_has_a_status_of_its_own() -> None:
    report = read("two_recipients")
    assert isinstance(report, DeliveryReport)
    assert [(one.final_recipient, one.action) for one in report.recipients] == [
        (ANN, "delivered"),
        ("bob@receiver.example", "failed"),
    ]


@pytest.mark.parametrize("name", [*FAILURES, *OTHERS])
def test_line_ends_and_an_mbox_line_change_nothing(name: str) -> None:
    content = (CORPUS / f"{name}.eml").read_bytes()
    assert read_delivery_report(content.replace(b"\r\n", b"\n")) == read(name)
    assert read_delivery_report(b"From MAILER-DAEMON Fri Nov 27 10:00:00 2026\r\n" + content) == read(name)


@pytest.mark.parametrize("action", ["failed", "delayed", "delivered", "relayed"])
@pytest.mark.parametrize("recipient", [ANN, "jörg@receiver.example"])
def test_our_own_reports_are_read(action: str, recipient: str) -> None:
    status = {"failed": "5.1.1", "delayed": "4.4.1"}.get(action, "2.0.0")
    facts = ReportFacts(
        action=action,
        reporting_host="mx.example",
        report_id="abc",
        reported_at=1_795_000_000_000,
        to="news@sender.example",
        recipients=(
            RecipientReport(
                final_recipient=recipient,
                original_recipient="rfc822;first@receiver.example",
                status=status,
                remote_host="mx.receiver.example",
                diagnostic="550 5.1.1 no such user",
                is_smtp_reply=True,
            ),
        ),
        original_content=b"Subject: x\r\n\r\ny\r\n",
        arrived_at=1_795_000_000_000,
        is_utf8=True,
    )
    report = read_delivery_report(compose_report(facts))

    assert isinstance(report, DeliveryReport)
    [found] = report.recipients
    assert (found.action, found.status, found.final_recipient) == (action, status, recipient)
    assert (found.original_recipient, found.remote_host) == ("first@receiver.example", "mx.receiver.example")


@given(st.text(string.printable, max_size=400))
def test_whatever_a_status_part_holds_is_read_without_an_error(text: str) -> None:
    head = b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    report = read_delivery_report(head + text.encode() + b"\r\n--b--\r\n")
    if isinstance(report, DeliveryReport):
        for one in report.recipients:
            assert one.action in {"failed", "delayed", "delivered", "relayed", "expanded"}
            assert one.diagnosis.isprintable()


def test_the_host_that_refused_may_stand_before_what_it_said() -> None:
    body = "Your mail to ann@x.example could not be delivered. The host said: mx.x.example: 550 no such user"
    report = read_delivery_report(f"From: MAILER-DAEMON@x\r\nSubject: failure notice\r\n\r\n{body}\r\n".encode())

    assert isinstance(report, DeliveryReport)
    assert [one.diagnosis for one in report.recipients] == ["mx.x.example: 550 no such user"]


OPENINGS = (
    "this is the qmail-send program",
    "Hi. This is the reader at x, I'm afraid",
    "created automatically by mail delivery software, could not be delivered",
    "This is the mail system at host x.",
    "permanent fatal errors, transcript of session follows",
    "Delivery has failed to these recipients",
    "was not delivered to: x because:",
    "technical details of permanent failure:",
    "message that you sent was undeliverable to the following:",
    "failed to deliver to 'ann@x.example'",
    "said",
)


@pytest.mark.parametrize("opening", OPENINGS)
def test_a_small_bounce_cannot_hold_its_reader_up(opening: str) -> None:
    runs = ("a@", "a@aaa ", " ", "<", "-", "a", "a@aaa\t \n\x0b", "said ", "remote server returned 400 ")
    for run in runs:
        body = opening + "\r\na@b.example " + run * (32_000 // len(run)) + "x"
        letter = f"From: MAILER-DAEMON@x.example\r\nSubject: failure notice\r\n\r\n{body}".encode()
        started = time.thread_time()
        read_delivery_report(letter)
        assert time.thread_time() - started < 1.5, run


@pytest.mark.parametrize("run", ["<script>", "<style ", "<", "<br "])
def test_html_without_ends_cannot_hold_the_reader_up(run: str) -> None:
    letter = b"Content-Type: text/html\r\n\r\n" + run.encode() * (32_000 // len(run))
    started = time.thread_time()
    read_delivery_report(letter)
    assert time.thread_time() - started < 0.3
