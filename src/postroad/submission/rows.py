"""What is written of a message that is accepted: its facts, one delivery for each recipient, and the first events."""

from collections.abc import Iterator, Sequence

import msgspec

from postroad.model.delivery import Delivery, DeliveryState, lane_of
from postroad.model.domain import SendingDomain
from postroad.model.envelope import Recipient
from postroad.model.event import Event, EventType
from postroad.model.ids import IdSource, partition_of, text_of
from postroad.model.message import Accepted, Message
from postroad.model.options import NO_OPTIONS, PLAIN_DELIVERY, TRANSACTIONAL_DELIVERY, DeliveryOptions, Options
from postroad.model.submission import Admitted, Submission
from postroad.policy.suppression import comparable
from postroad.submission.settings import SubmissionSettings

_DAY_MS = 86_400_000
_KEPT_TEST_DAYS = 7


class Rows:
    """Makes the rows of what was admitted."""

    def __init__(self, ids: IdSource, settings: SubmissionSettings) -> None:
        self._ids = ids
        self._settings = settings

    def of(
        self, submission: Submission, admitted: Admitted, domain: SendingDomain, message_id: int, now: int
    ) -> Accepted:
        """Return what one accept writes, in one transaction."""
        envelope, principal = submission.envelope, submission.principal
        message = Message(
            id=message_id,
            account_id=principal.account_id,
            domain_id=principal.domain_id,
            credential_id=principal.credential_id,
            reverse_path=envelope.reverse_path,
            header_from=admitted.header_from,
            subject=admitted.subject,
            message_id_header=admitted.message_id_header,
            size=len(admitted.content),
            recipient_count=len(envelope.recipients),
            accepted_at=now,
            client_address=submission.client.address,
            channel=submission.client.channel,
            is_eight_bit=envelope.is_eight_bit,
            is_utf8=admitted.is_utf8,
            ret=envelope.ret,
            envid=envelope.envid,
            keep_content_ms=_kept_days(domain, admitted.options) * _DAY_MS,
            options=_without_recipient_variables(admitted.options),
        )
        is_transactional = domain.settings.is_transactional or admitted.options.ignores_unsubscribes
        deliveries = self._deliveries(submission, message, admitted.options, is_transactional=is_transactional)
        return Accepted(
            message=message,
            content=admitted.content,
            deliveries=deliveries,
            events=tuple(self._first_events(submission, admitted, deliveries)),
        )

    def _first_events(
        self, submission: Submission, admitted: Admitted, deliveries: Sequence[Delivery]
    ) -> Iterator[Event]:
        for delivery in deliveries:
            accepted = self._accepted_event(submission, admitted, delivery)
            yield accepted
            if submission.is_held:
                held_by = {"by": f"batch {admitted.options.batch_id}"} | delivery.event_marks
                event_id = self._ids.next(delivery.accepted_at, partition_of(delivery.id))
                yield msgspec.structs.replace(accepted, id=event_id, type=EventType.HELD, data=held_by)

    def _deliveries(
        self, submission: Submission, message: Message, options: Options, *, is_transactional: bool
    ) -> tuple[Delivery, ...]:
        now, partition = message.accepted_at, partition_of(message.id)
        due_at = max(now, options.deliver_at or now)
        expires_at = options.expires_at or due_at + self._settings.expires_after_s * 1000
        return tuple(
            Delivery(
                id=self._ids.next(now, partition),
                message_id=message.id,
                account_id=message.account_id,
                domain_id=message.domain_id,
                recipient=recipient.forward_path,
                destination=recipient.destination,
                pool=self._settings.default_pool,
                lane=lane_of(message.domain_id, recipient.destination),
                state=DeliveryState.HELD if submission.is_held else DeliveryState.SCHEDULED,
                due_at=due_at,
                expires_at=expires_at,
                accepted_at=now,
                notify=recipient.notify,
                original_recipient=recipient.original_recipient,
                options=_delivery_options(options, recipient, is_transactional=is_transactional),
            )
            for recipient in submission.envelope.recipients
        )

    def _accepted_event(self, submission: Submission, admitted: Admitted, delivery: Delivery) -> Event:
        client = submission.client
        return Event(
            id=self._ids.next(delivery.accepted_at, partition_of(delivery.id)),
            type=EventType.ACCEPTED,
            at=delivery.accepted_at,
            account_id=delivery.account_id,
            domain_id=delivery.domain_id,
            message_id=delivery.message_id,
            delivery_id=delivery.id,
            recipient=delivery.recipient,
            data={
                "channel": client.channel,
                "client_address": client.address,
                "tls_version": client.tls_version,
                "username": submission.principal.username,
                "edits": list(admitted.edits),
            }
            | delivery.event_marks,
            callback=delivery.options.callback,
        )


def _kept_days(domain: SendingDomain, options: Options) -> int:
    """Return how long a message's content is kept: in test mode long enough to look at what it came to."""
    kept = domain.settings.keep_content_days
    return max(kept, _KEPT_TEST_DAYS) if options.is_test else kept


def _without_recipient_variables(options: Options) -> Options:
    """Return what the message keeps: each delivery has its own slice of the rest."""
    if options.recipient_variables is None:
        return options
    return msgspec.structs.replace(options, recipient_variables=None)


def _delivery_options(options: Options, recipient: Recipient, *, is_transactional: bool) -> DeliveryOptions:
    if options is NO_OPTIONS:
        return TRANSACTIONAL_DELIVERY if is_transactional else PLAIN_DELIVERY
    variables = options.recipient_variables
    taken = DeliveryOptions(
        tags=options.tags,
        variables=None if variables is None else variables.get(comparable(recipient.forward_path), {}),
        # Only what is made for one recipient asks for a name.
        display_name=None if variables is None else recipient.display_name or None,
        tls=options.tls,
        is_test=options.is_test or False,
        is_transactional=is_transactional,
        callback=options.callback,
        group_id=None if options.group is None or options.group.is_bypassed else options.group.id,
    )
    return PLAIN_DELIVERY if taken == PLAIN_DELIVERY else taken


def repeat_event(ids: IdSource, at: int, again: Delivery, first: tuple[int, int], client_address: str) -> Event:
    """Return what is told in the story of a first message and delivery (their ids): that a client sent it again."""
    message_id, delivery_id = first
    return Event(
        id=ids.next(at, partition_of(message_id)),
        type=EventType.DEDUPLICATED,
        at=at,
        account_id=again.account_id,
        domain_id=again.domain_id,
        message_id=message_id,
        delivery_id=delivery_id,
        recipient=again.recipient,
        data={"first_message": text_of(message_id), "client_address": client_address},
        callback=again.options.callback,
    )
