"""What to record of an attempt: the delivery's new state, its event, and the report that is owed to the sender."""

from typing import Any

import msgspec

from postroad.model.delivery import Delivery, DeliveryState, Lease
from postroad.model.envelope import Notify
from postroad.model.event import Event, EventType
from postroad.model.outcome import (
    AttemptFacts,
    Bounced,
    Deferred,
    Delivered,
    Outcome,
    Phase,
    ReportKind,
    Settlement,
    TlsFacts,
)
from postroad.model.suppression import Suppression
from postroad.policy.retry import RetrySchedule, retry_at
from postroad.policy.suppression import of_bounce, sentence, suppressed_event
from postroad.policy.tls_demand import UNMET, UNMET_AT_THE_END
from postroad.protocol.smtp.transaction import NO_DSN

DELAY_REPORT_AFTER_S = 4 * 3600
"""Age at which a sender who asked for it hears that a delivery is delayed; Postfix and Sendmail wait as long."""


class SenderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What decides whether the sender is owed a report."""

    reverse_path: str
    is_report: bool
    mails_bounces: bool
    """The sending domain's setting for recipients without NOTIFY, off where the reports would come back to us."""


class SettlingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What settling needs besides the delivery and its outcome."""

    now: int
    jitter: float
    event_id: int
    schedule: RetrySchedule


def settle(delivery: Delivery, outcome: Outcome, sender: SenderFacts, facts: SettlingFacts) -> Settlement:
    """Return what to record of a leased delivery's attempt."""
    lease = _lease_of(delivery)
    attempts = delivery.attempts + 1
    due_at, is_expired = facts.now, False
    if isinstance(outcome, Deferred):
        again_at = retry_at(facts.schedule, attempts, facts.now, delivery.expires_at, facts.jitter)
        if again_at is None:
            outcome, is_expired = expired(outcome), True
        else:
            due_at = again_at
    state, event_type = _STATE_OF[type(outcome)]
    maybe_delivered = delivery.maybe_delivered or (isinstance(outcome, Deferred) and outcome.maybe_delivered)
    data = _event_data(delivery, outcome, attempts, maybe_delivered)
    reply = reply_line(outcome.facts)
    if state is DeliveryState.SCHEDULED:
        data["due_at"] = due_at
    if is_expired:
        data["is_expired"] = True
    return Settlement(
        delivery_id=delivery.id,
        message_id=delivery.message_id,
        owner=lease.owner,
        epoch=lease.epoch,
        state=state,
        due_at=due_at,
        attempts=attempts,
        last_reply=reply,
        maybe_delivered=maybe_delivered,
        events=(_event(delivery, event_type, facts, data),),
        report=report_owed(delivery, outcome, sender, due_at),
        suppressions=of_bounce(delivery, outcome, reply, facts.now) if isinstance(outcome, Bounced) else (),
    )


def cancel(delivery: Delivery, reason: str, facts: SettlingFacts) -> Settlement:
    """Return what to record of a leased delivery that is dropped without an attempt and without a report."""
    event = _event(delivery, EventType.CANCELLED, facts, {"reason": reason, "attempt": delivery.attempts})
    return _dropped(delivery, DeliveryState.CANCELLED, reason, event)


def suppress(delivery: Delivery, barrier: Suppression, facts: SettlingFacts) -> Settlement:
    """Return what to record of a leased delivery that the lists of its sending domain stop.

    No report is owed: the sender has the lists, and a report for every message to them would tell nothing new.
    """
    event = suppressed_event(delivery, barrier, facts.event_id, facts.now)
    return _dropped(delivery, DeliveryState.SUPPRESSED, sentence(barrier), event)


def _dropped(delivery: Delivery, state: DeliveryState, reason: str, event: Event) -> Settlement:
    lease = _lease_of(delivery)
    return Settlement(
        delivery_id=delivery.id,
        message_id=delivery.message_id,
        owner=lease.owner,
        epoch=lease.epoch,
        state=state,
        due_at=event.at,
        attempts=delivery.attempts,
        last_reply=reason,
        maybe_delivered=delivery.maybe_delivered,
        events=(event,),
    )


def expired(outcome: Deferred) -> Bounced:
    """Return the bounce that ends a delivery whose time is over; its text carries the last reply."""
    # RFC 3463 §3.5: X.4.7 is a delivery time that expired; the 4 keeps what the trouble was: a lasting transient one.
    # Where the sender's own demand was never met, that is what the sender has to hear.
    status = UNMET_AT_THE_END if outcome.facts.enhanced_status == UNMET else "4.4.7"
    text = f"Not delivered in time. Last reply: {reply_text(outcome.facts)}"
    facts = msgspec.structs.replace(outcome.facts, code=None, enhanced_status=status, text=text)
    return Bounced(facts, outcome.scope, outcome.bounce_class)


