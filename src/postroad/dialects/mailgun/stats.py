"""Statistics as Mailgun tells of them: for every hour, day or month, what it counts by its own words."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from postroad.dialects.mailgun.parameters import Parameters, gmt
from postroad.model.refused import RefusedError
from postroad.policy.suppression_csv import ListError, instant_of

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
EVENTS = ("accepted", "delivered", "failed", "opened", "clicked", "unsubscribed", "complained", "stored")
RESOLUTIONS = ("hour", "day", "month")
_LENGTHS = {"h": HOUR_MS, "d": DAY_MS, "m": 30 * DAY_MS}
_USUAL_MS = 7 * DAY_MS
_LONGEST_MS = {"hour": 62 * DAY_MS, "day": 1_098 * DAY_MS, "month": 1_098 * DAY_MS}

Counts = Mapping[str, int]
"""Events of one time by their types, and by what some of them are counted as besides."""


class StatsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    events: tuple[str, ...]
    resolution: str
    since: int
    until: int


def read_query(parameters: Parameters, now: int) -> StatsQuery:
    """Return what a query asks for; raises RefusedError."""
    events = tuple(dict.fromkeys(one.lower() for one in parameters.texts("event")))
    if not events:
        raise RefusedError("event parameter is missing", field="event")
    unknown = [one for one in events if one not in EVENTS]
    if unknown:
        raise RefusedError(f"event must be of {', '.join(EVENTS)}, not {unknown[0][:40]}", field="event")
    resolution = parameters.one_of("resolution", RESOLUTIONS) or "day"
    until = _instant(parameters, "end", now)
    duration = parameters.text("duration")
    since = until - _duration(duration) if duration else _instant(parameters, "start", until - _USUAL_MS, now)
    if since > until:
        raise RefusedError("start is after end", field="start")
    if until - since > _LONGEST_MS[resolution]:
        days = _LONGEST_MS[resolution] // DAY_MS
        raise RefusedError(f"by {resolution} at most {days} days can be asked for", field="start")
    return StatsQuery(events=events, resolution=resolution, since=since, until=until)


def document_of(query: StatsQuery, found: Iterable[tuple[int, Counts]]) -> dict[str, Any]:
    """Return the statistics of a span, in which times without any are zeros; ``found`` has when each hour or day began."""
    sums: dict[int, dict[str, int]] = {at: {} for at in _times(query)}
    for at, counts in found:
        of_time = sums.get(_begin(at, query.resolution))
        if of_time is not None:
            for kind, count in counts.items():
                of_time[kind] = of_time.get(kind, 0) + count
    return {
        "start": gmt(query.since),
        "end": gmt(query.until),
        "resolution": query.resolution,
        "stats": [{"time": gmt(at), **counts_of(query.events, counts)} for at, counts in sums.items()],
    }


def counts_of(events: Iterable[str], counts: Counts) -> dict[str, Any]:
    """Return the counts that were asked for, each in its own form."""
    return {event: _count(event, counts) for event in events}


def _count(event: str, counts: Counts) -> dict[str, Any]:
    count = counts.get
    match event:
        case "accepted":
            sent = count("accepted", 0)
            return {"incoming": 0, "outgoing": sent, "total": sent}
        case "delivered":
            sent = count("delivered", 0)
            return {"smtp": sent, "http": 0, "optimized": 0, "total": sent}
        case "failed":
            return _failed(count("bounced", 0), count("suppressed", 0), count("deferred", 0))
        case "opened" | "clicked":
            return {"total": count(event, 0), "unique": count(f"{event}-unique", 0)}
    return {"total": count(event, 0)}


def _failed(bounced: int, suppressed: int, deferred: int) -> dict[str, Any]:
    permanent = {
        "bounce": bounced,
        "delayed-bounce": 0,
        "suppress-bounce": 0,
        "suppress-unsubscribe": 0,
        "suppress-complaint": 0,
        "optimized": 0,
        # For which reason is not counted.
        "suppressed": suppressed,
        "total": bounced + suppressed,
    }
    return {"permanent": permanent, "temporary": {"espblock": 0, "total": deferred}}


def _times(query: StatsQuery) -> Iterable[int]:
    at = _begin(query.since, query.resolution)
    # An end on the hour or at midnight ends the time before it.
    while at < max(query.until, query.since + 1):
        yield at
        at = _next(at, query.resolution)


def _begin(at: int, resolution: str) -> int:
    if resolution == "hour":
        return at // HOUR_MS * HOUR_MS
    if resolution == "day":
        return at // DAY_MS * DAY_MS
    day = datetime.fromtimestamp(at / 1000, UTC)
    return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp() * 1000)


def _next(at: int, resolution: str) -> int:
    if resolution != "month":
        return at + (HOUR_MS if resolution == "hour" else DAY_MS)
    # A month has at most 31 days, and the next one more than that is left over.
    return _begin(at + 32 * DAY_MS, "month")


def _instant(parameters: Parameters, name: str, default: int, now: int | None = None) -> int:
    text = parameters.text(name)
    if not text:
        return default
    try:
        return instant_of(text.partition(".")[0] if text.replace(".", "").isdigit() else text, now or default)
    except ListError as error:
        raise RefusedError(f"{name}: {error}", field=name) from error


def _duration(text: str) -> int:
    number, unit = text[:-1], text[-1:].lower()
    if not (number.isascii() and number.isdecimal() and len(number) < 6 and int(number) and unit in _LENGTHS):
        raise RefusedError("duration must be a number with h, d or m for months, such as 7d", field="duration")
    return int(number) * _LENGTHS[unit]
