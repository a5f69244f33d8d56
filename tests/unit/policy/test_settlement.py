"""What is recorded of an attempt, and which report is owed for it."""

from typing import Any

import msgspec
import pytest

from postroad.model.delivery import Delivery, DeliveryState, Lease
from postroad.model.envelope import Notify
from postroad.model.event import EventType
from postroad.model.options import DeliveryOptions
from postroad.model.outcome import (
    AttemptFacts,
    BounceClass,
    Bounced,
    Deferred,
    Delivered,
    Outcome,
    Phase,
    ReportKind,
    Scope,
    TlsFacts,
)
from postroad.policy.retry import DEFAULT_SCHEDULE
from postroad.policy.settlement import (
    SenderFacts,
    SettlingFacts,
    cancel,
    reply_line,
    settle,
    unattempted,
)
from postroad.protocol.smtp.transaction import NO_DSN

HOUR = 3_600_000
NOW = 10 * HOUR
FACTS = AttemptFacts(
    phase=Phase.RCPT,
    egress_source="main",
    source_address="192.0.2.10",
    site="mx.test",
    host="mx.test",
    host_address="192.0.2.1",
    code=450,
    enhanced_status="4.2.0",
    text="Greylisted\nsee you",
    started_at=NOW - 200,
    duration_ms=200,
)
DELIVERED = Delivered(msgspec.structs.replace(FACTS, code=250, enhanced_status="2.0.0", text="ok", notes=(NO_DSN,)))
DEFERRED = Deferred(FACTS, Scope.RECIPIENT, BounceClass.POLICY)
BOUNCED = Bounced(msgspec.structs.replace(FACTS, code=550), Scope.RECIPIENT, BounceClass.BAD_MAILBOX)
SENDER = SenderFacts(reverse_path="app@news.test", is_report=False, mails_bounces=True)
HOW = SettlingFacts(now=NOW, jitter=0.5, event_id=77, schedule=DEFAULT_SCHEDULE)


def delivery(**changes: object) -> Delivery:
    values: dict[str, Any] = {
        "id": 5,
        "message_id": 4,
        "account_id": 1,
        "domain_id": 2,
        "recipient": "rcpt@dest.test",
        "destination": "dest.test",
        "pool": "default",
        "lane": 9,
        "due_at": NOW - 1000,
        "expires_at": NOW + 72 * HOUR,
        "accepted_at": NOW - 5000,
        "lease": Lease(owner=31, epoch=3, until=NOW + HOUR),
    }
    return Delivery(**(values | changes))


@pytest.mark.parametrize(
    ("outcome", "state", "event_type", "due_at"),
    [
        (DELIVERED, DeliveryState.DELIVERED, EventType.DELIVERED, NOW),
        (DEFERRED, DeliveryState.SCHEDULED, EventType.DEFERRED, NOW + 60_000),
        (BOUNCED, DeliveryState.BOUNCED, EventType.BOUNCED, NOW),
    ],
)
def test_each_outcome_has_its_state_and_event(
    outcome: Outcome, state: DeliveryState, event_type: EventType, due_at: int
) -> None:
    settlement = settle(delivery(), outcome, SENDER, HOW)
    assert (state, due_at, 1) == (settlement.state, settlement.due_at, settlement.attempts)
    assert (settlement.owner, settlement.epoch, settlement.delivery_id, settlement.message_id) == (31, 3, 5, 4)
    (event,) = settlement.events
    assert (77, event_type, NOW, 1, 2, 4, 5, "rcpt@dest.test") == (
        event.id,
        event.type,
        event.at,
        event.account_id,
        event.domain_id,
        event.message_id,
        event.delivery_id,
        event.recipient,
    )


