"""Spans of time that lists are narrowed to."""

from datetime import UTC, datetime

_MINUTE_MS = 60_000
DAY_MS = 86_400_000
SPANS = {"": "Any time", "1h": "Last hour", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}
_SPAN_MS = {"1h": 60 * _MINUTE_MS, "24h": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS}


def since_of(span: str, now: int) -> int | None:
    """Return when a span of ``SPANS`` began, or None for any time.

    In whole minutes, so that the pages of one search have one beginning.
    """
    length = _SPAN_MS.get(span)
    return None if length is None else (now - length) // _MINUTE_MS * _MINUTE_MS


def day_of(text: str) -> int | None:
    """Return the beginning of a day in UTC, or None for what is no date."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError:
        return None
