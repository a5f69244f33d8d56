"""Finding messages: the newest first, in bounded work, however many there are (decision 0012).

A search looks in three places, each older than the one before: at messages that are not indexed yet, one by one; at
the newest entries of the index, one by one, where whatever is common is found at once; and for the rest at what the
index says of the rarest thing that is asked for. Where even that is too much it stops, and says how far it came.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    any_,
    cast,
    exists,
    func,
    select,
    text,
)

from postroad.model.delivery import DeliveryState, Standing, standing_of
from postroad.model.ids import HIGHEST_ID, lowest_at
from postroad.model.message import Message
from postroad.model.search_words import account_term, domain_term
from postroad.storage import messages as message_rows
from postroad.storage import search_index
from postroad.storage.dialect import keep_to_indexes, stands_in
from postroad.storage.schema.control_plane import accounts, domains
from postroad.storage.schema.data_plane import deliveries, search_entries
from postroad.storage.search_index import Pass

_WALKED = 10_000
"""Entries that are looked at one by one before the index is asked: they take about 20 ms."""
_CANDIDATES = 5_000
"""What the index may hand over at a time."""
_ROUNDS = 4
"""How often it is asked, or walked along further, before a search says how far it came."""
_SIFTED = 1_000
"""Candidates that are compared with all that is wanted at a time."""
_UNINDEXED_SLICE = 2_000
_MOST_UNINDEXED = 40_000

e, d = search_entries.c, deliveries.c
_decode = msgspec.json.Decoder(list[int]).decode


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What messages are looked for; what is not said selects all."""

    account_id: int | None = None
    domain_id: int | None = None
    lowest_id: int = 0
    highest_id: int = HIGHEST_ID
    """Both inclusive: the range of an id's first characters."""
    since: int | None = None
    until: int | None = None
    """Up to, but not at, this instant."""
    terms: tuple[str, ...] = ()
    """Terms that the message has (``model.search_words``): of its subject, a recipient, its Message-ID."""
    beginnings: tuple[str, ...] = ()
    """What terms of the message begin with."""
    standing: Standing | None = None
    """How at least one of the message's deliveries stands."""

    @property
    def needles(self) -> tuple[str, ...]:
        """What is in the text of an entry's terms."""
        return (*(f" {term} " for term in self.terms), *(f" {beginning}" for beginning in self.beginnings))


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a page, with what a list tells of its deliveries."""

    message: Message
    recipients: tuple[str, ...]
    """Some of them; the message says how many there are."""
    standings: dict[Standing, int]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Messages, newest first."""

    found: tuple[Found, ...]
    before: int | None
    """Leads to the next page; null where there is nothing older."""
    is_cut: bool = False
    """The search stopped at the bound of its work: older messages than ``before`` may match."""


class _Reach(msgspec.Struct):
    """What has been found, and how far down."""

    ids: list[int]
    before: int
    """All with ids from here on have been looked at."""
    is_done: bool = False
    is_cut: bool = False


def search(connection: Connection, wanted: Wanted, limit: int, before: int | None = None) -> Page:
    """Return the newest messages that match, of those older than the id ``before`` where it is given."""
    within = _within_account(connection, wanted)
    if within is None:
        return Page(found=(), before=None)
    return _search(connection, within, limit, before)


def _search(connection: Connection, wanted: Wanted, limit: int, before: int | None) -> Page:
    # One more than the page holds tells whether there is a next one.
    reach = _reached(connection, wanted, limit + 1, before)
    page_ids = reach.ids[:limit]
    if len(reach.ids) > limit:
        return Page(found=_described(connection, page_ids), before=page_ids[-1])
    return Page(
        found=_described(connection, page_ids), before=reach.before if reach.is_cut else None, is_cut=reach.is_cut
    )


def all_ids(connection: Connection, wanted: Wanted, most: int) -> list[int] | None:
    """Return the ids of all messages that match; None where there are more than ``most``, or may be."""
    within = _within_account(connection, wanted)
    if within is None:
        return []
    reach = _reached(connection, within, most + 1, None)
    return None if reach.is_cut or len(reach.ids) > most else reach.ids


