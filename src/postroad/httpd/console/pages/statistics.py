"""Statistics: what happened to the mail over time, why it bounced, and by tag and destination."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from postroad.events import statistics_table
from postroad.events.rates import Rate, rates_in
from postroad.events.statistics import (
    ALWAYS,
    KINDS,
    RESPONSES,
    KeyTotals,
    Report,
    Series,
    Timeline,
    bounced_of,
    kinds_in,
)
from postroad.events.time_spans import Grain, Span, between, latest, parse_instant, text_of, zoomed
from postroad.httpd.console import cookies
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.model.event import EventType
from postroad.model.outcome import BounceClass
from postroad.policy.message_query import tag_query
from postroad.storage.counters import Dimension

PATH = "/statistics"
USUAL_PERIOD = "7d"
PERIOD_NAMES = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days", "1y": "Year"}
DELIVERY, BOUNCES = "delivery", "bounces"
_OVER_TIME = "time"
_DIMENSIONS = {one.value: one for one in (Dimension.TAG, Dimension.DESTINATION, Dimension.BOUNCE_CLASS)}
_HUES = 14
"""Colours that ``console.css`` has for series without one of their own."""

CLASS_WORDS: Mapping[str, tuple[str, str]] = {
    BounceClass.BAD_MAILBOX.value: ("Bad mailbox", "There is no such address: take it off your lists."),
    BounceClass.INACTIVE_MAILBOX.value: ("Inactive mailbox", "The address is closed: take it off your lists."),
    BounceClass.BAD_DOMAIN.value: ("Bad domain", "The domain takes no mail, or does not exist."),
    BounceClass.QUOTA.value: ("Mailbox full", "The mailbox has no room; it may have again later."),
    BounceClass.SPAM.value: ("Taken for spam", "The host distrusts the content or your address."),
    BounceClass.POLICY.value: ("Policy", "A rule of the host: authentication, rate, permission."),
    BounceClass.CONTENT.value: ("Content", "Size, attachment or text was refused."),
    BounceClass.ROUTING.value: ("Routing", "The host could not be reached, or relays nothing."),
    BounceClass.PROTOCOL.value: ("Protocol", "The dialogue of the two hosts failed."),
    BounceClass.OTHER.value: ("Other", "The reply says nothing more."),
}
"""What each class of bounces is called, and what it means."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody looks at, as the address of the page says it."""

    span: Span
    period: str | None
    """Its name, where it was chosen by name and so moves on with the clock."""
    shows: str
    """``DELIVERY`` or ``BOUNCES``."""
    zone: tzinfo

    def path(self, path: str = PATH, **changes: str | Span) -> str:
        """Return the address of this place with something else chosen."""
        span = changes.pop("span", None)
        query: dict[str, str] = {}
        if isinstance(span, Span) or (self.period is None and "period" not in changes):
            shown = span if isinstance(span, Span) else self.span
            query |= {"from": text_of(shown.since), "until": text_of(shown.until)}
        elif self.period is not None:
            query["period"] = self.period
        query["view"] = self.shows
        query |= {name: value for name, value in changes.items() if isinstance(value, str)}
        return f"{path}?{urlencode(query)}"


def routes() -> list[BaseRoute]:
    """Return the routes of the statistics."""
    return [
        page(PATH, show, access=Access.ACCOUNT),
        page(f"{PATH}/csv", download, access=Access.ACCOUNT),
    ]


async def show(view: View) -> Response:
    """Show what happened in a span to the mail of the account, or of the chosen domain."""
    place = _place(view)
    report = await view.console.statistics.of(
        view.actor, place.span, place.zone, domain_id=_domain_id(view), by_class=place.shows == BOUNCES
    )
    timeline = report.timeline
    sums = {one.name: one.total for one in timeline.kinds}
    return view.page(
        "statistics.html",
        place=place,
        zone=_zone_name(place.zone),
        report=report,
        is_empty=not any(one.total for one in timeline.kinds),
        periods=PERIOD_NAMES,
        zooms={name: place.path(span=span) for name, span in zoomed(place.span, view.console.clock()).items()},
        series=_drawn(place, timeline),
        labels=[_label(place, at) for at in timeline.starts],
        chart=_chart(place, timeline),
        swatch_of=swatch_of,
        rates=rates_in(sums),
        sums=sums,
        tag_query=tag_query,
        tables=[*_tables("Tags", "tag", report.tags), *_tables("Destinations", "destination", report.destinations)],
        classes=_classes(report),
        share=_share,
    )


async def download(view: View) -> Response:
    """Return one table as a file for spreadsheets."""
    place, by = _place(view), view.request.query_params.get("by", _OVER_TIME)
    if by == _OVER_TIME:
        timeline = await view.console.statistics.timeline(
            view.actor, place.span, place.zone, domain_id=_domain_id(view)
        )
        text = statistics_table.over_time(_rows(timeline))
    elif by in _DIMENSIONS:
        found = await view.console.statistics.by(view.actor, _DIMENSIONS[by], place.span, domain_id=_domain_id(view))
        text = statistics_table.by_key(by, found)
    else:
        raise HTTPException(
            404, f"There is no table by {by!r}; choose {_OVER_TIME} or one of {', '.join(_DIMENSIONS)}."
        )
    name = f"postroad-by-{by}-{text_of(place.span.since)[:10]}-{text_of(place.span.until)[:10]}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(text, media_type="text/csv", headers=headers)


