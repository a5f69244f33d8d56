"""Statistics for people: what happened to the mail of some domains in a span, over time and by what tells it apart."""

from collections.abc import Collection, Iterable, Sequence
from datetime import tzinfo

import msgspec

from postroad.events.counters import LENGTH_MS, Totals, totals
from postroad.events.overview import SHOWN
from postroad.events.time_spans import HOUR_MS, Grain, Span, gathered, starts_of
from postroad.model.actor import Actor
from postroad.model.domain import SendingDomain
from postroad.model.event import EventType
from postroad.model.outcome import BounceClass
from postroad.policy.permission import require_sight
from postroad.storage import counters, domains, statistics
from postroad.storage.counters import EXPIRED, Dimension, Period
from postroad.storage.database import Database
from postroad.storage.rows import RETURNED, counted_as, unique
from postroad.storage.statistics import Sum

MOST_KEYS = 50
"""Tags and destinations that a page shows."""
MOST_KEYS_EXPORTED = 10_000
_WITH = {
    EventType.DELIVERED: (RETURNED,),
    EventType.BOUNCED: (EXPIRED,),
    EventType.OPENED: (
        unique(EventType.OPENED),
        counted_as(EventType.OPENED, "machine"),
        counted_as(EventType.OPENED, "proxy"),
    ),
    EventType.CLICKED: (unique(EventType.CLICKED), counted_as(EventType.CLICKED, "machine")),
}
KINDS = tuple(name for kind in EventType for name in (kind.value, *_WITH.get(kind, ())))
"""What is counted over time, in order: every type of event, of the deliveries those that came back, of the bounces those whose
time was over, and apart what machines and proxies opened and clicked; of what humans did, once more the first of each delivery."""
RESPONSES = frozenset(
    name
    for kind in (EventType.OPENED, EventType.CLICKED, EventType.UNSUBSCRIBED)
    for name in (kind.value, *_WITH.get(kind, ()))
)
"""What recipients did, of these."""
ALWAYS = tuple(kind.value for kind in SHOWN)
"""What is shown also where it did not happen."""
CLASSES = tuple(one.value for one in BounceClass)
_NOT_BOUNCED = frozenset({EventType.DEFERRED.value})
"""Events with a bounce class that end nothing."""


class Series(msgspec.Struct, frozen=True):
    """One line of a timeline: a count for each of its parts."""

    name: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self.counts)


class KeyTotals(msgspec.Struct, frozen=True):
    """How many events of each type there were with one tag, destination or bounce class."""

    key: str | None
    """Tags in small letters, as they are compared; None for all that an hour had no room for, together."""
    by_type: dict[str, int]


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """What happened when."""

    starts: tuple[int, ...]
    """When each part begins."""
    kinds: tuple[Series, ...]
    """By ``KINDS``; ``ALWAYS``, and what happened besides."""
    classes: tuple[Series, ...]
    """The bounces by class, those that there were; none where they were not asked for."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that the page of statistics shows."""

    span: Span
    timeline: Timeline
    classes: Sequence[KeyTotals]
    tags: Sequence[KeyTotals]
    destinations: Sequence[KeyTotals]
    has_accepted: bool
    """Whether any mail was ever accepted."""


