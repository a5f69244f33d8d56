"""``/api/v1/events/message``: what happened, by the filters of SparkPost's search."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.sparkpost.event_query import EventQuery, cursor_text, read_query
from postroad.httpd.api.event_pages import page_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import Served
from postroad.httpd.api.sparkpost.answers import answered
from postroad.model.refused import MissingError
from postroad.protocol.smtp.address import with_a_labels
from postroad.storage.events import EventSelector

_PATH = "/api/v1/events/message"


async def search(managing: Managing, request: Request) -> Response:
    """List events, newest first."""
    query = read_query(request.query_params, managing.services.clock())
    selector = await _selector(managing, query) if query.types else None
    if selector is None:
        return answered([], total_count=0, links={})
    page = await page_of(managing, selector, query.tell, query.per_page, cursor=query.cursor)
    seen = query.seen + len(page.told)
    links = {}
    if not page.is_last and page.cursor is not None:
        more = {**request.query_params, "cursor": cursor_text(page.cursor, seen)}
        links["next"] = f"{_PATH}?{urlencode(more)}"
    return answered(page.told, total_count=seen, links=links)


async def _selector(managing: Managing, query: EventQuery) -> EventSelector | None:
    """Return what the indexes are asked for; None where there can be nothing."""
    domain_id: int | None = None
    name = query.only("sending_domains")
    if name is not None:
        try:
            domain_id = (await managing.domain(name)).id
        except MissingError:
            return None
    recipient, destination = query.only("recipients"), query.only("recipient_domains")
    wanted = recipient or (destination and f"@{destination}")
    return EventSelector(
        domain_id=domain_id,
        types=query.types,
        recipient=wanted and with_a_labels(wanted),
        tag=query.only("campaigns"),
        since=query.since,
        until=query.until,
    )


SERVED = (Served("GET", _PATH, managed(search)),)
