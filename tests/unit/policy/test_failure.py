"""What failed attempts mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.model.attempt import Attempt, FailureKind
from postroad.model.outcome import AttemptFacts, BounceClass, Bounced, Deferred, Delivered, Outcome, Phase, Scope
from postroad.policy.failure import judge

SET_UP = (Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.AUTH)


def replied(phase: Phase, code: int, status: str | None = None, text: str = "no") -> Outcome:
    return judged(FailureKind.REPLY, phase, code, status, text)


def judged(
    failure: FailureKind | None, phase: Phase, code: int | None = None, status: str | None = None, text: str = "no"
) -> Outcome:
    facts = AttemptFacts(phase=phase, code=code, enhanced_status=status, text=text, started_at=0, duration_ms=1)
    return judge(Attempt(delivery_id=1, facts=facts, failure=failure))


def test_no_failure_is_delivered() -> None:
    assert isinstance(judged(None, Phase.FINAL_DOT, 250, "2.0.0", "queued"), Delivered)


@pytest.mark.parametrize(
    ("phase", "code", "status", "text", "kind", "scope"),
    [
        # The recipient is refused, the others are not concerned.
        (Phase.RCPT, 550, "5.1.1", "User unknown", Bounced, Scope.RECIPIENT),
        (Phase.RCPT, 550, None, "no", Bounced, Scope.RECIPIENT),
        (Phase.RCPT, 450, "4.2.0", "Greylisted", Deferred, Scope.RECIPIENT),
        (Phase.RCPT, 451, None, "no", Deferred, Scope.RECIPIENT),
        (Phase.RCPT, 452, "4.5.3", "Too many recipients", Deferred, Scope.RECIPIENT),
        (Phase.RCPT, 556, None, "Domain takes no mail", Bounced, Scope.RECIPIENT),
        # The message is refused whoever it is for.
        (Phase.MAIL, 550, "5.7.1", "Sender not allowed", Bounced, Scope.MESSAGE),
        (Phase.MAIL, 452, "4.3.1", "Insufficient storage", Deferred, Scope.MESSAGE),
        (Phase.DATA, 554, None, "No valid recipients", Bounced, Scope.MESSAGE),
        (Phase.CONTENT, 552, "5.3.4", "Too big", Bounced, Scope.MESSAGE),
        (Phase.FINAL_DOT, 550, "5.7.1", "Message content rejected", Bounced, Scope.MESSAGE),
        (Phase.FINAL_DOT, 451, None, "no", Deferred, Scope.MESSAGE),
        # Rates and our reputation concern the whole site, whatever the phase.
        (Phase.RCPT, 450, "4.7.1", "Rate limit exceeded", Deferred, Scope.SITE),
        (Phase.MAIL, 451, "4.7.0", "Too many messages from your address", Deferred, Scope.SITE),
        (
            Phase.RCPT,
            554,
            "5.7.1",
            "Service unavailable; Client host blocked using zen.spamhaus.org",
            Bounced,
            Scope.SITE,
        ),
        (Phase.FINAL_DOT, 550, "5.7.1", "Your IP has a poor reputation", Bounced, Scope.SITE),
        # A full mailbox may be emptied.
        (Phase.RCPT, 552, "5.2.2", "Over quota", Deferred, Scope.RECIPIENT),
        (Phase.FINAL_DOT, 554, "5.2.2", "Mailbox full", Deferred, Scope.MESSAGE),
        (Phase.RCPT, 552, None, "Too many recipients", Deferred, Scope.RECIPIENT),
        (Phase.RCPT, 552, "5.3.4", "Message too big", Bounced, Scope.RECIPIENT),
        (Phase.FINAL_DOT, 552, None, "Message too big", Bounced, Scope.MESSAGE),
        # Hosts that contradict themselves: the milder word counts.
        (Phase.RCPT, 550, None, "4.2.1 Mailbox busy", Deferred, Scope.RECIPIENT),
        (Phase.RCPT, 450, None, "5.1.1 User unknown", Deferred, Scope.RECIPIENT),
        (Phase.RCPT, 554, "5.7.1", "Greylisted, please try again later", Deferred, Scope.RECIPIENT),
        (Phase.FINAL_DOT, 550, None, "Temporary problem, try later: temporarily unavailable", Deferred, Scope.MESSAGE),
    ],
)
def test_a_reply_decides_by_code_phase_and_text(
    phase: Phase, code: int, status: str | None, text: str, *, kind: type, scope: Scope
) -> None:
    outcome = replied(phase, code, status, text)
    assert not isinstance(outcome, Delivered)
    assert (kind, scope) == (type(outcome), outcome.scope)


@pytest.mark.parametrize("phase", SET_UP)
@pytest.mark.parametrize("code", [450, 500, 530, 535, 550, 554, 571])
def test_a_refusal_before_mail_defers_the_site(phase: Phase, code: int) -> None:
    outcome = replied(phase, code)
    assert isinstance(outcome, Deferred)
    assert Scope.SITE is outcome.scope


def test_a_host_that_never_takes_mail_bounces() -> None:
    outcome = replied(Phase.GREETING, 521)
    assert isinstance(outcome, Bounced)
    assert (outcome.scope, outcome.bounce_class) == (Scope.SITE, BounceClass.BAD_DOMAIN)


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.CONTENT, Phase.FINAL_DOT])
def test_421_in_a_transaction_ends_the_session(phase: Phase) -> None:
    outcome = replied(phase, 421, "4.7.0", "Try again later")
    assert isinstance(outcome, Deferred)
    assert (outcome.scope, outcome.maybe_delivered) == (Scope.SESSION, False)


@pytest.mark.parametrize("phase", SET_UP)
def test_421_before_a_transaction_defers_the_site(phase: Phase) -> None:
    assert Scope.SITE is getattr(replied(phase, 421), "scope", None)


@pytest.mark.parametrize("failure", [FailureKind.LOST, FailureKind.TIMEOUT])
@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.QUEUE])
def test_only_after_the_final_dot_is_the_end_unknown(failure: FailureKind, phase: Phase) -> None:
    outcome = judged(failure, phase)
    assert isinstance(outcome, Deferred)
    assert (phase is Phase.FINAL_DOT) == outcome.maybe_delivered
    assert (Scope.SITE if phase in (*SET_UP, Phase.DNS) else Scope.SESSION) is outcome.scope
    assert outcome.facts.enhanced_status == "4.4.2"


@pytest.mark.parametrize(
    ("failure", "phase", "kind", "scope", "status"),
    [
        (FailureKind.DNS, Phase.DNS, Deferred, Scope.SITE, "4.4.3"),
        (FailureKind.CONNECT, Phase.CONNECT, Deferred, Scope.SITE, "4.4.1"),
        (FailureKind.TLS, Phase.STARTTLS, Deferred, Scope.SITE, "4.7.5"),
        (FailureKind.NEEDS_SMTPUTF8, Phase.MAIL, Bounced, Scope.RECIPIENT, "5.6.7"),
        (FailureKind.PROTOCOL, Phase.GREETING, Deferred, Scope.SITE, "4.5.0"),
        (FailureKind.PROTOCOL, Phase.RCPT, Deferred, Scope.SESSION, "4.5.0"),
    ],
)
def test_failures_without_a_reply_get_the_status_that_fits(
    failure: FailureKind, phase: Phase, kind: type, scope: Scope, status: str
) -> None:
    outcome = judged(failure, phase)
    assert not isinstance(outcome, Delivered)
    assert (kind, scope, status) == (type(outcome), outcome.scope, outcome.facts.enhanced_status)


@pytest.mark.parametrize("code", [None, 250, 354, 199, 600])
def test_a_positive_reply_reported_as_failure_is_a_dialogue_out_of_step(code: int | None) -> None:
    outcome = judged(FailureKind.REPLY, Phase.RCPT, code)
    assert isinstance(outcome, Deferred)
    assert (outcome.scope, outcome.bounce_class) == (Scope.SESSION, BounceClass.PROTOCOL)


@given(st.sampled_from(Phase), st.integers(400, 499), st.text(max_size=80))
def test_a_transient_code_never_bounces(phase: Phase, code: int, text: str) -> None:
    assert isinstance(replied(phase, code, None, text), Deferred)


@given(st.sampled_from(FailureKind), st.sampled_from(Phase), st.integers(0, 700) | st.none(), st.text(max_size=80))
def test_every_failure_has_a_meaning(failure: FailureKind, phase: Phase, code: int | None, text: str) -> None:
    assert isinstance(judged(failure, phase, code, None, text), Deferred | Bounced)
