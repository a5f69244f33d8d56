"""Step 2 to 4 of the flow: a submission is admitted, becomes rows, and is answered after the synced commit."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog

from postroad.model.dedupe import Repeatable, Repeats
from postroad.model.delivery import Delivery, DeliveryState, Lease, lane_of
from postroad.model.domain import SendingDomain
from postroad.model.envelope import Recipient
from postroad.model.event import Event, EventType
from postroad.model.ids import PARTITIONS, IdSource, partition_of, text_of
from postroad.model.message import Accepted, Message
from postroad.model.options import NO_OPTIONS, PLAIN_DELIVERY, TRANSACTIONAL_DELIVERY, DeliveryOptions, Options
from postroad.model.submission import Admitted, Rejected, Submission
from postroad.net.clock import Clock
from postroad.policy.admission import AdmissionFacts, admit, domain_for, pause_refusal
from postroad.policy.dedupe import repeatable, sorted_out
from postroad.policy.quota import Demand, demands_of, over_quota
from postroad.policy.suppression import comparable
from postroad.protocol.smtp.data import Fault
from postroad.storage import dedupe, quotas
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.submission.repetitions import Repetitions
from postroad.submission.settings import SubmissionSettings

log = structlog.get_logger()

_PARTITION_SPAN_MS = 16
"""Messages of one such span share a partition, so that a batch is one partition's transaction (decision 0002)."""
_DAY_MS = 86_400_000
_KEPT_TEST_DAYS = 7
_LARGEST_INLINE = 262_144
"""Larger content is looked at in a thread, so that other sessions go on meanwhile."""


class Receipt(msgspec.Struct, frozen=True):
    """The answer to an accepted submission: it is on disk under this id."""

    message_id: int


class Domains(Protocol):
    """Where the facts of the principal's sending domain come from."""

    async def get(self, domain_id: int) -> SendingDomain | None:
        """Return the domain, or None when it is gone."""


class ReadySet(Protocol):
    """This worker's delivery engine, which may take new deliveries without reading them back."""

    def reserve(self, deliveries: Sequence[Delivery]) -> Lease | None:
        """Return the lease to store the deliveries under, or None when there is no room or a site is closed."""

    def hand_over(self, accepted: Accepted) -> None:
        """Take deliveries that have just been committed under the lease of ``reserve``."""

    def withdraw(self, accepted: Accepted) -> None:
        """Free deliveries under the lease of ``reserve`` of which nobody knows whether they were committed."""


class Templates(Protocol):
    """The stored templates of sending domains."""

    async def freeze(
        self, domain: SendingDomain, admitted: Admitted, recipients: Sequence[str], now: int
    ) -> Options | Rejected:
        """Return the options of a message that names a template, with what it will be rendered from, or why it cannot be."""


class Meter(Protocol):
    """What is counted of submissions."""

    def accepted(self, channel: str, recipients: int, duration_ms: float) -> None:
        """Count one accepted message and how long its sender waited for the reply."""

    def rejected(self, rule: str) -> None:
        """Count one refused message under its rule."""


class AdmissionFactsFor(Protocol):
    """Adds what is true of the installation to the facts of one submission."""

    def __call__(self, domain: SendingDomain, message_id: int, now: int, faults: Fault | None) -> AdmissionFacts:
        """Return all the facts that admission needs."""