class Statistics:
    """Answers people; what is not their account's is not counted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(
        self, actor: Actor, span: Span, zone: tzinfo, *, domain_id: int | None = None, by_class: bool = False
    ) -> Report:
        """Return the statistics of the actor's account or of one of its domains; by class, the bounces over time too."""
        mine = await self._domains(actor, domain_id)
        return Report(
            span=span,
            timeline=await self._timeline(span, zone, mine, by_class=by_class),
            classes=await totals_by(self._database, Dimension.BOUNCE_CLASS, span, mine, len(CLASSES)),
            tags=await totals_by(self._database, Dimension.TAG, span, mine, MOST_KEYS),
            destinations=await totals_by(self._database, Dimension.DESTINATION, span, mine, MOST_KEYS),
            has_accepted=await self._database.read(counters.has_any, mine, EventType.ACCEPTED.value),
        )

    async def timeline(self, actor: Actor, span: Span, zone: tzinfo, *, domain_id: int | None = None) -> Timeline:
        """Return what happened when in the actor's account or one of its domains."""
        return await self._timeline(span, zone, await self._domains(actor, domain_id), by_class=False)

    async def over_time(
        self,
        actor: Actor,
        period: Period,
        span: Span,
        *,
        targets: Collection[SendingDomain] | None = None,
        tag: str | None = None,
    ) -> list[Totals]:
        """Return the totals of each hour, or day of UTC, that has any: of some domains, else of the actor's account.

        They are by ``KINDS``; with a ``tag``, of its messages and by type alone.
        """
        if targets is None:
            mine = await self._domains(actor, None)
        else:
            for domain in targets:
                require_sight(actor, domain.account_id, f"sending domain {domain.name}")
            mine = [one.id for one in targets]
        if tag is None:
            return await totals_over_time(self._database, period, span, mine)
        return await totals(self._database, period, span.since, span.until - 1, mine, tag=tag)

    async def by(
        self, actor: Actor, dimension: Dimension, span: Span, *, domain_id: int | None = None
    ) -> list[KeyTotals]:
        """Return as many keys of a dimension as can be exported."""
        mine = await self._domains(actor, domain_id)
        return await totals_by(self._database, dimension, span, mine, MOST_KEYS_EXPORTED)

    async def _timeline(self, span: Span, zone: tzinfo, mine: Collection[int], *, by_class: bool) -> Timeline:
        starts = starts_of(span, zone)
        found = await self._series(Dimension.ALL, span, starts, mine)
        kinds = gathered(((at, kind_of(one), one.count) for at, one in found), starts)
        classes: dict[str, list[int]] = {}
        if by_class:
            bounced = await self._series(Dimension.BOUNCE_CLASS, span, starts, mine, without=_NOT_BOUNCED)
            classes = gathered(((at, one.key, one.count) for at, one in bounced), starts)
        nothing = [0] * len(starts)
        return Timeline(
            starts=starts,
            kinds=tuple(
                Series(name, tuple(kinds.get(name, nothing))) for name in KINDS if name in kinds or name in ALWAYS
            ),
            classes=tuple(Series(name, tuple(classes[name])) for name in CLASSES if name in classes),
        )

    async def _series(
        self,
        dimension: Dimension,
        span: Span,
        starts: Sequence[int],
        mine: Collection[int],
        *,
        without: Collection[str] = (),
    ) -> list[tuple[int, Sum]]:
        """Return the sums of the parts of a span, each with an instant in its part."""
        if span.grain is Grain.DAY:
            # An hour belongs to the day that it begins in.
            hours = [-(-at // HOUR_MS) for at in starts]
            parts = await self._database.read(
                statistics.read_parts, dimension, hours, span.hours.until, mine, without=without
            )
            return [(starts[one.period], one) for one in parts]
        period = Period.DAY if span.grain is Grain.UTC_DAY else Period.HOUR
        found = await self._database.read(statistics.read_series, dimension, period, span.hours, mine, without=without)
        return [(one.period * LENGTH_MS[period], one) for one in found]

    async def _domains(self, actor: Actor, domain_id: int | None) -> list[int]:
        if domain_id is None:
            return [domain.id for domain in await self._database.read(domains.list_all, actor.account_id)]
        domain = await self._database.read(domains.get, domain_id)
        require_sight(actor, None if domain is None else domain.account_id, "such domain")
        return [domain_id]


async def totals_by(
    database: Database, dimension: Dimension, span: Span, domain_ids: Collection[int] | None, limit: int
) -> list[KeyTotals]:
    """Return the totals of the keys of a dimension that most happened with; of all domains where None are named."""
    found = await database.read(statistics.read_keys, dimension, span.hours, domain_ids, limit)
    return [KeyTotals(key or None, by_type) for key, by_type in found.items()]


async def totals_over_time(
    database: Database, period: Period, span: Span, domain_ids: Collection[int] | None
) -> list[Totals]:
    """Return the totals of each hour, or day of UTC, that has any, by ``KINDS``; by days, of whole ones."""
    found = await database.read(statistics.read_series, Dimension.ALL, period, span.hours, domain_ids)
    periods: dict[int, dict[str, int]] = {}
    for one in found:
        periods.setdefault(one.period * LENGTH_MS[period], {})[kind_of(one)] = one.count
    return [Totals(begins_at, by_type) for begins_at, by_type in periods.items()]


def kind_of(one: Sum) -> str:
    """Return what a sum over time counts, in the words of ``KINDS``."""
    return one.key or one.type


def kinds_in(found: Iterable[dict[str, int]], always: Sequence[str] = ()) -> list[str]:
    """Return what happened, in order, with what is shown in any case."""
    seen = {name for by_type in found for name in by_type}
    return [name for name in KINDS if name in seen or name in always]


def bounced_of(by_type: dict[str, int]) -> int:
    """Return how many events of a bounce class were bounces."""
    return sum(count for kind, count in by_type.items() if kind not in _NOT_BOUNCED)
