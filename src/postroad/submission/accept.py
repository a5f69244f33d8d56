"""Step 2 to 4 of the flow: a submission is admitted, becomes rows, and is answered after the synced commit."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from postroad.model.credential import Principal
from postroad.model.dedupe import Repeatable, Repeats
from postroad.model.delivery import Delivery, DeliveryState, Lease
from postroad.model.domain import SendingDomain
from postroad.model.envelope import Recipient
from postroad.model.event import Event, EventType
from postroad.model.ids import PARTITIONS, IdSource
from postroad.model.message import Accepted
from postroad.model.options import NO_OPTIONS, Options
from postroad.model.submission import Admitted, Rejected, Submission
from postroad.net.clock import Clock
from postroad.policy.admission import AdmissionFacts, admit, domain_for, pause_refusal, shown_subject
from postroad.policy.dedupe import repeatable, sorted_out
from postroad.policy.explanation import ExplainedCall
from postroad.policy.quota import Demand, demands_of, over_quota
from postroad.policy.suppression import comparable
from postroad.protocol.mime.header import HeaderFault, split
from postroad.protocol.smtp.data import LONGEST_LINE, Fault
from postroad.storage import dedupe, messages, quotas
from postroad.storage.database import Database
from postroad.storage.errors import CallRepeated, KeyReused, StorageError
from postroad.storage.outage import log_fault
from postroad.storage.rows import storable
from postroad.submission.batch import (
    Fit,
    Receipt,
    Refusals,
    Turned,
    key_reused,
    new_deliveries,
    sent_together,
    unless_reused,
)
from postroad.submission.explaining import explained
from postroad.submission.named_calls import NamedCalls, answered_together
from postroad.submission.repetitions import Repetitions
from postroad.submission.rows import Rows, repeat_event
from postroad.submission.settings import SubmissionSettings

_PARTITION_SPAN_MS = 16
"""Messages of one such span share a partition, so that a batch is one partition's transaction (decision 0002)."""
_MOST_FAULTS = 100
"""Copies of one message that cannot be made, as somebody is told who only looks."""
_LOOKED_AT_IN_A_ROW = 8
"""Of submissions that come together; after so many others of the event loop have their turn."""
_LARGEST_INLINE = 262_144
"""Larger content is looked at in a thread, so that other sessions go on meanwhile."""


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
        self, domain: SendingDomain, admitted: Admitted, recipients: Sequence[str], now: int, *, most_faults: int = 1
    ) -> Admitted | Rejected:
        """Return a message that names a template, with what it will be rendered from, or why it cannot be."""


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
        self._rows = Rows(ids, settings)
        self._templates = templates
        self._repetitions = repetitions
        self._named_calls = NamedCalls(database, ids, clock)

    async def submit(self, submission: Submission) -> Receipt | Rejected:
        """Accept or refuse one submission.

        Returns only after the message, its body, deliveries and events are committed and synced.

        Raises:
            StorageError: it may or may not have been stored; the client may try again.
        """
        return await self._watched(submission, await self._decide(submission))

    async def submit_all(
        self, submissions: Sequence[Submission], *, is_kept: bool = True
    ) -> tuple[Receipt, ...] | Refusals:
        """Accept all of several submissions to one sending domain, in one commit, or none of them.

        Args:
            submissions: What is offered together.
            is_kept: False looks whether they would be accepted, and stores nothing.

        Returns:
            A receipt for each, or what is said of each that is refused; none where nothing is to be kept.

        Raises:
            StorageError: it may or may not have been stored; the client may try again.
        """
        call = submissions[0].call
        if call is None:
            return await self._all_or_none(submissions, is_kept=is_kept)
        async with self._named_calls.alone(call):
            repeated = await self._answered_before(submissions[0])
            if repeated is not None:
                return repeated
            try:
                return await self._all_or_none(submissions, is_kept=is_kept)
            except CallRepeated:
                # The same call came to another worker, which was quicker: it also met the limits first.
                repeated = await self._answered_before(submissions[0])
                if repeated is None:
                    raise
                return repeated

    async def _all_or_none(self, submissions: Sequence[Submission], *, is_kept: bool) -> tuple[Receipt, ...] | Refusals:
        looked_at = await self._look_at_all(submissions)
        fit = [one for one in looked_at if isinstance(one, Fit)]
        if len(fit) < len(looked_at):
            turned = {place: one for place, one in enumerate(looked_at) if isinstance(one, Turned)}
            for one in turned.values():
                await self._refuse(one)
            return Refusals({place: one.rejected for place, one in turned.items()})
        if not is_kept:
            paused = pause_refusal(fit[0].domain)
            return () if paused is None else Refusals({0: paused})
        stored = await self._stored(answered_together(sent_together(fit)))
        return Refusals({0: stored}) if isinstance(stored, Rejected) else stored

    async def _answered_before(self, submission: Submission) -> tuple[Receipt, ...] | Refusals | None:
        """Return the answer to the named call that a submission is of, where it was answered before."""
        known = await self._named_calls.answer(submission)
        if isinstance(known, Rejected):
            now = self._clock()
            event_id = self._ids.next(now, _partition_for(now))
            return Refusals({0: await self._refuse(Turned(submission, known, event_id, now))})
        if known is not None:
            await self._named_calls.note_repeat(submission, known)
        return known

    async def explain(self, submissions: Sequence[Submission]) -> ExplainedCall:
        """Return what would become of submissions; nothing is stored or counted, not even that one is refused."""
        answer = None if submissions[0].call is None else await self._named_calls.answer(submissions[0])
        looked_at = await self._look_at_all(submissions, most_faults=_MOST_FAULTS)
        repeats = await self._known([one.accepted for one in looked_at if isinstance(one, Fit)])
        return await explained(self._database, looked_at, repeats, answer)

    async def _watched(self, submission: Submission, result: Receipt | Rejected) -> Receipt | Rejected:
        refused = result if isinstance(result, Rejected) else None
        if self._repetitions and self._repetitions.concerns(submission, is_refused=refused is not None):
            hold_s = await self._noted(self._repetitions, submission, refused)
            return msgspec.structs.replace(refused, hold_s=hold_s) if refused is not None and hold_s else result
        return result

    async def _noted(self, repetitions: Repetitions, submission: Submission, refused: Rejected | None) -> float:
        try:
            return await repetitions.note(submission, refused)
        except Exception as error:  # noqa: BLE001 - logged
            # What was stored must be answered for, whatever is wrong with the watch over repeats.
            log_fault("repetition_not_noted", error, client_address=submission.client.address)
            return 0.0

    async def _decide(self, submission: Submission) -> Receipt | Rejected:
        looked_at = await self._look_at(submission)
        if isinstance(looked_at, Turned):
            return await self._refuse(looked_at)
        stored = await self._stored((looked_at,))
        return stored if isinstance(stored, Rejected) else stored[0]

    async def _look_at_all(self, submissions: Sequence[Submission], *, most_faults: int = 1) -> list[Fit | Turned]:
        looked_at: list[Fit | Turned] = []
        for number, submission in enumerate(submissions, 1):
            looked_at.append(await self._look_at(submission, most_faults))
            if number % _LOOKED_AT_IN_A_ROW == 0:
                await asyncio.sleep(0)
        return looked_at

    async def _look_at(self, submission: Submission, most_faults: int = 1) -> Fit | Turned:
        """Admit one submission and return its rows, or why it is refused."""
        now = self._clock()
        submission = _without_doubles(submission)
        message_id = self._ids.next(now, _partition_for(now))
        domain = await self._domains.get(submission.principal.domain_id)
        if domain is None:
            return Turned(submission, _domain_gone(submission), message_id, now)
        domain = domain_for(domain, submission.client.channel)
        verdict = await self._admit(submission, self._facts_for(domain, message_id, now, submission.faults))
        if isinstance(verdict, Admitted) and verdict.options.template is not None:
            verdict = await self._with_template(submission, verdict, domain, now, most_faults)
        match verdict:
            case Rejected():
                return Turned(submission, verdict, message_id, now)
            case Admitted():
                accepted = self._rows.of(submission, verdict, domain, message_id, now)
                noticed_by = None
                if submission.call is None:
                    noticed_by = await self._repeatable(submission, verdict, domain, now)
                if noticed_by is not None:
                    accepted = msgspec.structs.replace(accepted, repeatable=noticed_by)
                return Fit(submission, domain, accepted)

    async def _stored(self, fit: Sequence[Fit]) -> tuple[Receipt, ...] | Rejected:
        """Store what was found fit, all of it or nothing; returns the answers."""
        submission, domain = fit[0].submission, fit[0].domain
        batch = [one.accepted for one in fit]
        repeats = await self._store_where_allowed(submission.principal, batch, domain)
        if isinstance(repeats, Rejected):
            if submission.call is not None and await self._named_calls.is_answered_meanwhile(submission):
                # What leaves no room may be this call itself.
                raise CallRepeated
            message = batch[0].message
            return await self._refuse(Turned(submission, repeats, message.id, message.accepted_at))
        receipts = []
        for one, repeated in zip(fit, repeats, strict=True):
            message = one.accepted.message
            receipt = Receipt(message.id, message.message_id_header)
            if repeated is not None:
                receipt = await self._tell_of_repeats(repeated, one.accepted)
            receipts.append(receipt)
            waited_ms = self._clock() - submission.received_at
            recipients = len(one.submission.envelope.recipients)
            self._meter.accepted(submission.client.channel, recipients, waited_ms)
        return tuple(receipts)

    async def note_rejected(self, submission: Submission, rejected: Rejected, size: int) -> None:
        """Record a refusal that was given before the content was looked at; ``size`` is what was announced of it."""
        now = self._clock()
        await self._refuse(Turned(submission, rejected, self._ids.next(now, _partition_for(now)), now), size)

    async def _admit(self, submission: Submission, facts: AdmissionFacts) -> Admitted | Rejected:
        if len(submission.content) <= _LARGEST_INLINE:
            return admit(submission, facts)
        return await asyncio.to_thread(admit, submission, facts)

    async def _with_template(
        self, submission: Submission, admitted: Admitted, domain: SendingDomain, now: int, most_faults: int
    ) -> Admitted | Rejected:
        assert self._templates is not None, "a message names a template where there are none"
        recipients = [one.forward_path for one in submission.envelope.recipients]
        frozen = await self._templates.freeze(domain, admitted, recipients, now, most_faults=most_faults)
        if isinstance(frozen, Rejected):
            named_by = submission.option_sources.get("template", "X-OV-Template")
            return msgspec.structs.replace(frozen, text=f"{named_by}: {frozen.text}")
        template = frozen.options.template
        assert template is not None
        made = f"made of template {template.name}, version {template.version}"
        return msgspec.structs.replace(frozen, edits=(*frozen.edits, made))

    async def _store_where_allowed(
        self, principal: Principal, batch: Sequence[Accepted], domain: SendingDomain
    ) -> Sequence[Repeats | None] | Rejected:
        paused = pause_refusal(domain)
        if paused is not None:
            known = await self._known(batch)
            return paused if new_deliveries(batch, known) else unless_reused(known)
        demands = demands_of(principal, domain, batch[0].message.accepted_at)
        return await (self._store_within(demands, batch) if demands else self._store(batch))

    async def _store_within(
        self, demands: Sequence[Demand], batch: Sequence[Accepted]
    ) -> Sequence[Repeats | None] | Rejected:
        """Store messages that their sender's limits have room for; returns the refusal where they have not.

        What was accepted before needs no room: a client that missed the reply must get it again.
        """
        count = sum(len(one.deliveries) for one in batch)
        full = await self._database.write(quotas.take, demands, count)
        if full is not None:
            known = await self._known(batch)
            new = new_deliveries(batch, known)
            if new == count:
                return over_quota(full, count)
            count = new
            if not count:
                return unless_reused(known)
            full = await self._database.write(quotas.take, demands, count)
            if full is not None:
                return over_quota(full, count)
        try:
            stored = await self._store(batch)
        except BaseException:
            await self._database.write(quotas.give_back, demands, count)
            raise
        unused = count if isinstance(stored, Rejected) else count - new_deliveries(batch, stored)
        if unused:
            await self._database.write(quotas.give_back, demands, unused)
        return stored

    async def _known(self, batch: Sequence[Accepted]) -> Sequence[Repeats | None]:
        """Return what of messages was accepted before: asked only where they cannot be stored, as storing finds out too."""
        keys = [key for one in batch if one.repeatable is not None for key in one.repeatable.keys]
        if not keys:
            return [None] * len(batch)
        firsts = await self._database.read(dedupe.known, keys, batch[0].message.accepted_at)
        return sorted_out(batch, firsts)

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

    async def _tell_of_repeats(self, repeats: Repeats, accepted: Accepted) -> Receipt:
        """Write into the first messages' stories that they came again; returns the answer."""
        now = accepted.message.accepted_at
        events = []
        for delivery in accepted.deliveries:
            first = repeats.firsts.get(delivery.id)
            if first is not None:
                place = (first.message_id, first.delivery_id)
                events.append(repeat_event(self._ids, now, delivery, place, accepted.message.client_address))
        await self._database.append_events(events)
        own = Receipt(accepted.message.id, accepted.message.message_id_header)
        if len(repeats.firsts) < len(accepted.deliveries):
            return own
        message_id = next(iter(repeats.firsts.values())).message_id
        known = await self._database.read(messages.get_many, [message_id])
        # What the first message was called is forgotten once it was removed.
        return Receipt(
            message_id, known[message_id].message_id_header if message_id in known else own.message_id_header
        )

    async def _store(self, batch: Sequence[Accepted]) -> Sequence[Repeats | None] | Rejected:
        if len(batch) > 1:
            try:
                return [one.repeats for one in await self._database.accept_all(batch)]
            except KeyReused as error:
                return key_reused(error.repeats)
        [accepted] = batch
        first = accepted.deliveries[0]
        is_due = first.due_at <= accepted.message.accepted_at and first.state is DeliveryState.SCHEDULED
        ready = self._ready if is_due else None
        lease = ready.reserve(accepted.deliveries) if ready else None
        if ready is None or lease is None:
            return unless_reused([(await self._database.accept(accepted)).repeats])
        leased = _under(lease, accepted)
        try:
            stored = await self._database.accept(leased)
        except StorageError:
            ready.withdraw(leased)
            raise
        if stored.accepted is not None:
            ready.hand_over(stored.accepted)
        return unless_reused([stored.repeats])

    async def _refuse(self, turned: Turned, size: int | None = None) -> Rejected:
        submission, rejected = turned.submission, turned.rejected
        self._meter.rejected(rejected.rule)
        size = len(submission.content) if size is None else size
        await self._database.append_events([_rejection(submission, rejected, turned.event_id, turned.now, size)])
        return rejected


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
            "channel": submission.client.channel,
            "client_address": submission.client.address,
            "username": submission.principal.username,
            **_known_by(submission),
        },
        # Also where it is what the message asked for that is refused: an address inside is refused when it is called.
        callback=submission.options.callback if isinstance(submission.options, Options) else None,
    )


def _known_by(submission: Submission) -> dict[str, str]:
    """Return what a sender knows a refused message by, as far as its header came and can be read."""
    block = split(submission.content) if submission.block is None else submission.block
    if isinstance(block, HeaderFault):
        return {}
    message_id = block.first(b"message-id")
    found = {
        "message_id_header": block.text(message_id)[:LONGEST_LINE].decode("utf-8", "replace") if message_id else "",
        "subject": shown_subject(submission, block),
    }
    return {name: storable(value) for name, value in found.items() if value}
