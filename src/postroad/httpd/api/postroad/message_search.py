"""``/api/postroad/v1/messages``: finding messages."""

from postroad.dialects.postroad.instants import milliseconds
from postroad.dialects.postroad.message_search import LIST_MESSAGES, MessagePage, MessagesQuery, listed
from postroad.dialects.postroad.paging import RowId, cursor_text, read_cursor
from postroad.httpd.api.postroad.calls import Call, served
from postroad.model.ids import HIGHEST_ID
from postroad.storage.message_search import Wanted


async def list_messages(call: Call[MessagesQuery, None]) -> MessagePage:
    """Find messages, the newest first."""
    query = call.query
    lowest, highest = query.id_range or (0, HIGHEST_ID)
    wanted = Wanted(
        account_id=call.managing.account_id,
        domain_id=await call.domain_id(query.domain),
        lowest_id=lowest,
        highest_id=highest,
        since=milliseconds(query.from_),
        until=milliseconds(query.to),
        terms=query.terms,
        standing=query.state,
    )
    before = None if query.cursor is None else read_cursor(query.cursor, tuple[RowId])[0]
    page = await call.management.messages.find(call.managing.actor, wanted, query.limit, before)
    names = await call.names_of({one.message.domain_id for one in page.found})
    return MessagePage(
        messages=tuple(
            listed(one.message, names.get(one.message.domain_id), one.recipients, one.standings) for one in page.found
        ),
        next=None if page.before is None else cursor_text(page.before),
    )


SERVED = (served(LIST_MESSAGES, list_messages),)
