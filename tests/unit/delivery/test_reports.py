"""Delivery reports as messages of our own."""

import email
import email.policy

import msgspec
import pytest

from postroad.delivery.contents import Origin
from postroad.delivery.reports import Reporter
from postroad.model.delivery import Delivery, DeliveryState
from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.model.envelope import Notify
from postroad.model.ids import IdSource, partition_of
from postroad.model.message import Accepted
from postroad.model.options import FORWARD_DELIVERY
from postroad.model.outcome import AttemptFacts, BounceClass, Bounced, Deferred, Outcome, Phase, ReportKind, Scope
from postroad.policy.retry import DEFAULT_SCHEDULE
from postroad.policy.settlement import SettlingFacts, settle
from tests.unit.delivery.test_contents import make_message
from tests.unit.queue.deliveries import make_delivery

NOW = 1_795_000_000_000
IDS = IdSource(3)
CONTENT = b"From: a@news.test\r\nSubject: hello\r\n\r\nHello.\r\n"
FACTS = AttemptFacts(
    phase=Phase.RCPT, host="mx.dest.test", code=550, text="no such user", started_at=NOW, duration_ms=1
)


def make_origin(reverse_path: str = "app@news.test", ret: str | None = None, *, bounce_mail: bool = True) -> Origin:
    domain = SendingDomain(
        id=1,
        account_id=1,
        name="news.test",
        state=DomainState.ACTIVE,
        settings=DomainSettings(bounce_mail=bounce_mail),
        created_at=0,
    )
    message = msgspec.structs.replace(
        make_message(IDS.next(NOW, 77)), reverse_path=reverse_path, ret=ret, envid="envelope-1", accepted_at=NOW - 5000
    )
    return Origin(message, domain, "rp.news.test")


def make_report(
    origin: Origin, content: bytes | None = CONTENT, facts: AttemptFacts = FACTS
) -> tuple[Delivery, Accepted]:
    reporter = Reporter(frozenset({"us.test"}), IDS.next)
    delivery = msgspec.structs.replace(
        make_delivery(IDS.next(NOW, 77)), message_id=origin.message.id, expires_at=3_600_000, accepted_at=0
    )
    outcome: Outcome = Bounced(facts, Scope.RECIPIENT, BounceClass.BAD_MAILBOX)
    how = SettlingFacts(now=NOW, jitter=0.5, event_id=5, schedule=DEFAULT_SCHEDULE)
    settlement = settle(delivery, outcome, reporter.sender_facts(origin), how)
    assert settlement.report is ReportKind.FAILED
    return delivery, reporter.report(delivery, settlement, outcome, origin, content)


def test_a_report_goes_to_the_reverse_path_with_a_null_one_of_its_own() -> None:
    origin = make_origin()
    delivery, report = make_report(origin)
    (carrier,) = report.deliveries
    assert (report.message.reverse_path, report.message.is_report, report.message.channel) == ("", True, "report")
    assert (carrier.recipient, carrier.destination, carrier.state) == (
        "app@news.test",
        "news.test",
        DeliveryState.SCHEDULED,
    )
    assert (carrier.pool, carrier.due_at, carrier.expires_at - carrier.due_at) == (delivery.pool, NOW, 3_600_000)
    assert {partition_of(one) for one in (report.message.id, carrier.id, report.events[0].id)} == {77}
    assert report.message.size == len(report.content)


def test_events_of_a_report_say_that_they_are_none_of_the_mail_of_its_domain() -> None:
    _, report = make_report(make_origin())
    (carrier,) = report.deliveries
    assert report.events[0].is_of_report
    assert carrier.event_marks == {"is_report": True}
    assert msgspec.structs.replace(carrier, options=FORWARD_DELIVERY).event_marks == {}


def test_a_report_is_one_of_rfc_3464_from_the_sending_domain() -> None:
    _, report = make_report(make_origin())
    parsed = email.message_from_bytes(report.content, policy=email.policy.default)
    assert parsed["From"] == "Mail Delivery System <MAILER-DAEMON@news.test>"
    assert parsed["To"] == "app@news.test"
    assert parsed.get_content_type() == "multipart/report"
    fields = b"Action: failed|Status: 5.0.0|Remote-MTA: dns; mx.dest.test|Original-Envelope-Id: envelope-1"
    for field in fields.split(b"|"):
        assert field in report.content
    assert b"Hello." not in report.content


def test_a_delay_has_a_transient_status_whatever_the_host_said() -> None:
    reporter, origin = Reporter(frozenset(), IDS.next), make_origin()
    facts = msgspec.structs.replace(FACTS, code=552, enhanced_status="5.2.2")
    delivery = msgspec.structs.replace(
        make_delivery(IDS.next(NOW, 77)),
        message_id=origin.message.id,
        notify=Notify.DELAY,
        accepted_at=NOW - 4 * 3_600_000,
        due_at=NOW - 1000,
        expires_at=NOW + 10**9,
        attempts=6,
    )
    outcome = Deferred(facts, Scope.RECIPIENT)
    how = SettlingFacts(now=NOW, jitter=0.5, event_id=5, schedule=DEFAULT_SCHEDULE)
    settlement = settle(delivery, outcome, reporter.sender_facts(origin), how)
    report = reporter.report(delivery, settlement, outcome, origin, CONTENT)
    assert b"Action: delayed" in report.content
    assert b"Status: 4.2.2" in report.content


def test_the_whole_message_is_returned_where_the_sender_asked_for_it() -> None:
    _, report = make_report(make_origin(ret="FULL"))
    assert b"Hello." in report.content


def test_a_message_whose_content_is_gone_is_named_all_the_same() -> None:
    _, report = make_report(make_origin(), content=None)
    assert b"Message-ID: <1@news.test>" in report.content


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (make_origin(), ("app@news.test", True)),
        (make_origin(bounce_mail=False), ("app@news.test", False)),
        (make_origin("x@rp.news.test"), ("", False)),
        (make_origin("x@us.test"), ("", False)),
        (None, ("", False)),
    ],
)
def test_nobody_is_told_where_we_would_hear_it_ourselves(origin: Origin | None, expected: tuple[str, bool]) -> None:
    facts = Reporter(frozenset({"us.test"}), IDS.next).sender_facts(origin)
    assert (facts.reverse_path, facts.mails_bounces) == expected
