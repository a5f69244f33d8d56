"""SendGrid's statistics: what is asked for, and the numbers of each day, week or month."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from postroad.dialects.sendgrid.bodies import number_in
from postroad.model.refused import RefusedError

MOST_DAYS = 1_096
MOST_CATEGORIES = 10
USUAL_LIMIT = 50
MOST_LISTED = 500
"""Categories in one answer."""
_MOST_SKIPPED = 1_000_000
_DAY_MS = 86_400_000
_METRICS = {
    "blocks": "expired",
    "bounce_drops": "suppressed",
    "clicks": "clicked",
    "deferred": "deferred",
    "delivered": "delivered",
    "opens": "opened",
    "processed": "accepted",
    "spam_reports": "complained",
    "unique_clicks": "clicked-unique",
    "unique_opens": "opened-unique",
    "unsubscribes": "unsubscribed",
}
"""What is counted here under which of the vendor's names; ``bounces`` and ``requests`` are made of two."""
_NEVER = ("invalid_emails", "spam_report_drops", "unsubscribe_drops")
_UNIQUE = ("unique_clicks", "unique_opens")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which days of UTC are asked for, both ends included, and what they are gathered into."""

    first: date
    last: date
    aggregated_by: str

    @property
    def since(self) -> int:
        """When the first day begins, in milliseconds since 1970."""
        return (self.first - date(1970, 1, 1)).days * _DAY_MS

    @property
    def until(self) -> int:
        """When the day after the last one begins."""
        return ((self.last - date(1970, 1, 1)).days + 1) * _DAY_MS


def read_asked(query: Mapping[str, str], now: int) -> Asked:
    """Read the parameters of a call. Raises RefusedError."""
    today = datetime.fromtimestamp(now / 1000, UTC).date()
    first = _day(query, "start_date")
    if first is None:
        raise RefusedError("start_date is required: YYYY-MM-DD", field="start_date")
    last = _day(query, "end_date") or max(today, first)
    if last < first:
        raise RefusedError("end_date is before start_date", field="end_date")
    if (last - first).days >= MOST_DAYS:
        raise RefusedError("three years at most can be asked for at once", field="start_date")
    aggregated_by = query.get("aggregated_by") or "day"
    if aggregated_by not in {"day", "week", "month"}:
        raise RefusedError("aggregated_by must be day, week or month", field="aggregated_by")
    return Asked(first=first, last=last, aggregated_by=aggregated_by)


def read_categories(names: Iterable[str]) -> list[str]:
    """Return the categories that a call names. Raises RefusedError."""
    found = list(dict.fromkeys(name for name in names if name))
    if not 1 <= len(found) <= MOST_CATEGORIES:
        raise RefusedError(f"categories must name 1 to {MOST_CATEGORIES} categories", field="categories")
    return found


class CategoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Which categories are asked for."""

    beginning: str
    """What they begin with."""
    limit: int
    offset: int


def read_category_page(query: Mapping[str, str]) -> CategoryPage:
    """Read the parameters of the list of categories. Raises RefusedError."""
    limit = number_in(query, "limit", MOST_LISTED, least=1)
    offset = number_in(query, "offset", _MOST_SKIPPED)
    return CategoryPage(beginning=query.get("category", ""), limit=limit or USUAL_LIMIT, offset=offset or 0)


def whole(asked: Asked, by_day: Mapping[int, Mapping[str, int]]) -> list[dict[str, Any]]:
    """Return the numbers of all mail, from counts by the instant that a day begins at."""
    return [{"date": day, "stats": [{"metrics": metrics}]} for day, metrics in _gathered(asked, by_day).items()]


def by_category(asked: Asked, categories: Mapping[str, Mapping[int, Mapping[str, int]]]) -> list[dict[str, Any]]:
    """Return the numbers of categories; how many opened and clicked at least once is not counted for each of them."""
    gathered = {name: _gathered(asked, by_day) for name, by_day in categories.items()}
    return [
        {
            "date": day,
            "stats": [
                {
                    "type": "category",
                    "name": name,
                    "metrics": {metric: n for metric, n in one[day].items() if metric not in _UNIQUE},
                }
                for name, one in gathered.items()
            ],
        }
        for day in _gathered(asked, {})
    ]


def _gathered(asked: Asked, by_day: Mapping[int, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for number in range((asked.last - asked.first).days + 1):
        day = asked.first + timedelta(days=number)
        metrics = _metrics(by_day.get(asked.since + number * _DAY_MS, {}))
        sums = found.setdefault(_part(asked, day), dict.fromkeys(sorted(metrics), 0))
        for name, count in metrics.items():
            sums[name] += count
    return found


def _part(asked: Asked, day: date) -> str:
    match asked.aggregated_by:
        case "week":
            day = max(asked.first, day - timedelta(days=day.weekday()))
        case "month":
            day = max(asked.first, day.replace(day=1))
    return day.isoformat()


def _metrics(counts: Mapping[str, int]) -> dict[str, int]:
    told = {name: counts.get(kind, 0) for name, kind in _METRICS.items()} | dict.fromkeys(_NEVER, 0)
    told["bounces"] = max(0, counts.get("bounced", 0) - told["blocks"])
    told["requests"] = told["processed"] + counts.get("rejected", 0)
    return told


def _day(query: Mapping[str, str], name: str) -> date | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        if len(text) != len("2026-11-21"):
            raise ValueError
        found = date.fromisoformat(text)
    except ValueError as error:
        raise RefusedError(f"{name} must be a day: YYYY-MM-DD", field=name) from error
    if not 1970 <= found.year <= 2200:
        raise RefusedError(f"{name} must be a day of the years 1970 to 2200", field=name)
    return found
