"""Following events as they happen, without missing those whose transaction took long."""

import asyncio
from collections.abc import AsyncGenerator

from postroad.model.event import Event
from postroad.model.ids import lowest_at
from postroad.net.clock import Clock
from postroad.storage import events, messages
from postroad.storage.database import Database
from postroad.storage.events import EventSelector

PAGE = 500
WATERMARK_MS = 2_000
"""An event's id is made up to a second before it is written: what is younger than this may still be joined by older ones."""


async def watermark(database: Database, clock: Clock) -> int:
    """Return the id that no event below will join any more: two seconds before all that is being written was begun.

    To be asked before what is read up to there: what ends in between would be in neither.
    """
    now = clock()
    return lowest_at(now - WATERMARK_MS - await database.read(events.oldest_write_ms))


async def tail(
    database: Database, selector: EventSelector, clock: Clock, *, poll_s: float = 1.0
) -> AsyncGenerator[Event, None]:
    """Give events from ``selector.since`` (or now) on, in the order of their ids, for as long as the caller listens.

    Events come two seconds late, and later while a transaction takes long: up to there every one has ended, so none is
    passed over.
    """
    after = lowest_at(clock() if selector.since is None else selector.since) - 1
    while True:
        below = await watermark(database, clock)
        page = await database.read(events.search, selector, PAGE, after, below=below)
        for event in page:
            yield event
        if len(page) < PAGE:
            # All below has been looked at.
            after = max(after, below - 1)
            await asyncio.sleep(poll_s)
        else:
            after = page[-1].id


async def follow_message(
    database: Database, message_id: int, *, with_responses: bool = False, poll_s: float = 0.5
) -> AsyncGenerator[Event, None]:
    """Give each event of a message as soon as it is there, until all its deliveries have ended, or its rows are gone.

    What comes of it later, such as opens and clicks, is waited for where ``with_responses`` says so.
    """
    told: set[int] = set()
    while True:
        # Events and deliveries of one snapshot: whoever sees the end sees all that led to it.
        story = await database.read(messages.show, message_id)
        if story is None:
            return
        for event in story.events:
            if event.id not in told:
                told.add(event.id)
                yield event
        if not with_responses and all(one.state.is_final for one in story.deliveries):
            return
        await asyncio.sleep(poll_s)
