"""The small vocabulary of refusals, on replies as large and small receivers word them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.model.outcome import BounceClass, Phase
from postroad.policy.bounce_class import bounce_class_of


@pytest.mark.parametrize(
    ("phase", "code", "status", "text", "expected"),
    [
        (
            Phase.RCPT,
            550,
            "5.1.1",
            "The email account that you tried to reach does not exist.",
            BounceClass.BAD_MAILBOX,
        ),
        (Phase.RCPT, 550, "5.1.1", "<a@b.test>: Recipient address rejected: User unknown", BounceClass.BAD_MAILBOX),
        (Phase.RCPT, 550, "5.1.10", "RESOLVER.ADR.RecipientNotFound; Recipient not found", BounceClass.BAD_MAILBOX),
        (Phase.RCPT, 550, None, "mailbox unavailable", BounceClass.BAD_MAILBOX),
        (Phase.RCPT, 553, None, "no", BounceClass.BAD_MAILBOX),
        (Phase.RCPT, 550, "5.2.1", "The account you tried to reach is disabled.", BounceClass.INACTIVE_MAILBOX),
        (Phase.RCPT, 550, "5.2.1", "no", BounceClass.INACTIVE_MAILBOX),
        (Phase.RCPT, 554, None, "This mailbox is no longer in use", BounceClass.INACTIVE_MAILBOX),
        (Phase.RCPT, 452, "4.2.2", "The recipient's inbox is out of storage space", BounceClass.QUOTA),
        (Phase.RCPT, 552, "5.2.2", "no", BounceClass.QUOTA),
        (Phase.MAIL, 452, None, "no", BounceClass.QUOTA),
        (Phase.MAIL, 452, "4.3.1", "Insufficient system storage", BounceClass.QUOTA),
        (Phase.FINAL_DOT, 550, "5.7.1", "Message rejected as spam", BounceClass.SPAM),
        (Phase.RCPT, 554, "5.7.1", "Client host [192.0.2.1] blocked using zen.spamhaus.org", BounceClass.SPAM),
        (Phase.GREETING, 554, None, "Your address is on a blocklist", BounceClass.SPAM),
        (Phase.FINAL_DOT, 552, "5.7.0", "This message was blocked because of its attachment", BounceClass.CONTENT),
        (Phase.FINAL_DOT, 550, None, "Virus found: Eicar", BounceClass.CONTENT),
        (Phase.FINAL_DOT, 554, "5.6.0", "no", BounceClass.CONTENT),
        (Phase.FINAL_DOT, 552, "5.3.4", "no", BounceClass.CONTENT),
        (Phase.FINAL_DOT, 550, "5.7.26", "The sender does not pass DMARC", BounceClass.POLICY),
        (Phase.RCPT, 451, "4.7.1", "Greylisted", BounceClass.POLICY),
        (Phase.RCPT, 450, "4.7.0", "no", BounceClass.POLICY),
        (Phase.MAIL, 550, "5.1.8", "no", BounceClass.POLICY),
        (Phase.RCPT, 550, "5.1.2", "no", BounceClass.BAD_DOMAIN),
        (Phase.RCPT, 550, "5.1.10", "no", BounceClass.BAD_DOMAIN),
        (Phase.RCPT, 556, None, "no", BounceClass.BAD_DOMAIN),
        (Phase.GREETING, 521, None, "no", BounceClass.BAD_DOMAIN),
        (Phase.RCPT, 550, None, "Unrouteable address", BounceClass.BAD_DOMAIN),
        (Phase.RCPT, 554, "5.7.1", "Relay access denied", BounceClass.ROUTING),
        (Phase.FINAL_DOT, 554, "5.4.6", "Too many hops", BounceClass.ROUTING),
        (Phase.RCPT, 451, "4.4.3", "no", BounceClass.ROUTING),
        (Phase.MAIL, 501, None, "no", BounceClass.PROTOCOL),
        (Phase.MAIL, 555, "5.5.4", "no", BounceClass.PROTOCOL),
        (Phase.MAIL, 553, "5.6.7", "no", BounceClass.PROTOCOL),
        (Phase.FINAL_DOT, 554, "5.0.0", "no", BounceClass.OTHER),
        (Phase.FINAL_DOT, 550, None, "no", BounceClass.OTHER),
        (Phase.CONNECT, None, None, "no", BounceClass.OTHER),
    ],
)
def test_replies_are_classed(
    phase: Phase, code: int | None, status: str | None, text: str, expected: BounceClass
) -> None:
    assert expected is bounce_class_of(phase, code, status, text)


@given(
    st.sampled_from(Phase),
    st.integers(200, 599) | st.none(),
    st.none() | st.builds("{}.{}.{}".format, st.integers(2, 5), st.integers(0, 999), st.integers(0, 999)),
    st.text(max_size=200),
)
def test_anything_has_a_class(phase: Phase, code: int | None, status: str | None, text: str) -> None:
    assert isinstance(bounce_class_of(phase, code, status, text), BounceClass)


@pytest.mark.parametrize("run", ["a", "exceed", "verif", " ", "ip ", "a@a@a@ ", "requested action not taken. "])
def test_a_long_refusal_cannot_hold_the_worker_up(run: str) -> None:
    text = run * (65_000 // len(run))
    started = time.thread_time()
    bounce_class_of(Phase.RCPT, 550, None, text)
    assert time.thread_time() - started < 0.5