def test_the_event_tells_the_whole_attempt() -> None:
    tls = TlsFacts(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", certificate_subject="mx.test")
    facts = msgspec.structs.replace(FACTS, tls=tls, selectors=("pr1",), notes=("a note",))
    settlement = settle(delivery(attempts=2), Deferred(facts, Scope.SITE, BounceClass.POLICY), SENDER, HOW)
    assert {
        "attempt": 3,
        "phase": "rcpt",
        "reply": "450 4.2.0 Greylisted\nsee you",
        "code": 450,
        "enhanced_status": "4.2.0",
        "queued_ms": 4800,
        "duration_ms": 200,
        "egress_source": "main",
        "source_address": "192.0.2.10",
        "site": "mx.test",
        "host": "mx.test",
        "host_address": "192.0.2.1",
        "tls": {
            "version": "TLSv1.3",
            "cipher": "TLS_AES_256_GCM_SHA384",
            "certificate_subject": "mx.test",
            "is_verified": False,
        },
        "selectors": ("pr1",),
        "notes": ("a note",),
        "scope": "site",
        "bounce_class": "policy-related",
        "due_at": settlement.due_at,
    } == settlement.events[0].data
    assert settlement.due_at == NOW + 15 * 60_000


def test_the_last_reply_is_one_line_with_its_host() -> None:
    assert settle(delivery(), DEFERRED, SENDER, HOW).last_reply == "mx.test: 450 4.2.0 Greylisted see you"
    assert reply_line(unattempted(Phase.DNS, "No answer.", "4.4.3", NOW)) == "4.4.3 No answer."


def test_a_delivery_whose_time_is_over_bounces_with_the_last_reply() -> None:
    settlement = settle(delivery(expires_at=NOW), DEFERRED, SENDER, HOW)
    assert (settlement.state, settlement.due_at, settlement.report) == (DeliveryState.BOUNCED, NOW, ReportKind.FAILED)
    data = settlement.events[0].data
    assert EventType.BOUNCED is settlement.events[0].type
    assert data["reply"] == "4.4.7 Not delivered in time. Last reply: 450 4.2.0 Greylisted\nsee you"
    assert (data["enhanced_status"], data["bounce_class"], data["is_expired"]) == ("4.4.7", "policy-related", True)


@pytest.mark.parametrize("outcome", [DELIVERED, DEFERRED, BOUNCED])
def test_an_unknown_end_stays_marked(outcome: Outcome) -> None:
    settlement = settle(delivery(maybe_delivered=True), outcome, SENDER, HOW)
    assert settlement.maybe_delivered
    assert settlement.events[0].data["maybe_delivered"] is True


def test_an_attempt_whose_end_is_unknown_marks_the_delivery() -> None:
    lost = Deferred(FACTS, Scope.SESSION, maybe_delivered=True)
    assert settle(delivery(), lost, SENDER, HOW).maybe_delivered
    assert not settle(delivery(), DEFERRED, SENDER, HOW).maybe_delivered


def test_a_delivery_that_is_not_leased_cannot_be_settled() -> None:
    with pytest.raises(ValueError, match="not leased"):
        settle(delivery(lease=None), DELIVERED, SENDER, HOW)


def test_a_cancelled_delivery_owes_no_report() -> None:
    settlement = cancel(delivery(attempts=2, notify=Notify.FAILURE), "loops back", HOW)
    assert (
        settlement.state,
        settlement.attempts,
        settlement.report,
        settlement.last_reply,
    ) == (DeliveryState.CANCELLED, 2, None, "loops back")
    assert EventType.CANCELLED is settlement.events[0].type


NO_MAIL = msgspec.structs.replace(SENDER, mails_bounces=False)
ALL = Notify.SUCCESS | Notify.FAILURE | Notify.DELAY


@pytest.mark.parametrize(
    ("notify", "sender", "outcome", "expected"),
    [
        (Notify.UNSET, SENDER, BOUNCED, ReportKind.FAILED),
        (Notify.UNSET, NO_MAIL, BOUNCED, None),
        (Notify.FAILURE, NO_MAIL, BOUNCED, ReportKind.FAILED),
        (Notify.NEVER, SENDER, BOUNCED, None),
        (Notify.SUCCESS, SENDER, BOUNCED, None),
        (Notify.DELAY, SENDER, BOUNCED, None),
        (Notify.UNSET, SENDER, DELIVERED, None),
        (Notify.FAILURE, SENDER, DELIVERED, None),
        (Notify.SUCCESS, SENDER, DELIVERED, ReportKind.RELAYED),
        (Notify.SUCCESS, NO_MAIL, DELIVERED, ReportKind.RELAYED),
        (Notify.NEVER, SENDER, DELIVERED, None),
        (ALL, SENDER, DEFERRED, None),
    ],
)
def test_reports_follow_notify(
    notify: Notify, sender: SenderFacts, outcome: Outcome, expected: ReportKind | None
) -> None:
    assert expected is settle(delivery(notify=notify), outcome, sender, HOW).report


def test_no_report_on_success_where_the_next_hop_takes_care() -> None:
    facts = msgspec.structs.replace(DELIVERED.facts, notes=())
    assert settle(delivery(notify=Notify.SUCCESS), Delivered(facts), SENDER, HOW).report is None


@pytest.mark.parametrize(
    "sender",
    [msgspec.structs.replace(SENDER, reverse_path=""), msgspec.structs.replace(SENDER, is_report=True)],
)
@pytest.mark.parametrize("outcome", [DELIVERED, BOUNCED])
def test_no_report_on_a_report_or_to_nobody(sender: SenderFacts, outcome: Outcome) -> None:
    assert settle(delivery(notify=ALL), outcome, sender, HOW).report is None


@pytest.mark.parametrize("outcome", [DELIVERED, BOUNCED])
def test_no_report_in_test_mode(outcome: Outcome) -> None:
    one = delivery(notify=ALL, options=DeliveryOptions(is_test=True))
    assert settle(one, outcome, SENDER, HOW).report is None


def test_the_placeholders_without_a_value_are_in_the_event() -> None:
    facts = msgspec.structs.replace(DEFERRED.facts, missing_variables=("recipient.name",))
    (event,) = settle(delivery(), msgspec.structs.replace(DEFERRED, facts=facts), SENDER, HOW).events
    assert event.data["missing_variables"] == ("recipient.name",)


def test_a_delay_is_reported_once_after_about_four_hours_to_those_who_asked() -> None:
    _now, attempts, due_at, reported = 0, 0, 0, []
    for _ in range(15):
        one = delivery(notify=Notify.DELAY, accepted_at=0, due_at=due_at, attempts=attempts, expires_at=72 * HOUR)
        settlement = settle(one, DEFERRED, SENDER, msgspec.structs.replace(HOW, now=due_at))
        if settlement.report:
            reported.append((settlement.report, round(due_at / HOUR, 1)))
        attempts, due_at = settlement.attempts, settlement.due_at
    assert reported == [(ReportKind.DELAYED, 3.9)]


def test_a_delay_is_not_reported_to_those_who_did_not_ask() -> None:
    one = delivery(notify=Notify.FAILURE, accepted_at=NOW - 4 * HOUR, attempts=7, due_at=NOW - HOUR)
    assert settle(one, DEFERRED, SENDER, HOW).report is None
