"""``/api/postroad/v1/events``: what happened, to be searched and followed."""

from postroad.dialects.postroad.events import (
    LIST_EVENTS,
    LIST_MESSAGE_EVENTS,
    EventOrder,
    EventPage,
    EventsQuery,
    MessageEventsQuery,
    told,
)
from postroad.dialects.postroad.instants import milliseconds
from postroad.dialects.postroad.paging import RowId, cursor_text, read_cursor
from postroad.events.documents import variables_of
from postroad.httpd.api.postroad.calls import Call, served
from postroad.model.ids import from_text
from postroad.model.refused import MissingError
from postroad.protocol.smtp.address import with_a_labels
from postroad.storage import messages
from postroad.storage.events import EventSelector


async def list_events(call: Call[EventsQuery, None]) -> EventPage:
    """Find events, or follow them."""
    query = call.query
    selector = EventSelector(
        domain_id=await call.domain_id(query.domain),
        types=query.type,
        recipient=None if query.recipient is None else with_a_labels(query.recipient),
        tag=query.tag,
        since=milliseconds(query.from_),
        until=milliseconds(query.to),
    )
    return await _page(call, selector)


async def list_message_events(call: Call[MessageEventsQuery, None]) -> EventPage:
    """Tell what happened to a message."""
    key = call.managing
    try:
        message_id = from_text(call.request.path_params["message_id"])
    except ValueError as error:
        raise MissingError("There is no such message.") from error
    found = (await key.services.database.read(messages.get_many, [message_id])).get(message_id)
    if found is None or found.account_id != key.account_id:
        raise MissingError("There is no such message.")
    return await _page(call, EventSelector(message_id=message_id, types=call.query.type))


async def _page(call: Call[EventsQuery, None] | Call[MessageEventsQuery, None], selector: EventSelector) -> EventPage:
    query, events = call.query, call.management.events
    follows = query.order is EventOrder.OLDEST
    cursor = None if query.cursor is None else read_cursor(query.cursor, tuple[RowId])[0]
    # What is younger may still be joined by an older one, whose transaction is under way.
    position = await events.position() if follows else None
    page = await events.search(
        call.managing.actor,
        selector,
        query.limit,
        cursor=cursor,
        is_newest_first=not follows,
        below=None if position is None else position + 1,
    )
    following = page.cursor
    if following is None and position is not None:
        following = max(position, cursor or 0)
    names = await call.names_of({one.domain_id for one in page.found})
    variables = await variables_of(call.managing.services.database, page.found)
    return EventPage(
        events=tuple(told(one, names.get(one.domain_id), variables.get(one.message_id) or {}) for one in page.found),
        has_more=page.cursor is not None,
        next=None if following is None else cursor_text(following),
    )


SERVED = (served(LIST_EVENTS, list_events), served(LIST_MESSAGE_EVENTS, list_message_events))
