"""``GET /v3/{domain}/events``: what happened, page by page."""

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.mailgun.event_query import EventQuery, read_query, read_token, told, types_of
from postroad.dialects.mailgun.filters import Filter
from postroad.httpd.api.event_pages import Filled, page_of
from postroad.httpd.api.mailgun.named import domain_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.model.domain import SendingDomain
from postroad.storage.events import EventSelector


async def search(managing: Managing, request: Request) -> Response:
    """List events, as many as are asked for, with links to the pages around them."""
    domain = await domain_of(managing, request)
    # Some clients keep the end of the path, others the query: each has the token.
    token = request.path_params.get("page") or request.query_params.get("page")
    if token:
        query = read_token(token)
    else:
        query = read_query({name: request.query_params.getlist(name) for name in request.query_params})
    filters = query.filters()
    types = types_of(filters)
    base = str(request.base_url).rstrip("/")
    page: Filled[dict[str, object]] = Filled([], None, None, is_last=True)
    if types:
        events = managing.management.events
        # An ascending search is polled: what may still be joined by older events is not told yet.
        is_newest_first = query.is_ascending is query.is_back
        page = await page_of(
            managing,
            EventSelector(
                domain_id=domain.id,
                types=types,
                recipient=_only_address(filters.get("recipient")),
                tag=filters["tags"].only if "tags" in filters else None,
                since=query.since,
                until=query.until,
            ),
            lambda happening: told(happening, filters, base),
            query.limit,
            cursor=query.cursor,
            is_newest_first=is_newest_first,
            below=await events.position() + 1 if query.is_ascending else None,
        )
    items = page.told[::-1] if query.is_back else page.told
    links = {
        name: _link(base, domain, one)
        for name, one in (
            ("first", _at(query, None, is_back=False)),
            ("last", _at(query, None, is_back=True)),
            ("next", _next(query, page)),
            ("previous", _previous(query, page)),
        )
    }
    return JSONResponse({"items": items, "paging": links}, headers=NO_STORE)


def _only_address(wanted: Filter | None) -> str | None:
    """Return the one address that is looked for: others are looked for among the events."""
    term = None if wanted is None else wanted.only
    if term is None:
        return None
    local, at, domain = term.rpartition("@")
    return term if at and local and "." in domain else None


def _next(query: EventQuery, page: Filled[dict[str, object]]) -> EventQuery:
    if query.is_back:
        # Behind the last that was shown, which was the first that was found.
        return _at(query, query.cursor if page.first is None else page.first, is_back=page.first is None)
    return _at(query, query.cursor if page.cursor is None else page.cursor, is_back=False)


def _previous(query: EventQuery, page: Filled[dict[str, object]]) -> EventQuery:
    if query.is_back:
        return _at(query, query.cursor if page.cursor is None else page.cursor, is_back=True)
    if page.first is not None:
        return _at(query, page.first, is_back=True)
    if query.cursor is None:
        return _at(query, None, is_back=True)
    # Nothing follows: the page before ends with the event that this one began behind.
    return _at(query, query.cursor + (1 if query.is_ascending else -1), is_back=True)


def _at(query: EventQuery, cursor: int | None, *, is_back: bool) -> EventQuery:
    return msgspec.structs.replace(query, cursor=cursor, is_back=is_back)


def _link(base: str, domain: SendingDomain, query: EventQuery) -> str:
    token = query.token()
    return f"{base}/v3/{domain.name}/events/{token}?page={token}"


_PATH = "/v3/{domain}/events"
SERVED = (Served("GET", _PATH, managed(search)), Served("GET", f"{_PATH}/{{page}}", managed(search)))