class Submissions:
    """Accepts mail for one worker: admission, rows, commit, hand-over."""

    def __init__(
        self,
        *,
        database: Database,
        domains: Domains,
        ready: ReadySet | None,
        ids: IdSource,
        clock: Clock,
        meter: Meter,
        facts_for: AdmissionFactsFor,
        settings: SubmissionSettings,
        templates: Templates | None = None,
        repetitions: Repetitions | None = None,
    ) -> None:
        self._database = database
        self._domains = domains
        self._ready = ready
        self._ids = ids
        self._clock = clock
        self._meter = meter
        self._facts_for = facts_for
        self._settings = settings
        self._templates = templates
        self._repetitions = repetitions

    async def submit(self, submission: Submission) -> Receipt | Rejected:
        """Accept or refuse one submission.

        Returns only after the message, its body, deliveries and events are committed and synced.

        Raises:
            StorageError: nothing was stored; the client may try again.
        """
        result = await self._decide(submission)
        refused = result if isinstance(result, Rejected) else None
        if self._repetitions and self._repetitions.concerns(submission, is_refused=refused is not None):
            hold_s = await self._noted(self._repetitions, submission, refused)
            return msgspec.structs.replace(refused, hold_s=hold_s) if refused is not None and hold_s else result
        return result

    async def _noted(self, repetitions: Repetitions, submission: Submission, refused: Rejected | None) -> float:
        try:
            return await repetitions.note(submission, refused)
        except Exception:
            # What was stored must be answered for, whatever is wrong with the watch over repeats.
            log.exception("repetition_not_noted", client_address=submission.client.address)
            return 0.0

    async def _decide(self, submission: Submission) -> Receipt | Rejected:
        now = self._clock()
        submission = _without_doubles(submission)
        message_id = self._ids.next(now, _partition_for(now))
        domain = await self._domains.get(submission.principal.domain_id)
        if domain is None:
            return await self._refuse(submission, _domain_gone(submission), message_id, now)
        domain = domain_for(domain, submission.client.channel)
        verdict = await self._admit(submission, self._facts_for(domain, message_id, now, submission.faults))
        if isinstance(verdict, Admitted) and verdict.options.template is not None:
            verdict = await self._with_template(submission, verdict, domain, now)
        match verdict:
            case Rejected():
                return await self._refuse(submission, verdict, message_id, now)
            case Admitted():
                accepted = self._rows(submission, verdict, domain, message_id, now)
                noticed_by = await self._repeatable(submission, verdict, domain, now)
                if noticed_by is not None:
                    accepted = msgspec.structs.replace(accepted, repeatable=noticed_by)
                stored = await self._store_where_allowed(submission, accepted, domain)
                if isinstance(stored, Rejected):
                    return await self._refuse(submission, stored, message_id, now)
                if stored is not None:
                    message_id = await self._tell_of_repeats(stored, accepted)
                waited_ms = self._clock() - submission.received_at
                self._meter.accepted(submission.client.channel, len(submission.envelope.recipients), waited_ms)
                return Receipt(message_id)

    async def note_rejected(self, submission: Submission, rejected: Rejected, size: int) -> None:
        """Record a refusal that was given before the content was looked at; ``size`` is what was announced of it."""
        now = self._clock()
        await self._refuse(submission, rejected, self._ids.next(now, _partition_for(now)), now, size)

    async def _admit(self, submission: Submission, facts: AdmissionFacts) -> Admitted | Rejected:
        if len(submission.content) <= _LARGEST_INLINE:
            return admit(submission, facts)
        return await asyncio.to_thread(admit, submission, facts)

    async def _with_template(
        self, submission: Submission, admitted: Admitted, domain: SendingDomain, now: int
    ) -> Admitted | Rejected:
        assert self._templates is not None, "a message names a template where there are none"
        recipients = [one.forward_path for one in submission.envelope.recipients]
        frozen = await self._templates.freeze(domain, admitted, recipients, now)
        if isinstance(frozen, Rejected):
            named_by = submission.option_sources.get("template", "X-OV-Template")
            return msgspec.structs.replace(frozen, text=f"{named_by}: {frozen.text}")
        assert frozen.template is not None
        made = f"made of template {frozen.template.name}, version {frozen.template.version}"
        return msgspec.structs.replace(admitted, options=frozen, edits=(*admitted.edits, made))

    async def _store_where_allowed(
        self, submission: Submission, accepted: Accepted, domain: SendingDomain
    ) -> Repeats | Rejected | None:
        paused = pause_refusal(domain)
        if paused is not None:
            known = await self._known(accepted)
            return _key_reused(known) if known is not None and not _new(accepted, known) else paused
        demands = demands_of(submission.principal, domain, accepted.message.accepted_at)
        return await (self._store_within(demands, accepted) if demands else self._store(accepted))

    async def _store_within(self, demands: Sequence[Demand], accepted: Accepted) -> Repeats | Rejected | None:
        """Store a message that its sender's limits have room for; returns the refusal where they have not.

        What was accepted before needs no room: a client that missed the reply must get it again.
        """
        count = len(accepted.deliveries)
        full = await self._database.write(quotas.take, demands, count)
        if full is not None:
            known = await self._known(accepted)
            if known is None:
                return over_quota(full, count)
            count = _new(accepted, known)
            if not count:
                return _key_reused(known)
            full = await self._database.write(quotas.take, demands, count)
            if full is not None:
                return over_quota(full, count)
        try:
            stored = await self._store(accepted)
        except BaseException:
            await self._database.write(quotas.give_back, demands, count)
            raise
        unused = count if isinstance(stored, Rejected) else count - _new(accepted, stored)
        if unused:
            await self._database.write(quotas.give_back, demands, unused)
        return stored

    async def _known(self, accepted: Accepted) -> Repeats | None:
        """Return what of a message was accepted before: asked only where it cannot be stored, as storing finds out too."""
        offered = accepted.repeatable
        if offered is None:
            return None
        firsts = await self._database.read(dedupe.known, offered.keys, accepted.message.accepted_at)
        return sorted_out([accepted], firsts)[0]

    async def _repeatable(
        self, submission: Submission, admitted: Admitted, domain: SendingDomain, now: int
    ) -> Repeatable | None:
        recipients = [one.forward_path for one in submission.envelope.recipients]

        def noticed_by() -> Repeatable | None:
            return repeatable(
                admitted,
                domain.settings,
                asked=submission.options if isinstance(submission.options, Options) else NO_OPTIONS,
                domain_id=domain.id,
                reverse_path=submission.envelope.reverse_path,
                recipients=recipients,
                now=now,
            )

        return noticed_by() if len(admitted.content) <= _LARGEST_INLINE else await asyncio.to_thread(noticed_by)

    async def _tell_of_repeats(self, repeats: Repeats, accepted: Accepted) -> int:
        """Write into the first messages' stories that they came again; returns the id to answer with."""
        now = accepted.message.accepted_at
        events = []
        for delivery in accepted.deliveries:
            first = repeats.firsts.get(delivery.id)
            if first is not None:
                events.append(
                    Event(
                        id=self._ids.next(now, partition_of(first.message_id)),
                        type=EventType.DEDUPLICATED,
                        at=now,
                        account_id=delivery.account_id,
                        domain_id=delivery.domain_id,
                        message_id=first.message_id,
                        delivery_id=first.delivery_id,
                        recipient=delivery.recipient,
                        data={
                            "first_message": text_of(first.message_id),
                            "client_address": accepted.message.client_address,
                        },
                    )
                )
        await self._database.append_events(events)
        if len(repeats.firsts) < len(accepted.deliveries):
            return accepted.message.id
        return next(iter(repeats.firsts.values())).message_id

    async def _store(self, accepted: Accepted) -> Repeats | Rejected | None:
        is_due = accepted.deliveries[0].due_at <= accepted.message.accepted_at
        ready = self._ready if is_due else None
        lease = ready.reserve(accepted.deliveries) if ready else None
        if ready is None or lease is None:
            return _key_reused((await self._database.accept(accepted)).repeats)
        leased = _under(lease, accepted)
        try:
            stored = await self._database.accept(leased)
        except StorageError:
            ready.withdraw(leased)
            raise
        if stored.accepted is not None:
            ready.hand_over(stored.accepted)
        return _key_reused(stored.repeats)

    async def _refuse(
        self, submission: Submission, rejected: Rejected, event_id: int, now: int, size: int | None = None
    ) -> Rejected:
        self._meter.rejected(rejected.rule)
        size = len(submission.content) if size is None else size
        await self._database.append_events([_rejection(submission, rejected, event_id, now, size)])
        return rejected

    def _rows(
        self, submission: Submission, admitted: Admitted, domain: SendingDomain, message_id: int, now: int
    ) -> Accepted:
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
        is_transactional = domain.settings.is_transactional
        deliveries = self._deliveries(submission, message, admitted.options, is_transactional=is_transactional)
        return Accepted(
            message=message,
            content=admitted.content,
            deliveries=deliveries,
            events=tuple(self._accepted_event(submission, admitted, delivery) for delivery in deliveries),
        )

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
                due_at=due_at,
                expires_at=expires_at,
                accepted_at=now,
                notify=recipient.notify,
                original_recipient=recipient.original_recipient,
                options=_delivery_options(options, recipient.forward_path, is_transactional=is_transactional),
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
        )


