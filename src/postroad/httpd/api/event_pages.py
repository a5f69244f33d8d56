"""Pages of events for the APIs, whose filters say more than an index knows: what is found is looked at once more."""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from postroad.httpd.api.managing import Managing
from postroad.model.webhook import Happening
from postroad.storage.events import EventSelector
from postroad.webhooks.happenings import told_happenings

_READ_AT_ONCE = 500
_MOST_READS = 40
"""Of events that one call looks at; its page leads on behind them."""

Told = TypeVar("Told")


class Filled(msgspec.Struct, Generic[Told], frozen=True):
    """A page: what is told of its events, and where it begins and ends."""

    told: list[Told]
    first: int | None
    """The id of the first of its events; null where there is none."""
    cursor: int | None
    """What was looked at last; null where nothing was."""
    is_last: bool
    """Nothing follows that is there now."""


async def page_of(
    managing: Managing,
    selector: EventSelector,
    tell: Callable[[Happening], list[Told]],
    limit: int,
    *,
    cursor: int | None = None,
    is_newest_first: bool = True,
    below: int | None = None,
) -> Filled[Told]:
    """Return a page of what ``tell`` tells of events: nothing of one that is not wanted."""
    told: list[Told] = []
    first: int | None = None
    for stride in range(_MOST_READS):
        page = await managing.management.events.search(
            managing.actor,
            selector,
            # Most pages are full after the first read; what is rare is looked for in longer strides.
            _READ_AT_ONCE if stride else min(_READ_AT_ONCE, limit),
            cursor=cursor,
            is_newest_first=is_newest_first,
            below=below,
        )
        happenings = await told_happenings(managing.services.database, page.found)
        for number, happening in enumerate(happenings):
            said = tell(happening)
            cursor = happening.event.id
            if not said:
                continue
            first = cursor if first is None else first
            told += said
            if len(told) >= limit:
                is_last = number == len(happenings) - 1 and page.cursor is None
                return Filled(told, first, cursor, is_last)
        if page.cursor is None:
            return Filled(told, first, cursor, is_last=True)
        cursor = page.cursor
    return Filled(told, first, cursor, is_last=False)
