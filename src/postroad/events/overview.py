"""The last 24 hours of an account at a glance, with what waits and what needs attention."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from postroad.events.counters import Totals, summed
from postroad.model.actor import Actor
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import EventType
from postroad.net.clock import Clock
from postroad.policy.attention import AttentionFacts, DeadWebhook, Note, Step, first_steps, notes
from postroad.policy.lockout import CREDENTIAL
from postroad.policy.permission import require_sight
from postroad.storage import (
    certificates,
    client_faults,
    counters,
    deliveries,
    domains,
    lockouts,
    smtp_users,
    webhook_standing,
)
from postroad.storage.counters import Period
from postroad.storage.database import Database
from postroad.storage.deliveries import Queue
from postroad.storage.rows import RETURNED

HOURS = 24
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_MOST_NAMES = 50
SHOWN = (
    EventType.ACCEPTED,
    EventType.DELIVERED,
    EventType.DEFERRED,
    EventType.BOUNCED,
    EventType.SUPPRESSED,
    EventType.COMPLAINED,
)
"""What the chart draws."""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """What the first page shows."""

    hours: tuple[Totals, ...]
    """The last 24 hours, oldest first, the present one last; each is there, also those in which nothing happened."""
    totals: dict[str, int]
    """Their sums by type; unique opens and clicks, and those by machines, besides."""
    queue: Queue
    notes: tuple[Note, ...]
    steps: tuple[Step, ...]
    """The first steps of a new account; empty once mail was accepted."""


class Overviews:
    """Answers people; what is not their account's is not counted."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, actor: Actor, *, domain_id: int | None = None) -> Overview:
        """Return the overview of the actor's account or one domain, or of everything for the installation's operator."""
        now = self._clock()
        mine = await self._domains(actor, domain_id)
        is_everything = actor.account_id is None and domain_id is None
        last_hour = now // _HOUR_MS
        counts = await self._database.read(
            counters.read_of,
            Period.HOUR,
            last_hour - HOURS + 1,
            last_hour + 1,
            None if is_everything else [domain.id for domain in mine],
        )
        hours = _every_hour(summed(counts, _HOUR_MS), last_hour)
        totals = dict.fromkeys((kind.value for kind in EventType), 0) | _sums(hours)
        queue = await self._database.read(deliveries.queue_of, actor.account_id, domain_id)
        facts = AttentionFacts(
            now=now,
            domains=tuple(mine),
            has_accepted=await self._has_accepted(mine),
            delivered=max(0, totals["delivered"] - totals.get(RETURNED, 0)),
            bounced=totals["bounced"],
            complained=totals["complained"],
            oldest_waiting_at=queue.oldest_at,
        )
        facts = await self._with_credentials(actor, facts, domain_id)
        facts = msgspec.structs.replace(facts, dead_webhooks=await self._dead_webhooks(mine))
        if actor.is_operator:
            facts = await self._with_installation(facts)
        return Overview(
            hours=hours,
            totals=totals,
            queue=queue,
            notes=tuple(notes(facts)),
            steps=() if facts.has_accepted else tuple(first_steps(facts)),
        )

    async def _domains(self, actor: Actor, domain_id: int | None) -> list[SendingDomain]:
        if domain_id is None:
            return await self._database.read(domains.list_all, actor.account_id)
        domain = await self._database.read(domains.get, domain_id)
        require_sight(actor, None if domain is None else domain.account_id, "such domain")
        return [] if domain is None else [domain]

    async def _has_accepted(self, mine: Sequence[SendingDomain]) -> bool:
        ids = [domain.id for domain in mine]
        return await self._database.read(counters.has_any, ids, EventType.ACCEPTED.value)

    async def _with_credentials(self, actor: Actor, facts: AttentionFacts, domain_id: int | None) -> AttentionFacts:
        users = await self._database.read(smtp_users.count_of, [domain.id for domain in facts.domains])
        selector = lockouts.Selector(
            account_id=actor.account_id, scopes=(CREDENTIAL,), domain_id=domain_id, locked_at=facts.now
        )
        locked = await self._database.read(lockouts.search, selector, _MOST_NAMES)
        # Names that nobody has are guessed at all the time, and are nobody's concern.
        names = tuple(one.subject for one in locked if one.account_id is not None)
        repeating = await self._database.read(
            client_faults.repeating, actor.account_id, facts.now - _DAY_MS, _MOST_NAMES, domain_id=domain_id
        )
        return msgspec.structs.replace(facts, has_smtp_user=users > 0, locked=names, repeating=tuple(repeating))

    async def _dead_webhooks(self, mine: Sequence[SendingDomain]) -> tuple[DeadWebhook, ...]:
        found = await self._database.read(webhook_standing.dead, [domain.id for domain in mine])
        return tuple(
            DeadWebhook(one.id, one.url, health.failing_since or health.paused_at or 0, health.last_error)
            for one, health in found
        )

    async def _with_installation(self, facts: AttentionFacts) -> AttentionFacts:
        vetting = await self._database.read(domains.list_in_state, DomainState.VETTING)
        certificate = await self._database.read(certificates.get)
        return msgspec.structs.replace(
            facts,
            waiting_for_vetting=tuple(domain.name for domain in vetting),
            certificate_ends_at=None if certificate is None else certificate.expires_at,
        )


def _sums(hours: Sequence[Totals]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for hour in hours:
        sums.update(hour.by_type)
    return sums


def _every_hour(found: Sequence[Totals], last_hour: int) -> tuple[Totals, ...]:
    by_start = {one.begins_at: one for one in found}
    starts = [hour * _HOUR_MS for hour in range(last_hour - HOURS + 1, last_hour + 1)]
    return tuple(by_start.get(start, Totals(start, {})) for start in starts)
