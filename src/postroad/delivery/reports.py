"""Delivery reports to senders: who is owed one, and the report as a message of our own (RFC 3461, RFC 3464)."""

from postroad.delivery.contents import Origin
from postroad.delivery.givens import MakeId
from postroad.model.channel import REPORT_CHANNEL
from postroad.model.delivery import Delivery, lane_of
from postroad.model.envelope import destination_of
from postroad.model.event import Event, EventType
from postroad.model.ids import partition_of, text_of
from postroad.model.message import Accepted, Message
from postroad.model.options import REPORT_DELIVERY
from postroad.model.outcome import Outcome, ReportKind, Settlement
from postroad.policy.settlement import SenderFacts, reply_text
from postroad.protocol.dsn import RecipientReport, ReportFacts, compose_report
from postroad.protocol.mime.message_id import make_message_id

_NOBODY = SenderFacts(reverse_path="", is_report=False, mails_bounces=False)


class Reporter:
    """Writes the reports of one installation."""

    def __init__(self, own_hosts: frozenset[str], make_id: MakeId) -> None:
        self._own_hosts = own_hosts
        self._make_id = make_id

    def sender_facts(self, origin: Origin | None) -> SenderFacts:
        """Return who would be told of a message's fate; nobody where the report would come back to ourselves."""
        if origin is None or self._is_ours(origin):
            return _NOBODY
        message = origin.message
        return SenderFacts(
            reverse_path=message.reverse_path,
            is_report=message.is_report,
            mails_bounces=origin.domain.settings.bounce_mail,
        )

    def report(
        self, delivery: Delivery, settlement: Settlement, outcome: Outcome, origin: Origin, content: bytes | None
    ) -> Accepted:
        """Return the report that a settlement owes, ready to be accepted with it.

        It leaves from the sending domain, whose signature it carries, with the null reverse path and from the same
        pool; it lives in the partition of its message, so that one transaction writes both.
        """
        message = origin.message
        now = settlement.events[0].at
        report_id = self._make_id(now, partition_of(message.id))
        facts = _report_facts(delivery, settlement, outcome, origin, content or _header_of(message), text_of(report_id))
        composed = compose_report(facts)
        report = Message(
            id=report_id,
            account_id=message.account_id,
            domain_id=message.domain_id,
            credential_id=message.credential_id,
            reverse_path="",
            header_from=f"MAILER-DAEMON@{origin.domain.name}",
            subject=f"Delivery report ({facts.action})",
            message_id_header=make_message_id(facts.report_id, origin.domain.name),
            size=len(composed),
            recipient_count=1,
            accepted_at=now,
            client_address="",
            channel=REPORT_CHANNEL,
            is_eight_bit=not composed.isascii(),
            is_utf8=message.is_utf8,
            is_report=True,
        )
        carrier = self._carrier(delivery, report, message.reverse_path)
        return Accepted(
            message=report, content=composed, deliveries=(carrier,), events=(self._accepted(delivery, carrier, now),)
        )

    def _carrier(self, delivery: Delivery, report: Message, reverse_path: str) -> Delivery:
        destination = destination_of(reverse_path)
        return Delivery(
            id=self._make_id(report.accepted_at, partition_of(report.id)),
            message_id=report.id,
            account_id=report.account_id,
            domain_id=report.domain_id,
            recipient=reverse_path,
            destination=destination,
            pool=delivery.pool,
            lane=lane_of(report.domain_id, destination),
            due_at=report.accepted_at,
            expires_at=report.accepted_at + delivery.expires_at - delivery.accepted_at,
            accepted_at=report.accepted_at,
            options=REPORT_DELIVERY,
        )

    def _accepted(self, delivery: Delivery, carrier: Delivery, now: int) -> Event:
        return Event(
            id=self._make_id(now, partition_of(carrier.message_id)),
            type=EventType.ACCEPTED,
            at=now,
            account_id=carrier.account_id,
            domain_id=carrier.domain_id,
            message_id=carrier.message_id,
            delivery_id=carrier.id,
            recipient=carrier.recipient,
            data={"channel": REPORT_CHANNEL, "report_on": text_of(delivery.id)} | carrier.event_marks,
        )

    def _is_ours(self, origin: Origin) -> bool:
        domain = destination_of(origin.message.reverse_path)
        return domain == origin.return_path_host or domain in self._own_hosts


def _report_facts(  # noqa: PLR0917
    delivery: Delivery, settlement: Settlement, outcome: Outcome, origin: Origin, content: bytes, report_id: str
) -> ReportFacts:
    message = origin.message
    facts = outcome.facts
    kind = settlement.report or ReportKind.FAILED
    return ReportFacts(
        action=kind.value,
        reporting_host=origin.domain.name,
        report_id=report_id,
        reported_at=settlement.events[0].at,
        to=message.reverse_path,
        recipients=(
            RecipientReport(
                final_recipient=delivery.recipient,
                original_recipient=delivery.original_recipient,
                status=_status(settlement, outcome),
                remote_host=facts.host,
                diagnostic=reply_text(facts) or "no reason was given",
                is_smtp_reply=facts.code is not None,
                last_attempt_at=facts.started_at,
                will_retry_until=delivery.expires_at if kind is ReportKind.DELAYED else None,
            ),
        ),
        original_content=content,
        arrived_at=message.accepted_at,
        envid=message.envid,
        returns_full=message.ret == "FULL",
        is_utf8=message.is_utf8,
    )


def _status(settlement: Settlement, outcome: Outcome) -> str:
    """Return the status of the report: the host's own, or one that says no more than the class (RFC 3463 §3.1)."""
    code = outcome.facts.code
    status: str = settlement.events[0].data.get("enhanced_status") or f"{code // 100 if code else 5}.0.0"
    if settlement.report is ReportKind.DELAYED and status.startswith("5"):
        # RFC 3464 §2.3.4: a delay has a status of class 4, even where the host said 5 and we wait all the same.
        return f"4{status[1:]}"
    return status


def _header_of(message: Message) -> bytes:
    """Return a header that names a message whose content is not at hand."""
    return f"Message-ID: {message.message_id_header}\r\n\r\n".encode()
