"""Events for people: searched, followed, exported; what is not their account's does not exist for them."""

from collections.abc import AsyncGenerator

import msgspec

from postroad.events import export
from postroad.events.export import Export, Format, Part
from postroad.events.live import Live
from postroad.events.tail import watermark
from postroad.model.actor import Actor
from postroad.net.clock import Clock
from postroad.policy.permission import require_sight
from postroad.storage import domains, event_search
from postroad.storage.database import Database
from postroad.storage.event_search import EventPage
from postroad.storage.events import EventSelector


class Events:
    """Answers people."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def search(
        self,
        actor: Actor,
        selector: EventSelector,
        limit: int,
        *,
        cursor: int | None = None,
        is_newest_first: bool = True,
        below: int | None = None,
    ) -> EventPage:
        """Return a page of events, which may be empty and yet lead on: a search looks at so many and no more.

        ``below``: only those with ids below it, such as the one behind ``position``, up to which nothing is added any more.
        """
        mine = await self._within(actor, selector)
        return await self._database.read(
            event_search.search, mine, limit, cursor=cursor, is_newest_first=is_newest_first, below=below
        )

    async def position(self) -> int:
        """Return where somebody begins to follow who has seen all up to now."""
        return await watermark(self._database, self._clock) - 1

    async def live(self, actor: Actor, selector: EventSelector, *, position: int | None = None) -> Live:
        """Return what follows events as they happen, from a position on, or from now."""
        mine = await self._within(actor, selector)
        return Live(self._database, mine, self._clock, await self.position() if position is None else position)

    async def begin_export(self, actor: Actor, selector: EventSelector, form: Format) -> Export:
        """Write into the audit log who exports what, and return what ``parts`` are given for."""
        return await export.begin(self._database, actor, await self._within(actor, selector), form, self._clock)

    def parts(self, begun: Export) -> AsyncGenerator[Part, None]:
        """Give the parts of an export's file."""
        return export.parts(self._database, begun)

    async def _within(self, actor: Actor, selector: EventSelector) -> EventSelector:
        """Return what is left of a selection for an actor; raises MissingError for the domain of somebody else."""
        if selector.domain_id is not None:
            domain = await self._database.read(domains.get, selector.domain_id)
            require_sight(actor, None if domain is None else domain.account_id, "such domain")
        if actor.account_id is None:
            return selector
        return msgspec.structs.replace(selector, account_id=actor.account_id)
