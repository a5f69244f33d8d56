"""What senders demand of connections: the stricter rule holds, and its failure is the delivery's own."""

import pytest

from postroad.model.attempt import Attempt, FailureKind
from postroad.model.options import TlsDemand
from postroad.model.outcome import AttemptFacts, BounceClass, Deferred, Phase, Scope
from postroad.model.route import EgressSource, Hop, Route, TlsRule
from postroad.policy.settlement import expired
from postroad.policy.tls_demand import strengthened, unmet


def route(rule: TlsRule) -> Route:
    source = EgressSource(name="s", ehlo_name="s.test")
    return Route(site="mx.test", hops=(Hop("mx.test", "192.0.2.1", 25),), source=source, tls_rule=rule)


@pytest.mark.parametrize(
    ("rule", "demand", "expected"),
    [
        (TlsRule.NEVER, TlsDemand.ENCRYPT, TlsRule.ENCRYPT),
        (TlsRule.OPPORTUNISTIC, TlsDemand.ENCRYPT, TlsRule.ENCRYPT),
        (TlsRule.OPPORTUNISTIC, TlsDemand.VERIFY, TlsRule.VERIFY),
        (TlsRule.ENCRYPT, TlsDemand.VERIFY, TlsRule.VERIFY),
    ],
)
def test_a_stricter_demand_makes_the_rule(rule: TlsRule, demand: TlsDemand, expected: TlsRule) -> None:
    before = route(rule)
    after = strengthened(before, demand)
    assert after.tls_rule is expected
    assert (after.site, after.hops, after.source) == (before.site, before.hops, before.source)


@pytest.mark.parametrize(
    ("rule", "demand"),
    [
        (TlsRule.VERIFY, TlsDemand.ENCRYPT),
        (TlsRule.VERIFY, TlsDemand.VERIFY),
        (TlsRule.ENCRYPT, TlsDemand.ENCRYPT),
        (TlsRule.OPPORTUNISTIC, None),
        (TlsRule.ENCRYPT, TlsDemand.NOTHING),
    ],
)
def test_a_rule_is_never_weakened(rule: TlsRule, demand: TlsDemand | None) -> None:
    before = route(rule)
    assert strengthened(before, demand) is before


def attempt(failure: FailureKind | None, phase: Phase, text: str = "the host does not offer STARTTLS") -> Attempt:
    return Attempt(
        delivery_id=1, facts=AttemptFacts(phase=phase, text=text, started_at=0, duration_ms=0), failure=failure
    )


@pytest.mark.parametrize(
    ("failure", "phase"),
    [(FailureKind.TLS, Phase.STARTTLS), (FailureKind.LOST, Phase.STARTTLS), (FailureKind.TLS, Phase.EHLO)],
)
def test_what_the_demand_alone_caused_concerns_the_recipient_alone(failure: FailureKind, phase: Phase) -> None:
    outcome = unmet(attempt(failure, phase), route(TlsRule.VERIFY))
    assert isinstance(outcome, Deferred)
    assert (outcome.scope, outcome.bounce_class) == (Scope.RECIPIENT, BounceClass.POLICY)
    assert outcome.facts.enhanced_status == "4.7.10"
    assert outcome.facts.text == (
        "the sender demands an encrypted connection to a host that an authority vouches for: "
        "the host does not offer STARTTLS"
    )


@pytest.mark.parametrize(
    ("failure", "phase"),
    [(FailureKind.CONNECT, Phase.CONNECT), (FailureKind.REPLY, Phase.RCPT), (None, Phase.FINAL_DOT)],
)
def test_other_ends_are_judged_as_always(failure: FailureKind | None, phase: Phase) -> None:
    assert unmet(attempt(failure, phase), route(TlsRule.ENCRYPT)) is None


def test_at_the_end_of_its_time_it_bounces_with_the_reason() -> None:
    outcome = unmet(attempt(FailureKind.TLS, Phase.STARTTLS), route(TlsRule.ENCRYPT))
    assert outcome is not None
    bounced = expired(outcome)
    assert bounced.facts.enhanced_status == "5.7.10"
    assert "the sender demands an encrypted connection: the host does not offer STARTTLS" in bounced.facts.text