def swatch_of(name: str) -> str:
    """Return the class of the colour that a series has wherever it is shown."""
    if name in ALWAYS:
        return name
    names = [one for one in KINDS if one not in ALWAYS] if name in KINDS else list(CLASS_WORDS)
    return f"hue-{names.index(name) % _HUES}"


def _place(view: View) -> Place:
    given, zone = view.request.query_params, _zone(view)
    shows = BOUNCES if given.get("view") == BOUNCES else DELIVERY
    now = view.console.clock()
    since, until = given.get("from", ""), given.get("until", "")
    if since or until:
        at, end = parse_instant(since, zone, is_end=False) if since else None, now
        if until:
            end = parse_instant(until, zone, is_end=True)
        span = between(end - 7 * 86_400_000 if at is None else at, end)
        return Place(span=span, period=None, shows=shows, zone=zone)
    period = given.get("period", USUAL_PERIOD)
    return Place(span=latest(period, now, zone), period=period, shows=shows, zone=zone)


def _zone(view: View) -> tzinfo:
    name = cookies.time_zone(view.request.cookies)
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):
        # A name that this machine does not know, or that names no zone.
        return UTC


def _domain_id(view: View) -> int | None:
    return view.domain.id if view.domain else None


def _drawn(place: Place, timeline: Timeline) -> Sequence[Series]:
    return timeline.classes if place.shows == BOUNCES else timeline.kinds


def _chart(place: Place, timeline: Timeline) -> dict[str, Any]:
    """Return what the chart's script draws."""
    is_utc = place.span.grain is Grain.UTC_DAY
    return {
        "times": [at // 1000 for at in timeline.starts],
        "until": place.span.until // 1000,
        "zone": "UTC" if is_utc else _zone_name(place.zone),
        "is_by_hour": place.span.grain is Grain.HOUR,
        "address": f"{PATH}?{urlencode({'view': place.shows})}",
        "series": [
            {"name": one.name, "label": _series_label(one.name), "swatch": swatch_of(one.name), "counts": one.counts}
            for one in _drawn(place, timeline)
        ],
    }


def _series_label(name: str) -> str:
    return CLASS_WORDS[name][0] if name in CLASS_WORDS else name.capitalize().replace("-", " ")


def _zone_name(zone: tzinfo) -> str:
    return zone.key if isinstance(zone, ZoneInfo) else "UTC"


def _label(place: Place, at: int) -> str | None:
    """Return the day that a part of the span is; None for an hour, which the browser tells in its own zone."""
    if place.span.grain is Grain.HOUR:
        return None
    zone = UTC if place.span.grain is Grain.UTC_DAY else place.zone
    return datetime.fromtimestamp(at / 1000, zone).date().isoformat()


def _rows(timeline: Timeline) -> list[tuple[int, dict[str, int]]]:
    return [(at, {one.name: one.counts[number] for one in timeline.kinds}) for number, at in enumerate(timeline.starts)]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to the mail with each tag or destination, or what its recipients did."""

    title: str
    name: str
    dimension: str
    rows: Sequence[KeyTotals]
    kinds: Sequence[str]
    rates: Sequence[Rate]
    is_of_responses: bool = False


def _tables(title: str, dimension: str, rows: Sequence[KeyTotals]) -> list[Table]:
    """Return the table of a dimension, and one of responses where there were any: together they are too wide for a screen."""
    kinds = kinds_in((one.by_type for one in rows), ALWAYS)
    responses = [kind for kind in kinds if kind in RESPONSES]
    found: Counter[str] = Counter()
    for one in rows:
        found.update(one.by_type)
    rates = rates_in(found)
    tables = [
        Table(
            title=title,
            name=dimension,
            dimension=dimension,
            rows=rows,
            kinds=[kind for kind in kinds if kind not in RESPONSES],
            rates=[rate for rate in rates if rate.part not in RESPONSES],
        )
    ]
    if responses:
        tables.append(
            Table(
                title=f"{title}: opens and clicks",
                name=f"{dimension}-responses",
                dimension=dimension,
                rows=[one for one in rows if not RESPONSES.isdisjoint(one.by_type)],
                kinds=[EventType.DELIVERED.value, *responses],
                rates=[rate for rate in rates if rate.part in RESPONSES],
                is_of_responses=True,
            )
        )
    return tables


def _classes(report: Report) -> list[tuple[str, str, str, int, int]]:
    """Return each class with its words, its bounces and its deferrals, those with most bounces first."""
    rows = [(str(one.key), *_bounces(one)) for one in report.classes]
    rows.sort(key=lambda row: (-row[1], -row[2], row[0]))
    return [(name, *CLASS_WORDS.get(name, (name, "")), bounced, deferred) for name, bounced, deferred in rows]


def _bounces(one: KeyTotals) -> tuple[int, int]:
    bounced = bounced_of(one.by_type)
    return bounced, sum(one.by_type.values()) - bounced


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"
