"""Statistics: the counters of a span of hours, added up over domains, with what is not folded yet.

What a span holds of four weeks and of days as a whole is read from their counters and only what is left at its ends from
the hourly ones, so that the sums of a year read little, and agree with those of its hours.
"""

from collections.abc import Collection, Iterator, Sequence

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, Select, Subquery, case, func, literal, select, union_all

from postroad.storage.counters import EXPIRED, HOURS_OF_DAY, HOURS_OF_FOUR_WEEKS, Dimension, Period
from postroad.storage.schema.data_plane import counter_deltas, counters_daily, counters_four_weekly, counters_hourly


class Hours(msgspec.Struct, frozen=True):
    """A span of hours, or of longer periods, since 1970-01-01 UTC."""

    since: int
    until: int
    """Up to, but not at, this one."""


class Sum(msgspec.Struct, frozen=True):
    """How many events of a type fell into a period."""

    period: int
    """Hours or days since 1970-01-01 UTC."""
    key: str
    """In what they are counted by."""
    type: str
    count: int


def read_series(
    connection: Connection,
    dimension: Dimension,
    period: Period,
    hours: Hours,
    domain_ids: Collection[int] | None,
    *,
    without: Collection[str] = (),
) -> list[Sum]:
    """Return the sums of every hour or day of a span that has any, oldest first, ``without`` some types of events.

    By days, the span is widened to whole ones.
    """
    if period is Period.HOUR:
        arms = [_folded(dimension, 1, hours, domain_ids)]
        hour_of = counter_deltas.c.hour.label("period")
    else:
        days = Hours(hours.since // HOURS_OF_DAY, -(-hours.until // HOURS_OF_DAY))
        arms = [_folded(dimension, HOURS_OF_DAY, days, domain_ids)]
        hours = Hours(days.since * HOURS_OF_DAY, days.until * HOURS_OF_DAY)
        hour_of = (counter_deltas.c.hour // literal(HOURS_OF_DAY)).label("period")
    return _sums(connection, [*arms, *_unfolded(dimension, hours, domain_ids, hour_of)], without)


def read_parts(
    connection: Connection,
    dimension: Dimension,
    starts: Sequence[int],
    until: int,
    domain_ids: Collection[int] | None,
    *,
    without: Collection[str] = (),
) -> list[Sum]:
    """Return the sums of every part of a span that has any; ``period`` is the number of a part.

    A part begins with each of the hours ``starts``, and the last one ends before ``until``. They are added up where they are
    stored: three months by hours are twenty times as many rows as by days.
    """
    hours = Hours(starts[0], until)
    folded = _folded(dimension, 1, hours, domain_ids, _part_of(counters_hourly.c.hour, starts, until))
    unfolded = _unfolded(dimension, hours, domain_ids, _part_of(counter_deltas.c.hour, starts, until).label("period"))
    return _sums(connection, [folded, *unfolded], without)


def _part_of(hour: Column[int], starts: Sequence[int], until: int) -> ColumnElement[int]:
    """Return the number of the part that an hour is in: one division for days in a row of 24 hours."""
    edges, first = [*starts, until], 0
    ends: list[ColumnElement[bool]] = []
    numbers: list[ColumnElement[int]] = []
    while first < len(starts):
        after = first
        while after < len(starts) and edges[after + 1] - edges[after] == HOURS_OF_DAY:
            after += 1
        if after > first:
            numbers.append(literal(first) + (hour - literal(edges[first])) // literal(HOURS_OF_DAY))
        else:
            # What is left of a day, or one in which the clock is changed.
            numbers.append(literal(first))
        first = max(after, first + 1)
        ends.append(hour < literal(edges[first]))
    return case(*zip(ends[:-1], numbers[:-1], strict=True), else_=numbers[-1]) if numbers[1:] else numbers[0]


def _sums(connection: Connection, arms: Sequence["_Arm"], without: Collection[str]) -> list[Sum]:
    both = _together(arms)
    key = (both.c.period, both.c.key, both.c.type)
    query = select(*key, func.sum(both.c.count)).where(both.c.type.not_in(without)).group_by(*key).order_by(*key)
    return [Sum(at, of, kind, int(count)) for at, of, kind, count in connection.execute(query)]


def read_keys(
    connection: Connection, dimension: Dimension, hours: Hours, domain_ids: Collection[int] | None, limit: int
) -> dict[str, dict[str, int]]:
    """Return how many events of each type a span has by each key of a dimension, the keys with most of them first.

    Tags are in small letters, as they are compared; a message with two tags counts for both. ``FURTHER`` stands for the keys
    that an hour had no room for; for as long as they are not folded they stand there on their own.
    """
    arms = [_folded(dimension, length, part, domain_ids) for length, part in cut(hours)]
    both = _together([*arms, *_unfolded(dimension, hours, domain_ids, counter_deltas.c.hour.label("period"))])
    total = func.sum(both.c.count)
    sums = select(both.c.key, both.c.type, total.label("count")).group_by(both.c.key, both.c.type).cte("sums")
    most = func.sum(sums.c.count).label("most")
    ranks = select(sums.c.key, most).group_by(sums.c.key).order_by(most.desc(), sums.c.key).limit(limit).cte("ranks")
    query = select(sums.c.key, sums.c.type, sums.c.count).join_from(ranks, sums, ranks.c.key == sums.c.key)
    keys: dict[str, dict[str, int]] = {}
    for key, kind, count in connection.execute(query.order_by(ranks.c.most.desc(), ranks.c.key, sums.c.type)):
        keys.setdefault(key, {})[kind] = int(count)
    return keys


def cut(hours: Hours, lengths: Sequence[int] = (HOURS_OF_FOUR_WEEKS, HOURS_OF_DAY, 1)) -> Iterator[tuple[int, Hours]]:
    """Yield what a span is made of, in as few counters as can be: their length in hours, and which of them."""
    length, *shorter = lengths
    since, until = -(-hours.since // length), hours.until // length
    if since < until:
        yield length, Hours(since, until)
        rest = [Hours(hours.since, since * length), Hours(until * length, hours.until)]
    else:
        rest = [hours]
    for part in rest:
        if shorter and part.since < part.until:
            yield from cut(part, shorter)


_Arm = Select[tuple[int, str, str, int]]
_COUNTERS = {
    1: (counters_hourly, counters_hourly.c.hour),
    HOURS_OF_DAY: (counters_daily, counters_daily.c.day),
    HOURS_OF_FOUR_WEEKS: (counters_four_weekly, counters_four_weekly.c.four_weeks),
}
"""What is counted by so many hours."""


def _folded(
    dimension: Dimension,
    length: int,
    which: Hours,
    domain_ids: Collection[int] | None,
    shown: ColumnElement[int] | None = None,
) -> _Arm:
    table, period = _COUNTERS[length]
    of = table.c
    query = select((period if shown is None else shown).label("period"), of.key, of.type, of.count)
    query = query.where(of.dimension == dimension.value, period >= which.since, period < which.until)
    return query.where(*_of_domains(of.domain_id, domain_ids))


def _unfolded(
    dimension: Dimension, hours: Hours, domain_ids: Collection[int] | None, period: ColumnElement[int]
) -> Iterator[_Arm]:
    of = counter_deltas.c
    mine = _of_domains(of.domain_id, domain_ids)
    for key, condition in _keys_of_deltas(dimension):
        query = select(period, key.label("key"), of.type, of.count).where(condition, *mine)
        yield query.where(of.hour >= hours.since, of.hour < hours.until)


def _keys_of_deltas(dimension: Dimension) -> Iterator[tuple[ColumnElement[str], ColumnElement[bool]]]:
    """Yield what deltas are counted under in a dimension, each with which of them are; folding does the same."""
    of = counter_deltas.c
    match dimension:
        case Dimension.ALL:
            yield of.key, of.dimension == Dimension.ALL.value
            yield literal(EXPIRED), of.is_expired
        case Dimension.TAG:
            yield of.key, of.dimension == Dimension.TAG.value
        case Dimension.DESTINATION:
            yield of.destination, of.destination != ""
        case Dimension.BOUNCE_CLASS:
            yield of.bounce_class, of.bounce_class != ""


def _of_domains(column: Column[int], domain_ids: Collection[int] | None) -> list[ColumnElement[bool]]:
    return [] if domain_ids is None else [column.in_(domain_ids)]


def _together(arms: Sequence[_Arm]) -> Subquery:
    return union_all(*arms).subquery()
