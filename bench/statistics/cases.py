"""What somebody looks at: the whole page for each period, and what it is made of for a year."""

from collections.abc import Awaitable, Callable
from zoneinfo import ZoneInfo

from bench.statistics.rows import DOMAIN_IDS, NOW
from postroad.events.statistics import Statistics, totals_by, totals_over_time
from postroad.events.time_spans import DAY_MS, HOUR_MS, PERIODS, Span, between, latest
from postroad.model.actor import Actor
from postroad.storage.counters import Dimension, Period
from postroad.storage.database import Database

ZONE = ZoneInfo("Europe/Prague")
Case = Callable[[], Awaitable[object]]


def spans() -> dict[str, Span]:
    """Return the periods of the page, and two that were zoomed to."""
    found = {name: latest(name, NOW, ZONE) for name in PERIODS}
    found["a year less five hours at each end"] = between(NOW - 365 * DAY_MS + 5 * HOUR_MS, NOW - 5 * HOUR_MS)
    found["a morning half a year ago"] = between(NOW - 180 * DAY_MS, NOW - 180 * DAY_MS + 5 * HOUR_MS)
    return found


def cases(database: Database, actor: Actor) -> dict[str, Case]:
    """Return what is timed, by what it is."""
    statistics = Statistics(database)
    year = spans()["1y"]

    def page(span: Span, *, by_class: bool = False) -> Case:
        return lambda: statistics.of(actor, span, ZONE, by_class=by_class)

    def by(dimension: Dimension) -> Case:
        return lambda: totals_by(database, dimension, year, DOMAIN_IDS, 50)

    return {
        **{f"page, {name}": page(span) for name, span in spans().items()},
        **{f"page, bounces of {name}": page(spans()[name], by_class=True) for name in ("90d", "1y")},
        **{f"a year by {one.value}": by(one) for one in Dimension if one is not Dimension.ALL},
        "a year by day": lambda: totals_over_time(database, Period.DAY, year, DOMAIN_IDS),
        "a year by hour": lambda: totals_over_time(database, Period.HOUR, year, DOMAIN_IDS),
    }
