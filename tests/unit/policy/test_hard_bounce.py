"""Whom a bounce suppresses: what hosts say of mailboxes that are gone, and of everything else, with the same codes."""

import pytest

from postroad.model.attempt import Attempt, FailureKind
from postroad.model.outcome import AttemptFacts, BounceClass, Bounced, Phase
from postroad.model.returned import ReturnedStatus
from postroad.policy.failure import judge
from postroad.policy.late_bounce import class_of
from postroad.policy.suppression import is_hard, is_hard_late

POLICY, SPAM, OTHER, BAD, INACTIVE = (
    BounceClass.POLICY, BounceClass.SPAM, BounceClass.OTHER, BounceClass.BAD_MAILBOX, BounceClass.INACTIVE_MAILBOX,
)  # fmt: skip

ABOUT_US = [
    (550, None, "Sender verify failed", POLICY),
    (550, None, "Verification failed for <a@x.example>\nNo Such User Here\nSender verify failed", POLICY),
    (550, None, "Administrative prohibition", POLICY),
    (550, None, "Sender address rejected: Domain not found", POLICY),
    (550, None, "<a@x.example>: Sender address rejected: User unknown", POLICY),
    (550, None, "Sender rejected", POLICY),
    (550, None, "Invalid sender", POLICY),
    (550, None, "Your account has been suspended", POLICY),
    (550, None, "Your IP is blocked", SPAM),
    (550, None, "Your IP address was not found in DNS", BAD),
    (550, None, "Mail from 192.0.2.1 refused", SPAM),
    (550, None, "Rejected: host is listed at zen", SPAM),
    (550, None, "You are not allowed to send mail here", POLICY),
    (550, None, "Invalid HELO name", POLICY),
    (550, None, "Internal error", OTHER),
    (553, None, "sorry, your envelope sender is in my badmailfrom list (#5.7.1)", POLICY),
    (550, "5.1.0", "<a@x.example> sender rejected", POLICY),
    (
        550,
        "5.2.1",
        "The user you are trying to contact is receiving mail at a rate that prevents additional messages",
        POLICY,
    ),
    (554, "5.2.0", "STOREDRV.Deliver.Exception:StorageTransientException.MapiExceptionNotFound", OTHER),
    (550, "5.2.0", "Message refused, low trust", SPAM),
    # A code alone is counted as a bad mailbox, and suppresses nobody.
    (550, None, "no", BAD),
    (553, None, "", BAD),
    (550, "5.0.0", "Rejected", BAD),
    (550, "5.1.0", "Address rejected", BAD),
]
GONE = [
    (550, None, "mailbox unavailable", BAD),
    (550, None, "Requested action not taken: mailbox unavailable", BAD),
    (550, None, "<spam@r.example>: Recipient address rejected: User unknown", BAD),
    (550, None, "host said: sender@r.example is not a known user", BAD),
    (550, "5.0.0", "No such user", BAD),
    (550, "5.1.0", "Recipient not found", BAD),
    (550, "5.2.0", "This mailbox has been disabled", INACTIVE),
    (550, "5.1.1", "no", BAD),
    (550, "5.2.1", "no", INACTIVE),
    (554, None, "This mailbox is no longer in use", INACTIVE),
]


def judged(code: int, status: str | None, text: str) -> Bounced:
    facts = AttemptFacts(
        phase=Phase.RCPT, code=code, enhanced_status=status, text=text, started_at=1_795_000_000_000, duration_ms=1
    )
    outcome = judge(Attempt(delivery_id=1, facts=facts, failure=FailureKind.REPLY))
    assert isinstance(outcome, Bounced)
    return outcome


def is_hard_when_returned(code: int, status: str | None, text: str) -> bool:
    diagnosis = f"host mx.r.example[192.0.2.9] said: {code} {text} (in reply to RCPT TO command)"
    failed = ReturnedStatus(action="failed", status=status or "", code=code, diagnosis=diagnosis)
    return is_hard_late(class_of(failed), code, status, diagnosis)


@pytest.mark.parametrize(("code", "status", "text", "expected"), ABOUT_US)
def test_what_is_said_of_us_suppresses_nobody(code: int, status: str | None, text: str, expected: BounceClass) -> None:
    outcome = judged(code, status, text)
    assert outcome.bounce_class is expected
    assert not is_hard(outcome)
    assert not is_hard_when_returned(code, status, text)


@pytest.mark.parametrize(("code", "status", "text", "expected"), GONE)
def test_a_mailbox_that_is_gone_is_suppressed(code: int, status: str | None, text: str, expected: BounceClass) -> None:
    outcome = judged(code, status, text)
    assert outcome.bounce_class is expected
    assert is_hard(outcome)
    assert is_hard_when_returned(code, status, text)


@pytest.mark.parametrize(
    "where", ["(in reply to MAIL FROM command)", "after MAIL FROM:<a@x.example>", ">>> MAIL From:<a@x.example> <<<"]
)
def test_what_is_returned_of_an_earlier_command_suppresses_nobody(where: str) -> None:
    assert not is_hard_late(BAD, 550, None, f"550 User unknown {where}")
