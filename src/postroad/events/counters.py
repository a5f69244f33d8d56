"""Counters for people: totals of events by type for each hour or day, with what is not folded yet."""

from collections.abc import Collection, Iterable

import msgspec

from postroad.storage import counters
from postroad.storage.counters import Count, Period
from postroad.storage.database import Database

LENGTH_MS = {Period.HOUR: 3_600_000, Period.DAY: 86_400_000}


class Totals(msgspec.Struct, frozen=True):
    """How many events of each type fell into one hour or day."""

    begins_at: int
    by_type: dict[str, int]


async def totals(
    database: Database,
    period: Period,
    since: int,
    until: int,
    domain_ids: Collection[int] | None = None,
    *,
    tag: str | None = None,
) -> list[Totals]:
    """Return the totals of every hour or day that has any, from the one ``since`` lies in to the one of ``until``."""
    length = LENGTH_MS[period]
    counts = await database.read(counters.read_of, period, since // length, until // length + 1, domain_ids, tag=tag)
    return summed(counts, length)


def summed(counts: Iterable[Count], length_ms: int) -> list[Totals]:
    """Add up counts over domains, oldest period first."""
    periods: dict[int, dict[str, int]] = {}
    for count in counts:
        by_type = periods.setdefault(count.period, {})
        by_type[count.type] = by_type.get(count.type, 0) + count.count
    return [Totals(period * length_ms, periods[period]) for period in sorted(periods)]
