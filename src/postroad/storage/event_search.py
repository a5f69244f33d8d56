"""Finding events in bounded work, however many there are, newest or oldest first.

Events are walked along by id, those of some sending domains by an index of theirs. What a message tells (a recipient, a
tag) leads by the index of messages to its events where those messages are not too many. Elsewhere each page looks at so many
rows and says how far it came.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Boolean, ColumnElement, Connection, ScalarSelect, exists, func, literal_column, select

from postroad.model.event import Event
from postroad.model.ids import HIGHEST_ID, lowest_at
from postroad.model.search_words import address_term, tag_term
from postroad.storage import message_search, rows
from postroad.storage.dialect import keep_to_indexes
from postroad.storage.events import COLUMNS, EventSelector, conditions, is_meant
from postroad.storage.message_search import Wanted
from postroad.storage.schema.control_plane import domains
from postroad.storage.schema.data_plane import events, messages

_WALKED = 20_000
"""Events that are looked at before it is asked whether the page is full."""
_ROUNDS = 4
"""How often, before a search says how far it came."""
_LEAST_OF_DOMAIN = 50
_MOST_MESSAGES = 2_000
_MOST_RECIPIENTS = 20_000
"""Messages, and recipients of theirs, whose events are looked at all together."""
_TOLD_LATE_MS = 60_000
"""What is told of a click waits in memory before it is written and gets its id: so long, unless storage is away."""
# In the words of the partial index: the milliseconds of an id (model.ids) less ``_TOLD_LATE_MS``.
_TOLD_LATE: ColumnElement[bool] = literal_column("(events.id >> 23) - events.at > -1767225540000", Boolean)

e = events.c


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Events in the order that was asked for."""

    found: tuple[Event, ...]
    cursor: int | None
    """The id that the next page goes on from; null where there is nothing more."""
    is_cut: bool = False
    """The search stopped at the bound of its work: more may match."""


class _Range(msgspec.Struct, frozen=True):
    """Ids that are still to be looked at, and from which end."""

    low: int
    high: int
    """Up to, but not at, this one."""
    is_newest_first: bool

    def beyond(self, edge: int) -> "_Range":
        """Return what is left once all up to and including ``edge`` is looked at."""
        changed = {"high": edge} if self.is_newest_first else {"low": edge + 1}
        return msgspec.structs.replace(self, **changed)

    def up_to(self, edge: int) -> "_Range":
        """Return the part up to and including ``edge``."""
        changed = {"low": edge} if self.is_newest_first else {"high": edge + 1}
        return msgspec.structs.replace(self, **changed)

    @property
    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """What holds of the ids in it."""
        return (e.id >= self.low, e.id < self.high)

    @property
    def order(self) -> ColumnElement[int]:
        """The order of its events."""
        return e.id.desc() if self.is_newest_first else e.id.asc()


def search(
    connection: Connection,
    selector: EventSelector,
    limit: int,
    *,
    cursor: int | None = None,
    is_newest_first: bool = False,
    below: int | None = None,
) -> EventPage:
    """Return the events that match, beyond the ``cursor`` of the page before where there is one.

    ``below``: only those with ids below it, so that many pages are of one set.
    """
    keep_to_indexes(connection)
    within = _range(selector, cursor, below, is_newest_first=is_newest_first)
    # Beyond the end are events that were told long after they happened, as storage was away.
    endless = _range(msgspec.structs.replace(selector, until=None), cursor, below, is_newest_first=is_newest_first)
    if selector.message_id is not None:
        return _of_messages(connection, selector, [selector.message_id], endless, limit)
    about = _messages_with(connection, selector)
    if about is not None:
        if not about:
            return EventPage(found=(), cursor=None)
        return _of_messages(connection, selector, about, endless, limit)
    late = msgspec.structs.replace(endless, low=max(endless.low, _end(selector)))
    if is_newest_first:
        found = _told_late(connection, selector, late, limit + 1)
        return _page(found, limit) if len(found) > limit else _walk(connection, selector, within, limit, found)
    page = _walk(connection, selector, within, limit)
    if page.cursor is not None:
        return page
    return _page([*page.found, *_told_late(connection, selector, late, limit + 1 - len(page.found))], limit)


def oldest_id(connection: Connection) -> int | None:
    """Return the id of the oldest event that is kept."""
    found: int | None = connection.execute(select(func.min(e.id))).scalar_one()
    return found


def _range(selector: EventSelector, cursor: int | None, below: int | None, *, is_newest_first: bool) -> _Range:
    low = 0 if selector.since is None else lowest_at(selector.since)
    high = _end(selector)
    found = _Range(low, high if below is None else min(high, below), is_newest_first)
    if cursor is None or (cursor >= found.high if is_newest_first else cursor < found.low):
        return found
    return found.beyond(cursor)


def _end(selector: EventSelector) -> int:
    return HIGHEST_ID if selector.until is None else lowest_at(selector.until + _TOLD_LATE_MS)