def _reached(connection: Connection, wanted: Wanted, limit: int, before: int | None) -> _Reach:
    keep_to_indexes(connection)
    lowest, start = _bounds(wanted, before)
    reach = _Reach([], start)
    indexed_to = search_index.mark(connection, Pass.FIRST)
    _look_at_unindexed(connection, wanted, max(lowest, indexed_to + 1), limit, reach)
    if not reach.is_done:
        reach.before = min(reach.before, indexed_to + 1)
        _look_at_entries(connection, wanted, lowest, limit, reach)
    return reach


def _within_account(connection: Connection, wanted: Wanted) -> Wanted | None:
    """Name the account of the domain that is looked in, or return None where it is not the one that is wanted."""
    if wanted.domain_id is None:
        return wanted
    query = select(domains.c.account_id).where(domains.c.id == wanted.domain_id)
    account_id = connection.execute(query).scalar_one_or_none()
    if account_id is None or wanted.account_id not in {None, account_id}:
        return None
    return msgspec.structs.replace(wanted, account_id=account_id)


def _bounds(wanted: Wanted, before: int | None) -> tuple[int, int]:
    """Return the lowest id that is looked for, and the one that all are below."""
    lowest = max(wanted.lowest_id, 0 if wanted.since is None else lowest_at(wanted.since))
    below = [min(wanted.highest_id, HIGHEST_ID - 1) + 1]
    if wanted.until is not None:
        below.append(lowest_at(wanted.until))
    if before is not None:
        below.append(before)
    return lowest, min(below)


def _look_at_unindexed(connection: Connection, wanted: Wanted, lowest: int, limit: int, reach: _Reach) -> None:
    """Find what came in lately, or since the index began to be filled anew; stops when the page is full."""
    looked_at = 0
    while reach.before > lowest:
        found = search_index.unindexed(
            connection,
            after=lowest - 1,
            before=reach.before,
            limit=_UNINDEXED_SLICE,
            account_id=wanted.account_id,
            domain_id=wanted.domain_id,
        )
        ids = [one.id for one in found if not wanted.needles or _holds(one.terms, wanted.needles)]
        reach.ids += _in_standing(connection, wanted, ids)
        if len(reach.ids) >= limit:
            reach.is_done = True
            return
        if len(found) < _UNINDEXED_SLICE:
            return
        reach.before = found[-1].id
        looked_at += len(found)
        if looked_at >= _MOST_UNINDEXED:
            reach.is_done = reach.is_cut = True
            return


def _holds(terms: str, needles: Sequence[str]) -> bool:
    return all(needle in terms for needle in needles)


def _in_standing(connection: Connection, wanted: Wanted, ids: list[int]) -> list[int]:
    if wanted.standing is None or not ids:
        return ids
    query = select(d.message_id).where(d.message_id.in_(ids), _stands(wanted.standing)).distinct()
    standing = set(_ids(connection, query))
    return [one for one in ids if one in standing]


def _look_at_entries(connection: Connection, wanted: Wanted, lowest: int, limit: int, reach: _Reach) -> None:
    """Walk along the newest entries, then ask the index."""
    _walk(connection, wanted, lowest, limit, reach)
    if reach.is_done:
        return
    rounds = _choice(connection, wanted, lowest, reach.before)
    for number in range(_ROUNDS):
        if rounds:
            # Where one thing is wanted, a few candidates are the page.
            most = _CANDIDATES if number > len(rounds) else min(_SIFTED, _CANDIDATES)
            _sift(connection, wanted, rounds[min(number, len(rounds) - 1)], limit, reach, most=most)
        else:
            _walk(connection, wanted, lowest, limit, reach)
        if reach.is_done:
            return
    reach.is_cut = True


def _walk(connection: Connection, wanted: Wanted, lowest: int, limit: int, reach: _Reach) -> None:
    """Look at the next entries one by one; done when the page is full or nothing is left."""
    mine = [e.message_id < reach.before]
    if wanted.domain_id is not None:
        mine.append(e.domain_id == wanted.domain_id)
    elif wanted.account_id is not None:
        mine.append(e.account_id == wanted.account_id)
    newest_first = e.message_id.desc()
    within = select(e.message_id).where(*mine, e.message_id >= lowest).order_by(newest_first)
    end = connection.execute(within.offset(_WALKED - 1).limit(1)).scalar_one_or_none()
    # One lower bound: of two, SQLite starts its walk from either.
    query = select(e.message_id).where(*mine, e.message_id >= (lowest if end is None else end))
    query = query.where(*_conditions(connection, wanted)).order_by(newest_first)
    reach.ids += _ids(connection, query.limit(limit - len(reach.ids)))
    if end is None or len(reach.ids) >= limit:
        reach.is_done = True
    else:
        reach.before = end