def report_owed(delivery: Delivery, outcome: Outcome, sender: SenderFacts, due_at: int) -> ReportKind | None:
    """Return the report that the sender is owed for an outcome (RFC 3461 §4.1, §5.2)."""
    # RFC 5321 §6.1: no report on a report, and none where there is nobody to send it to.
    if sender.is_report or not sender.reverse_path or delivery.options.is_test:
        return None
    notify = delivery.notify
    match outcome:
        case Bounced():
            is_wanted = sender.mails_bounces if notify is Notify.UNSET else Notify.FAILURE in notify
            return ReportKind.FAILED if is_wanted else None
        case Delivered():
            # RFC 3461 §5.2.2: the next hop knows no DSN, so we say that the message was relayed.
            is_ours = Notify.SUCCESS in notify and NO_DSN in outcome.facts.notes
            return ReportKind.RELAYED if is_ours else None
        case Deferred():
            # Each attempt covers the time from its due date to the next one's; one of these spans holds the instant.
            told_at = delivery.accepted_at + DELAY_REPORT_AFTER_S * 1000
            is_now = Notify.DELAY in notify and delivery.due_at < told_at <= due_at
            return ReportKind.DELAYED if is_now else None


def reply_line(facts: AttemptFacts) -> str:
    """Return the reply or failure in one line, with the host that gave it."""
    words = [str(facts.code)] if facts.code is not None else []
    if facts.enhanced_status is not None:
        words.append(facts.enhanced_status)
    words.append(" ".join(facts.text.split()))
    line = " ".join(words)
    return f"{facts.host}: {line}" if facts.host else line


_STATE_OF: dict[type[Outcome], tuple[DeliveryState, EventType]] = {
    Delivered: (DeliveryState.DELIVERED, EventType.DELIVERED),
    Deferred: (DeliveryState.SCHEDULED, EventType.DEFERRED),
    Bounced: (DeliveryState.BOUNCED, EventType.BOUNCED),
}


def _event(delivery: Delivery, event_type: EventType, facts: SettlingFacts, data: dict[str, Any]) -> Event:
    return Event(
        id=facts.event_id,
        type=event_type,
        at=facts.now,
        account_id=delivery.account_id,
        domain_id=delivery.domain_id,
        message_id=delivery.message_id,
        delivery_id=delivery.id,
        recipient=delivery.recipient,
        data=data | delivery.event_marks,
        callback=delivery.options.callback,
    )


def _event_data(delivery: Delivery, outcome: Outcome, attempts: int, maybe_delivered: bool) -> dict[str, Any]:
    facts = outcome.facts
    data: dict[str, Any] = {
        "attempt": attempts,
        "phase": facts.phase.value,
        "reply": reply_text(facts),
        "queued_ms": max(facts.started_at - delivery.accepted_at, 0),
        "duration_ms": facts.duration_ms,
    }
    optional = {
        "code": facts.code,
        "enhanced_status": facts.enhanced_status,
        "egress_source": facts.egress_source,
        "source_address": facts.source_address,
        "site": facts.site,
        "host": facts.host,
        "host_address": facts.host_address,
        "tls": _tls_data(facts.tls) if facts.tls is not None else None,
        "selectors": facts.selectors,
        "missing_variables": facts.missing_variables,
        "notes": facts.notes,
        "maybe_delivered": maybe_delivered,
    }
    data |= {name: value for name, value in optional.items() if value}
    if not isinstance(outcome, Delivered):
        data |= {"scope": outcome.scope.value, "bounce_class": outcome.bounce_class.value}
    return data


def _tls_data(tls: TlsFacts) -> dict[str, Any]:
    data = {
        "version": tls.version,
        "cipher": tls.cipher,
        "certificate_subject": tls.certificate_subject,
        "certificate_issuer": tls.certificate_issuer,
        "certificate_expires_at": tls.certificate_expires_at,
    }
    return {name: value for name, value in data.items() if value} | {"is_verified": tls.is_verified}


def reply_text(facts: AttemptFacts) -> str:
    """Return the full reply with its codes, line breaks kept."""
    codes = [str(facts.code)] if facts.code is not None else []
    if facts.enhanced_status is not None:
        codes.append(facts.enhanced_status)
    return " ".join([*codes, facts.text]).strip()


def unattempted(
    phase: Phase, text: str, enhanced_status: str, now: int, *, egress_source: str = "", site: str = ""
) -> AttemptFacts:
    """Return the facts of an attempt that ended before a connection was tried."""
    return AttemptFacts(
        phase=phase,
        egress_source=egress_source,
        site=site,
        enhanced_status=enhanced_status,
        text=text,
        started_at=now,
        duration_ms=0,
    )


def _lease_of(delivery: Delivery) -> Lease:
    if delivery.lease is None:
        raise ValueError(f"delivery {delivery.id} is not leased, so nothing can be recorded of it")
    return delivery.lease
