"""Spans of time that statistics are shown for, and the hours and days they are cut into."""

import enum
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo

import msgspec

from postroad.model.refused import RefusedError
from postroad.storage.statistics import Hours

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
PERIODS: Mapping[str, int] = {"24h": 1, "7d": 7, "30d": 30, "90d": 90, "1y": 365}
"""Days that end now, by the names that people choose them with."""
_MOST_BY_HOUR_MS = 8 * DAY_MS
_MOST_BY_DAY_MS = 92 * DAY_MS
"""So many days are made of hours, so that they can begin at anybody's midnight; daily counters know days of UTC alone."""
_LONGEST_MS = 1_100 * DAY_MS


class Grain(enum.Enum):
    """What a span is cut into."""

    HOUR = "hour"
    DAY = "day"
    """From midnight to midnight in the zone of whoever looks."""
    UTC_DAY = "utc-day"


class Span(msgspec.Struct, frozen=True):
    """Some hours; both ends are full hours of UTC in milliseconds."""

    since: int
    until: int
    """Up to, but not at, this instant."""

    @property
    def grain(self) -> Grain:
        """What it is cut into: the shorter, the finer."""
        length = self.until - self.since
        if length <= _MOST_BY_HOUR_MS:
            return Grain.HOUR
        return Grain.DAY if length <= _MOST_BY_DAY_MS else Grain.UTC_DAY

    @property
    def hours(self) -> Hours:
        """The same as numbers of hours."""
        return Hours(self.since // HOUR_MS, self.until // HOUR_MS)


def latest(period: str, now: int, zone: tzinfo) -> Span:
    """Return the span of ``PERIODS`` that ends with the present hour; of several days, the first begins at midnight.

    Raises ``RefusedError`` for a period of another name.
    """
    if period not in PERIODS:
        raise RefusedError(f"There is no period {period!r}: choose one of {', '.join(PERIODS)}.")
    days, until = PERIODS[period], _next_hour(now)
    if days == 1:
        return Span(until - DAY_MS, until)
    first_day = datetime.fromtimestamp(now / 1000, zone).date() - timedelta(days=days - 1)
    return _cut_to_hours(_instant(datetime.combine(first_day, time(), zone)), until)


def between(since: int, until: int) -> Span:
    """Return the hours that two instants lie in, and those between; refuses more than three years."""
    since, until = min(since, until), max(since, until)
    if until - since > _LONGEST_MS:
        raise RefusedError("Choose three years at most.")
    return _cut_to_hours(since, until)


def parse_instant(text: str, zone: tzinfo, *, is_end: bool) -> int:
    """Return the instant that a day or a time stands for; a day that ends a span belongs to it as a whole."""
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=zone) if at.tzinfo is None else at
        if is_end and len(text) == len("2026-11-21"):
            at += timedelta(days=1)
        return _instant(at)
    except (ValueError, OverflowError) as error:
        raise RefusedError(f"{text!r} is not a time: write 2026-11-21 or 2026-11-21T14:00Z.") from error


def text_of(instant: int) -> str:
    """Return an instant in the form that ``parse_instant`` reads."""
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")


def starts_of(span: Span, zone: tzinfo) -> tuple[int, ...]:
    """Return when each part of a span begins; the first one may be what is left of a day."""
    if span.grain is Grain.HOUR:
        return tuple(range(span.since, span.until, HOUR_MS))
    if span.grain is Grain.UTC_DAY:
        return tuple(range(span.since // DAY_MS * DAY_MS, span.until, DAY_MS))
    starts = [span.since]
    day = datetime.fromtimestamp(span.since / 1000, zone).date()
    while True:
        day += timedelta(days=1)
        at = _instant(datetime.combine(day, time(), zone))
        if at >= span.until:
            return tuple(starts)
        # Where the clock is put forward at midnight, or hours begin within the day's first, this is an instant of its own.
        starts.append(at)


def gathered(counts: Iterable[tuple[int, str, int]], starts: tuple[int, ...]) -> dict[str, list[int]]:
    """Return for each name the sums of the parts that begin at ``starts``, from counts by instant and name."""
    found: dict[str, list[int]] = {}
    for at, name, count in counts:
        sums = found.setdefault(name, [0] * len(starts))
        sums[max(bisect_right(starts, at) - 1, 0)] += count
    return found


def zoomed(span: Span, now: int) -> dict[str, Span]:
    """Return where one can go from a span: ``in`` to its middle half, ``out``, and to what was ``earlier`` and ``later``."""
    length, end = span.until - span.since, _next_hour(now)
    quarter = max(length // 4 // HOUR_MS, 0) * HOUR_MS
    half = -(-length // 2 // HOUR_MS) * HOUR_MS
    places = {"earlier": Span(span.since - length, span.since)}
    if quarter:
        places["in"] = Span(span.since + quarter, span.until - quarter)
    if length * 2 <= _LONGEST_MS:
        out_until = min(span.until + half, max(end, span.until))
        places["out"] = Span(out_until - length - 2 * half, out_until)
    if span.until < end:
        later = min(span.until + length, end)
        places["later"] = Span(later - length, later)
    return places


def _cut_to_hours(since: int, until: int) -> Span:
    since = since // HOUR_MS * HOUR_MS
    return Span(since, max(-(-until // HOUR_MS) * HOUR_MS, since + HOUR_MS))


def _next_hour(now: int) -> int:
    return (now // HOUR_MS + 1) * HOUR_MS


def _instant(at: datetime) -> int:
    return int(at.timestamp() * 1000)