class _Candidates(msgspec.Struct):
    """Messages that match one of the things asked for."""

    query: Select[int]
    """Selects ``message_id``, without order and upper bound."""
    id_column: ColumnElement[int]
    is_full_text: bool = False


def _sift(
    connection: Connection, wanted: Wanted, candidates: _Candidates, limit: int, reach: _Reach, *, most: int
) -> None:
    """Keep those of the newest candidates that match in all; done when the page is full or none is left."""
    taken = _newest(connection, candidates, reach.before, most)
    for start in range(0, len(taken), _SIFTED):
        part = taken[start : start + _SIFTED]
        # By their ids: what is wanted besides is only looked at, and leads to no other index.
        query = select(e.message_id).where(
            _is_one_of(connection, part),
            *([e.domain_id + 0 == wanted.domain_id] if wanted.domain_id is not None else []),
            *([e.account_id + 0 == wanted.account_id] if wanted.account_id is not None else []),
            *_conditions(connection, wanted),
        )
        reach.ids += _ids(connection, query.order_by(e.message_id.desc()).limit(limit - len(reach.ids)))
        if len(reach.ids) >= limit:
            reach.is_done = True
            return
    if len(taken) < most:
        reach.is_done = True
    else:
        reach.before = taken[-1]


def _newest(connection: Connection, candidates: _Candidates, before: int, most: int) -> list[int]:
    query = candidates.query.where(candidates.id_column < before).order_by(candidates.id_column.desc()).limit(most)
    if not candidates.is_full_text:
        # A message has several deliveries, and one entry.
        return _ids(connection, query.distinct())
    is_postgres = connection.dialect.name == "postgresql"
    if is_postgres:
        # A GIN index has no other way.
        connection.execute(select(func.set_config("enable_bitmapscan", "on", True)))
    taken = _ids(connection, query)
    if is_postgres:
        connection.execute(select(func.set_config("enable_bitmapscan", "off", True)))
    return taken


def _choice(connection: Connection, wanted: Wanted, lowest: int, before: int) -> list[_Candidates]:
    """Return which index to ask in each round, the last one from there on; none where walking on is better than any."""
    by_terms = [_by_terms(connection, wanted, lowest)] if wanted.needles else []
    if wanted.standing in _TROUBLED:
        in_trouble = _in_trouble(connection, wanted, lowest)
        # It comes in order, so a first look costs little, and finds what is common among what is in trouble.
        return [in_trouble] if _are_few(connection, in_trouble, before) else [in_trouble, *by_terms]
    if wanted.standing in _OPEN:
        unfinished = _unfinished(wanted.standing, lowest)
        return [unfinished] if _are_few(connection, unfinished, before) else by_terms
    return by_terms


def _are_few(connection: Connection, candidates: _Candidates, before: int) -> bool:
    some = candidates.query.where(candidates.id_column < before).limit(_CANDIDATES).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one() < _CANDIDATES


_TROUBLE = text("(state IN ('held', 'bounced', 'suppressed', 'cancelled') OR (state = 'scheduled' AND attempts > 0))")
"""In the words of the partial index ``deliveries_in_trouble``."""
_TROUBLED = {Standing.HELD, Standing.BOUNCED, Standing.SUPPRESSED, Standing.CANCELLED, Standing.DEFERRED}
_OPEN = {Standing.SCHEDULED: DeliveryState.SCHEDULED, Standing.LEASED: DeliveryState.LEASED}


def _in_trouble(connection: Connection, wanted: Wanted, lowest: int) -> _Candidates:
    assert wanted.standing is not None
    state = "scheduled" if wanted.standing is Standing.DEFERRED else wanted.standing.value
    known = [wanted.account_id] if wanted.account_id is not None else _ids(connection, select(accounts.c.id))
    query = select(d.message_id).where(_TROUBLE, d.state == state, d.account_id.in_(known), d.message_id >= lowest)
    return _Candidates(query, d.message_id)


