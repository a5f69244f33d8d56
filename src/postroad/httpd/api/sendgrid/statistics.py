"""``/v3/stats``, ``/v3/categories/stats`` and ``/v3/categories``: counts of the account's sending domains, and their tags."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.sendgrid.statistics import by_category, read_asked, read_categories, read_category_page, whole
from postroad.events.time_spans import Span, between
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.httpd.api.sendgrid.chosen import chosen_domains
from postroad.model.domain import SendingDomain
from postroad.storage.counters import Period


async def stats(managing: Managing, request: Request) -> Response:
    """Tell what happened to all mail."""
    asked = read_asked(request.query_params, managing.services.clock())
    found = await chosen_domains(managing, request)
    span = between(asked.since, asked.until)
    by_day = await _by_day(managing, span, found)
    return JSONResponse(whole(asked, by_day), headers=NO_STORE)


async def category_stats(managing: Managing, request: Request) -> Response:
    """Tell what happened to the mail of some categories."""
    asked = read_asked(request.query_params, managing.services.clock())
    names = read_categories(request.query_params.getlist("categories"))
    found = await chosen_domains(managing, request)
    span = between(asked.since, asked.until)
    counted = {name: await _by_day(managing, span, found, name) for name in names}
    return JSONResponse(by_category(asked, counted), headers=NO_STORE)


async def categories(managing: Managing, request: Request) -> Response:
    """List the categories that mail was sent with, some at a time."""
    page = read_category_page(request.query_params)
    found = await managing.management.tags.names(
        managing.actor,
        await chosen_domains(managing, request),
        page.limit,
        offset=page.offset,
        beginning=page.beginning,
    )
    return JSONResponse([{"category": one} for one in found], headers=NO_STORE)


async def _by_day(
    managing: Managing, span: Span, targets: Sequence[SendingDomain], tag: str | None = None
) -> dict[int, dict[str, int]]:
    found = await managing.management.statistics.over_time(managing.actor, Period.DAY, span, targets=targets, tag=tag)
    return {one.begins_at: one.by_type for one in found}


SERVED = (
    Served("GET", "/v3/stats", managed(stats)),
    Served("GET", "/v3/categories", managed(categories)),
    Served("GET", "/v3/categories/stats", managed(category_stats)),
)