def _told_late(connection: Connection, selector: EventSelector, within: _Range, limit: int) -> list[Event]:
    """Return what was told so long after it happened that it lies beyond the end of its time; these are few."""
    if selector.until is None or within.low >= within.high:
        return []
    found: list[Event] = []
    while len(found) < limit:
        # Their ids first: with more conditions PostgreSQL would choose another index.
        query = select(e.id).where(*within.conditions, _TOLD_LATE, e.at < selector.until)
        query = query.with_hint(events, "INDEXED BY events_told_late", "sqlite")
        ids = list(connection.execute(query.order_by(within.order).limit(_MOST_MESSAGES)).scalars())
        if not ids:
            break
        found += _matching(connection, selector, within, limit - len(found), (e.id.in_(ids),), index=None)
        within = within.beyond(ids[-1])
    return found


def _messages_with(connection: Connection, selector: EventSelector) -> list[int] | None:
    """Return the messages with the recipient and tag that are wanted, or None where none is, or there are too many."""
    terms = []
    if selector.recipient is not None:
        terms.append(address_term(selector.recipient))
    if selector.tag is not None:
        terms.append(tag_term(selector.tag))
    if not terms:
        return None
    wanted = Wanted(
        account_id=selector.account_id, domain_id=selector.domain_id, until=selector.until, terms=tuple(terms)
    )
    found = message_search.all_ids(connection, wanted, _MOST_MESSAGES)
    if not found:
        return found
    size = select(func.sum(messages.c.recipient_count)).where(messages.c.id.in_(found))
    return found if (connection.execute(size).scalar_one() or 0) <= _MOST_RECIPIENTS else None


def _of_messages(
    connection: Connection, selector: EventSelector, about: Sequence[int], within: _Range, limit: int
) -> EventPage:
    found = _matching(connection, selector, within, limit + 1, (e.message_id.in_(about),), index="events_by_message")
    return _page(found, limit)


def _walk(
    connection: Connection, selector: EventSelector, within: _Range, limit: int, before: Sequence[Event] = ()
) -> EventPage:
    """Walk along a range, after what was found before it."""
    whose = _domains_of(connection, selector)
    found = list(before)
    edge: int | None = None
    for _ in range(_ROUNDS):
        if whose is not None:
            # A domain without anything more takes no share from the others.
            whose = _still_in(connection, within, whose)
            if not whose:
                return _page(found, limit)
        mine = () if whose is None else (e.domain_id.in_(whose),)
        edge = _edge(connection, within, whose)
        part = within if edge is None else within.up_to(edge)
        index = None if whose is None else "events_by_domain"
        found += _matching(connection, selector, part, limit + 1 - len(found), mine, index=index)
        if len(found) > limit or edge is None:
            return _page(found, limit)
        within = within.beyond(edge)
    return EventPage(found=tuple(found), cursor=edge, is_cut=True)


def _page(found: Sequence[Event], limit: int) -> EventPage:
    # One more than the page holds tells whether there is a next one.
    return EventPage(found=tuple(found[:limit]), cursor=found[limit - 1].id if len(found) > limit else None)


def _domains_of(connection: Connection, selector: EventSelector) -> list[int] | None:
    """Return the sending domains that are looked in; None for all of the installation."""
    if selector.domain_id is not None:
        return [selector.domain_id]
    if selector.account_id is None:
        return None
    query = select(domains.c.id).where(domains.c.account_id == selector.account_id)
    return list(connection.execute(query).scalars())


def _still_in(connection: Connection, within: _Range, whose: Sequence[int]) -> list[int]:
    if len(whose) == 1:
        return list(whose)
    more = exists().where(e.domain_id == domains.c.id, *within.conditions).correlate(domains)
    return list(connection.execute(select(domains.c.id).where(domains.c.id.in_(whose), more)).scalars())


def _edge(connection: Connection, within: _Range, whose: Sequence[int] | None) -> int | None:
    """Return the last id of the next stretch, of which each domain has its share; None where the rest is less."""
    share = _WALKED if whose is None else max(_WALKED // len(whose), _LEAST_OF_DOMAIN)
    last = select(e.id).where(*within.conditions).order_by(within.order).offset(share - 1).limit(1)
    if whose is None:
        return connection.execute(last).scalar_one_or_none()
    of_domain: ScalarSelect[int] = last.where(e.domain_id == domains.c.id).correlate(domains).scalar_subquery()
    each = select(of_domain.label("edge")).where(domains.c.id.in_(whose)).subquery()
    nearest = func.max(each.c.edge) if within.is_newest_first else func.min(each.c.edge)
    found: int | None = connection.execute(select(nearest)).scalar_one()
    return found


def _matching(
    connection: Connection,
    selector: EventSelector,
    within: _Range,
    limit: int,
    mine: Sequence[ColumnElement[bool]],
    *,
    index: str | None,
) -> list[Event]:
    found: list[Event] = []
    while len(found) < limit:
        query = select(*COLUMNS).where(*within.conditions, *mine, *conditions(connection, selector))
        if index is not None:
            query = query.with_hint(events, f"INDEXED BY {index}", "sqlite")
        query = query.order_by(within.order).limit(limit)
        read = [rows.event_from(row) for row in connection.execute(query)]
        found += [one for one in read if is_meant(one, selector)]
        if len(read) < limit:
            break
        within = within.beyond(read[-1].id)
    return found[:limit]