def _unfinished(standing: Standing, lowest: int) -> _Candidates:
    query = select(d.message_id).where(stands_in(_OPEN[standing]), d.message_id >= lowest)
    return _Candidates(query, d.message_id)


def _by_terms(connection: Connection, wanted: Wanted, lowest: int) -> _Candidates:
    terms = list(wanted.terms)
    if wanted.domain_id is not None:
        terms.append(domain_term(wanted.domain_id))
    elif wanted.account_id is not None:
        terms.append(account_term(wanted.account_id))
    if connection.dialect.name == "sqlite":
        w = search_index.search_words.c
        sought = [f'"{term}"' for term in terms] + [f'"{beginning}"*' for beginning in wanted.beginnings]
        match = text("search_words MATCH :terms").bindparams(terms=" ".join(sought))
        return _Candidates(
            select(w.rowid.label("message_id")).where(match, w.rowid >= lowest), w.rowid, is_full_text=True
        )
    sought = [f"'{term}'" for term in terms] + [f"'{beginning}':*" for beginning in wanted.beginnings]
    match = text("array_to_tsvector(string_to_array(btrim(terms), ' ')) @@ CAST(:terms AS tsquery)")
    # By itself, without a condition on ids: else the planner may walk along those and take each row's terms apart.
    matching = select(e.message_id).where(match.bindparams(terms=" & ".join(sought)))
    hits = matching.cte("hits").prefix_with("MATERIALIZED")
    return _Candidates(
        select(hits.c.message_id).where(hits.c.message_id >= lowest), hits.c.message_id, is_full_text=True
    )


def _conditions(connection: Connection, wanted: Wanted) -> list[ColumnElement[bool]]:
    """Return what holds of each entry that matches, tested on its row."""
    holds = func.instr if connection.dialect.name == "sqlite" else func.strpos
    conditions: list[ColumnElement[bool]] = [holds(e.terms, needle) > 0 for needle in wanted.needles]
    if wanted.standing is not None:
        conditions.append(exists().where(d.message_id == e.message_id, _stands(wanted.standing)))
    return conditions


def _ids(connection: Connection, query: Select[int]) -> list[int]:
    """Return the ids that a query selects, as one value (see ``search_index``)."""
    found = query.subquery()
    gathered = func.json_group_array if connection.dialect.name == "sqlite" else func.json_agg
    told = connection.execute(select(cast(gathered(next(iter(found.c))), Text))).scalar_one()
    return sorted(_decode(told or "[]"), reverse=True)


def _is_one_of(connection: Connection, ids: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition that an entry's id is among ``ids``, which go over as one value."""
    if connection.dialect.name == "sqlite":
        told = msgspec.json.encode(ids).decode()
        return e.message_id.in_(select(func.json_each(told).table_valued("value").c.value))
    return e.message_id == any_(cast(list(ids), ARRAY(BigInteger)))


def _stands(standing: Standing) -> ColumnElement[bool]:
    if standing is Standing.DEFERRED:
        return and_(d.state == DeliveryState.SCHEDULED.value, d.attempts > 0)
    if standing is Standing.SCHEDULED:
        return and_(d.state == DeliveryState.SCHEDULED.value, d.attempts == 0)
    return and_(d.state == standing.value)


def _described(connection: Connection, ids: Sequence[int]) -> tuple[Found, ...]:
    """Return messages with what a list tells of them; one that was removed meanwhile is left out."""
    if not ids:
        return ()
    facts = message_rows.get_many(connection, ids)
    recipients: dict[int, list[str]] = {one: [] for one in ids}
    standings: dict[int, dict[Standing, int]] = {one: {} for one in ids}
    query = select(d.message_id, d.state, d.attempts, d.recipient).where(d.message_id.in_(ids)).order_by(d.id)
    for message_id, state, attempts, recipient in connection.execute(query):
        if len(recipients[message_id]) < 3:
            recipients[message_id].append(recipient)
        standing = standing_of(DeliveryState(state), attempts)
        standings[message_id][standing] = standings[message_id].get(standing, 0) + 1
    return tuple(
        Found(message=facts[one], recipients=tuple(recipients[one]), standings=standings[one])
        for one in ids
        if one in facts
    )