def _without_doubles(submission: Submission) -> Submission:
    """Return a submission that names each recipient once: somebody who is written twice gets one copy.

    Addresses are compared as for repeats and suppressions: RFC 5321 §2.4 lets local parts differ by case, and warns of
    it in the same breath.
    """
    recipients = submission.envelope.recipients
    if len(recipients) == 1:
        return submission
    distinct: dict[str, Recipient] = {}
    for recipient in recipients:
        distinct.setdefault(comparable(recipient.forward_path), recipient)
    left_out = len(recipients) - len(distinct)
    if not left_out:
        return submission
    return msgspec.structs.replace(
        submission,
        envelope=msgspec.structs.replace(submission.envelope, recipients=tuple(distinct.values())),
        option_notes=(*submission.option_notes, f"recipients named again and left out: {left_out}"),
    )


def _key_reused(repeats: Repeats | None) -> Repeats | Rejected | None:
    if repeats is None or not repeats.is_reused:
        return repeats
    first = next(iter(repeats.firsts.values()))
    return Rejected(
        "idempotency_key_reused",
        "5.6.0",
        f"The idempotency key was used for another content, message {text_of(first.message_id)}; take a new key.",
    )


def _new(accepted: Accepted, repeats: Repeats | None) -> int:
    """Return how many deliveries of a message are no repeats."""
    if repeats is None:
        return len(accepted.deliveries)
    return 0 if repeats.is_reused else len(accepted.deliveries) - len(repeats.firsts)


