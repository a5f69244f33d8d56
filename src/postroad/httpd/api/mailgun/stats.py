"""``/v3/{domain}/stats/total``, ``/v3/stats/total`` and ``/v3/stats/filter``: what happened to the mail."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.mailgun.parameters import gmt
from postroad.dialects.mailgun.stats import StatsQuery, counts_of, document_of, read_query
from postroad.events.time_spans import between
from postroad.httpd.api.mailgun.named import answered, domain_of, parameters_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import Served
from postroad.model.domain import SendingDomain
from postroad.storage.counters import Dimension, Period

_BY_KEY = {"tag": Dimension.TAG, "provider": Dimension.DESTINATION}
_BY_TIME = ("time", "day", "month")
_GROUPS = ("total", *_BY_TIME, *_BY_KEY)


async def of_domain(managing: Managing, request: Request) -> Response:
    """Show the statistics of a domain."""
    query = read_query(await parameters_of(managing, request), managing.services.clock())
    domain = await domain_of(managing, request)
    return answered(await stats_of(managing, query, domain=domain))


async def of_account(managing: Managing, request: Request) -> Response:
    """Show the statistics of all the account's domains together."""
    query = read_query(await parameters_of(managing, request), managing.services.clock())
    return answered(await stats_of(managing, query))


async def filtered(managing: Managing, request: Request) -> Response:
    """Show the statistics of the account by what tells its mail apart."""
    parameters = await parameters_of(managing, request)
    query = read_query(parameters, managing.services.clock())
    group = parameters.one_of("group", _GROUPS) or "total"
    if group in _BY_TIME:
        return answered({**await stats_of(managing, query), "group": group})
    dimension = _BY_KEY.get(group)
    span = between(query.since, query.until)
    head = {"start": gmt(query.since), "end": gmt(query.until), "resolution": query.resolution, "group": group}
    if dimension is not None:
        found = await managing.management.statistics.by(managing.actor, dimension, span)
        rows = [{group: one.key or "", **counts_of(query.events, one.by_type)} for one in found]
        return answered({**head, "stats": rows})
    whole = await managing.management.statistics.over_time(managing.actor, Period.HOUR, span)
    sums: dict[str, int] = {}
    for one in whole:
        for kind, count in one.by_type.items():
            sums[kind] = sums.get(kind, 0) + count
    return answered({**head, "stats": [counts_of(query.events, sums)]})


async def stats_of(
    managing: Managing, query: StatsQuery, *, domain: SendingDomain | None = None, tag: str | None = None
) -> dict[str, Any]:
    """Return the document of some mail's statistics over time."""
    period = Period.HOUR if query.resolution == "hour" else Period.DAY
    targets = None if domain is None else [domain]
    span = between(query.since, query.until)
    found = await managing.management.statistics.over_time(managing.actor, period, span, targets=targets, tag=tag)
    return document_of(query, ((one.begins_at, one.by_type) for one in found))


SERVED = (
    Served("GET", "/v3/{domain}/stats/total", managed(of_domain)),
    Served("GET", "/v3/stats/total", managed(of_account)),
    Served("GET", "/v3/stats/filter", managed(filtered)),
)
