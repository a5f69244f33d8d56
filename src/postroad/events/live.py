"""Events as they happen, for people who look on: a few rows at a time, and the rest as a number."""

import msgspec

from postroad.events.tail import WATERMARK_MS, watermark
from postroad.model.event import Event
from postroad.model.ids import lowest_at
from postroad.net.clock import Clock
from postroad.storage import events
from postroad.storage.database import Database
from postroad.storage.events import EventSelector

MOST_AT_ONCE = 20
"""Rows of one look: nobody reads more in a second."""
_MOST_READ = 500
_LONGEST_AGO_MS = 300_000
"""How far back one who comes again is told what was missed."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What has happened since the look before."""

    found: tuple[Event, ...]
    """The newest of it, oldest first."""
    passed: int
    """How many more there were."""
    is_more: bool
    """There were even more than that, or it is too long ago to tell."""


class Live:
    """What one onlooker sees; ``position`` is an id that all up to is told of."""

    def __init__(self, database: Database, selector: EventSelector, clock: Clock, position: int) -> None:
        self._database = database
        self._selector = selector
        self._clock = clock
        now = clock()
        earliest = lowest_at(now - _LONGEST_AGO_MS)
        # Not further back, where something takes long to be written now: what was told before that is not told again.
        newest = lowest_at(now - WATERMARK_MS) - 1
        self.position = min(max(position, earliest), newest)
        self._is_late = position < earliest

    async def look(self) -> Look:
        """Return what there is now, up to the watermark that no transaction can commit behind."""
        below = await watermark(self._database, self._clock)
        found = await self._database.read(events.search, self._selector, _MOST_READ, self.position, below=below)
        is_more = self._is_late or len(found) == _MOST_READ
        self._is_late = False
        # All below is told of, if only as a number: whoever looks on stays with what happens now.
        self.position = max(self.position, below - 1)
        shown = found[-MOST_AT_ONCE:]
        return Look(found=tuple(shown), passed=len(found) - len(shown), is_more=is_more)