def _kept_days(domain: SendingDomain, options: Options) -> int:
    """Return how long a message's content is kept: in test mode long enough to look at what it came to."""
    kept = domain.settings.keep_content_days
    return max(kept, _KEPT_TEST_DAYS) if options.is_test else kept


def _without_recipient_variables(options: Options) -> Options:
    """Return what the message keeps: each delivery has its own slice of the rest."""
    if options.recipient_variables is None:
        return options
    return msgspec.structs.replace(options, recipient_variables=None)


def _delivery_options(options: Options, recipient: str, *, is_transactional: bool) -> DeliveryOptions:
    if options is NO_OPTIONS:
        return TRANSACTIONAL_DELIVERY if is_transactional else PLAIN_DELIVERY
    variables = options.recipient_variables
    taken = DeliveryOptions(
        tags=options.tags,
        variables=None if variables is None else variables.get(comparable(recipient), {}),
        tls=options.tls,
        is_test=options.is_test or False,
        is_transactional=is_transactional,
    )
    return PLAIN_DELIVERY if taken == PLAIN_DELIVERY else taken


def _under(lease: Lease, accepted: Accepted) -> Accepted:
    deliveries = tuple(
        msgspec.structs.replace(delivery, state=DeliveryState.LEASED, lease=lease) for delivery in accepted.deliveries
    )
    return msgspec.structs.replace(accepted, deliveries=deliveries)


def _partition_for(now: int) -> int:
    # A multiplicative hash spreads neighbouring spans over all partitions (Knuth, TAOCP 3 §6.4).
    return (now // _PARTITION_SPAN_MS * 2_654_435_761 >> 16) % PARTITIONS


def _domain_gone(submission: Submission) -> Rejected:
    name = submission.principal.sending_domain
    return Rejected("domain_unknown", "5.7.1", f"The sending domain {name} no longer exists; use another SMTP user.")


def _rejection(submission: Submission, rejected: Rejected, event_id: int, now: int, size: int) -> Event:
    return Event(
        id=event_id,
        type=EventType.REJECTED,
        at=now,
        account_id=submission.principal.account_id,
        domain_id=submission.principal.domain_id,
        data={
            "rule": rejected.rule,
            "enhanced_status": rejected.enhanced_status,
            "text": rejected.text,
            "reverse_path": submission.envelope.reverse_path,
            "recipients": [recipient.forward_path for recipient in submission.envelope.recipients[:20]],
            "recipient_count": len(submission.envelope.recipients),
            "size": size,
            "client_address": submission.client.address,
            "username": submission.principal.username,
        },
    )
