"""Following events as they happen, without missing those whose transaction took long."""

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from postroad.model.event import Event
from postroad.net.clock import Clock
from postroad.storage import events
from postroad.storage.database import Database
from postroad.storage.events import EventSelector

_PAGE = 500
# An event's id is made before its transaction commits: what is younger than this may still be joined by older ones.
_WATERMARK_MS = 2_000


async def tail(
    database: Database, selector: EventSelector, clock: Clock, *, poll_s: float = 1.0
) -> AsyncGenerator[Event, None]:
    """Give events from ``selector.since`` (or now) on, in the order of their ids, for as long as the caller listens.

    Events come two seconds late: up to there every transaction has ended, so none is passed over.
    """
    start = clock() if selector.since is None else selector.since
    after = 0
    while True:
        window = msgspec.structs.replace(selector, since=start, until=clock() - _WATERMARK_MS)
        page = await database.read(events.search, window, _PAGE, after)
        for event in page:
            yield event
        if page:
            after = page[-1].id
        if len(page) < _PAGE:
            await asyncio.sleep(poll_s)
