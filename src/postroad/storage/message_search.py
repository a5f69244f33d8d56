"""Finding messages: the newest first, in bounded work, however many there are (decision 0012).

A search looks in three places, each older than the one before: at messages that are not indexed yet, one by one; at
the newest entries of the index, one by one, where whatever is common is found at once; and for the rest at what the
index says of the rarest thing that is asked for. Where even that is too much it stops, and says how far it came.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, select, text

from postroad.model.delivery import DeliveryState, Standing, standing_of
from postroad.model.ids import lowest_at
from postroad.model.message import Message
from postroad.model.search_words import account_term, domain_term
from postroad.storage import messages as message_rows
from postroad.storage import search_index
from postroad.storage.dialect import stands_in
from postroad.storage.schema import accounts, deliveries, domains, search_entries, search_keys
from postroad.storage.search_index import Entry, Pass

HIGHEST_ID = (1 << 63) - 1
_WALKED = 10_000
"""Entries that are looked at one by one before the index is asked: they take about 20 ms."""
_CANDIDATES = 5_000
"""What the index may hand over at a time."""
_ROUNDS = 4
"""How often it is asked, or walked along, before a search says how far it came."""
_UNINDEXED_SLICE = 2_000
_MOST_UNINDEXED = 40_000

e, d, k = search_entries.c, deliveries.c, search_keys.c


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
    words: tuple[str, ...] = ()
    """Whole words of the subject, folded (``model.search_words``)."""
    word_prefix: str | None = None
    """What a word of the subject begins with, folded."""
    keys: tuple[str, ...] = ()
    """Keys that the message has: of a recipient, a destination, a Message-ID."""
    key_prefix: str | None = None
    """What a key of the message begins with."""
    standing: Standing | None = None
    """How at least one of the message's deliveries stands."""

    @property
    def needles(self) -> tuple[tuple[str, str], ...]:
        """What an entry's terms and keys hold: pairs of the column's name and a text in it."""
        return (
            *(("terms", f" {word} ") for word in self.words),
            *((("terms", f" {self.word_prefix}"),) if self.word_prefix else ()),
            *(("keys", f" {key} ") for key in self.keys),
            *((("keys", f" {self.key_prefix}"),) if self.key_prefix else ()),
        )


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
    _settle_planner(connection)
    wanted = _within_account(connection, wanted)
    lowest, start = _bounds(wanted, before)
    reach = _Reach([], start)
    indexed_to = search_index.mark(connection, Pass.FIRST)
    # One more than the page holds tells whether there is a next one.
    _look_at_unindexed(connection, wanted, max(lowest, indexed_to + 1), limit + 1, reach)
    if not reach.is_done:
        reach.before = min(reach.before, indexed_to + 1)
        _look_at_entries(connection, wanted, lowest, limit + 1, reach)
    page_ids = reach.ids[:limit]
    if len(reach.ids) > limit:
        return Page(found=_described(connection, page_ids), before=page_ids[-1])
    return Page(
        found=_described(connection, page_ids), before=reach.before if reach.is_cut else None, is_cut=reach.is_cut
    )


def _within_account(connection: Connection, wanted: Wanted) -> Wanted:
    """Name the account of the domain that is looked in: the index is parted by accounts."""
    if wanted.domain_id is None or wanted.account_id is not None:
        return wanted
    query = select(domains.c.account_id).where(domains.c.id == wanted.domain_id)
    return msgspec.structs.replace(wanted, account_id=connection.execute(query).scalar_one_or_none())


def _bounds(wanted: Wanted, before: int | None) -> tuple[int, int]:
    """Return the lowest id that is looked for, and the one that all are below."""
    lowest = max(wanted.lowest_id, 0 if wanted.since is None else lowest_at(wanted.since))
    below = [min(wanted.highest_id, HIGHEST_ID - 1) + 1]
    if wanted.until is not None:
        below.append(lowest_at(wanted.until))
    if before is not None:
        below.append(before)
    return lowest, min(below)


def _settle_planner(connection: Connection) -> None:
    """Keep PostgreSQL to the indexes: its statistics lag behind a table that grows by thousands of rows a second."""
    if connection.dialect.name == "postgresql":
        settings = {"enable_seqscan": "off", "jit": "off", "plan_cache_mode": "force_custom_plan"}
        calls = [func.set_config(name, value, True) for name, value in settings.items()]
        connection.execute(select(*calls))


def _look_at_unindexed(connection: Connection, wanted: Wanted, lowest: int, limit: int, reach: _Reach) -> None:
    """Find what came in lately, or since the index began to be filled anew; stops when the page is full."""
    looked_at = 0
    needles = wanted.needles
    while reach.before > lowest:
        found = search_index.unindexed(
            connection,
            after=lowest - 1,
            before=reach.before,
            limit=_UNINDEXED_SLICE,
            account_id=wanted.account_id,
            domain_id=wanted.domain_id,
        )
        likely = [row for row in found if not row.subject.isascii() or _may_hold(row.subject, needles)]
        for start in range(0, len(likely), 500):
            part = likely[start : start + 500]
            ids = [row.id for row in part if not needles or _holds(row.entry, needles)]
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


def _may_hold(subject: str, needles: Sequence[tuple[str, str]]) -> bool:
    """Whether an ASCII subject can have the words: far cheaper than taking it apart."""
    small = subject.lower()
    return all(needle.strip() in small for name, needle in needles if name == "terms")


def _holds(entry: Entry, needles: Sequence[tuple[str, str]]) -> bool:
    return all(needle in (entry.terms if name == "terms" else entry.keys) for name, needle in needles)


def _in_standing(connection: Connection, wanted: Wanted, ids: list[int]) -> list[int]:
    if wanted.standing is None or not ids:
        return ids
    query = select(d.message_id).where(d.message_id.in_(ids), _stands(wanted.standing)).distinct()
    standing = set(connection.execute(query).scalars())
    return [one for one in ids if one in standing]


def _look_at_entries(connection: Connection, wanted: Wanted, lowest: int, limit: int, reach: _Reach) -> None:
    """Walk along the newest entries, then ask the index."""
    _walk(connection, wanted, lowest, limit, reach)
    if reach.is_done:
        return
    candidates = _rarest(connection, wanted, lowest, reach.before)
    for _ in range(_ROUNDS - 1):
        if candidates is None:
            _walk(connection, wanted, lowest, limit, reach)
        else:
            _sift(connection, wanted, candidates, limit, reach)
        if reach.is_done:
            return
    reach.is_cut = True


def _walk(connection: Connection, wanted: Wanted, lowest: int, limit: int, reach: _Reach) -> None:
    """Look at the next entries one by one; done when the page is full or nothing is left."""
    mine = [*_scope(wanted), e.message_id >= lowest, e.message_id < reach.before]
    newest_first = e.message_id.desc()
    end_query = select(e.message_id).where(*mine).order_by(newest_first).offset(_WALKED - 1).limit(1)
    end = connection.execute(end_query).scalar_one_or_none()
    query = select(e.message_id).where(*mine, *_conditions(connection, wanted)).order_by(newest_first)
    if end is not None:
        query = query.where(e.message_id >= end)
    reach.ids += connection.execute(query.limit(limit - len(reach.ids))).scalars()
    if end is None or len(reach.ids) >= limit:
        reach.is_done = True
    else:
        reach.before = end


class _Candidates(msgspec.Struct):
    """Messages that match one of the things asked for."""

    query: Select[tuple[int]]
    """Selects ``message_id``, without bound or order."""
    id_column: ColumnElement[int]
    is_distinct: bool = False
    """Each message comes once."""


def _sift(connection: Connection, wanted: Wanted, candidates: _Candidates, limit: int, reach: _Reach) -> None:
    """Keep those of the newest candidates that match in all; done when the page is full or none is left."""
    newest = candidates.query.where(candidates.id_column < reach.before)
    if not candidates.is_distinct:
        newest = newest.distinct()
    newest = newest.order_by(candidates.id_column.desc()).limit(_CANDIDATES)
    taken = newest.cte("taken").prefix_with("MATERIALIZED")
    query = select(e.message_id).where(
        e.message_id.in_(select(taken.c.message_id)), *_scope(wanted), *_conditions(connection, wanted)
    )
    reach.ids += connection.execute(query.order_by(e.message_id.desc()).limit(limit - len(reach.ids))).scalars()
    if len(reach.ids) >= limit:
        reach.is_done = True
        return
    count, last = connection.execute(select(func.count(), func.min(taken.c.message_id))).one()
    if count < _CANDIDATES:
        reach.is_done = True
    else:
        reach.before = last


def _rarest(connection: Connection, wanted: Wanted, lowest: int, before: int) -> _Candidates | None:
    """Return the index that gives the fewest candidates, or None where walking on is better than any."""
    between = (lowest, before)
    choices = [
        *(_having_key(_accounts(connection, wanted), k.key == key, between) for key in wanted.keys),
        *([_in_trouble(connection, wanted, between)] if wanted.standing in _TROUBLED else []),
    ]
    bounded = [
        *(
            [_having_key(_accounts(connection, wanted), _begins(wanted.key_prefix), between)]
            if wanted.key_prefix
            else []
        ),
        *([_unfinished(wanted.standing, between)] if wanted.standing in _OPEN else []),
    ]
    by_words = _by_words(connection, wanted, between) if wanted.words or wanted.word_prefix else None
    if len(choices) == 1 and not bounded and by_words is None:
        return choices[0]
    counts = [(_counted(connection, one), number) for number, one in enumerate([*choices, *bounded])]
    few = [(count, number) for count, number in counts if count < _CANDIDATES]
    if few:
        return [*choices, *bounded][min(few)[1]]
    return by_words or (choices[0] if choices else None)


def _counted(connection: Connection, candidates: _Candidates) -> int:
    some = candidates.query.limit(_CANDIDATES).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


_TROUBLE = text("(state IN ('held', 'bounced', 'suppressed', 'cancelled') OR (state = 'scheduled' AND attempts > 0))")
"""In the words of the partial index ``deliveries_in_trouble``."""
_TROUBLED = {Standing.HELD, Standing.BOUNCED, Standing.SUPPRESSED, Standing.CANCELLED, Standing.DEFERRED}
_OPEN = {Standing.SCHEDULED: DeliveryState.SCHEDULED, Standing.LEASED: DeliveryState.LEASED}


def _accounts(connection: Connection, wanted: Wanted) -> list[int]:
    if wanted.account_id is not None:
        return [wanted.account_id]
    return list(connection.execute(select(accounts.c.id)).scalars())


def _in_trouble(connection: Connection, wanted: Wanted, between: tuple[int, int]) -> _Candidates:
    assert wanted.standing is not None
    state = "scheduled" if wanted.standing is Standing.DEFERRED else wanted.standing.value
    mine = d.account_id.in_(_accounts(connection, wanted))
    query = select(d.message_id).where(_TROUBLE, d.state == state, mine, *_within(d.message_id, between))
    return _Candidates(query, d.message_id)


def _unfinished(standing: Standing | None, between: tuple[int, int]) -> _Candidates:
    assert standing is not None
    query = select(d.message_id).where(stands_in(_OPEN[standing]), *_within(d.message_id, between))
    return _Candidates(query, d.message_id)


def _having_key(whose: Sequence[int], condition: ColumnElement[bool], between: tuple[int, int]) -> _Candidates:
    query = select(k.message_id).where(k.account_id.in_(whose), condition, *_within(k.message_id, between))
    return _Candidates(query, k.message_id)


def _begins(prefix: str | None) -> ColumnElement[bool]:
    assert prefix is not None
    return and_(k.key >= prefix, k.key < f"{prefix}\U0010ffff")


def _by_words(connection: Connection, wanted: Wanted, between: tuple[int, int]) -> _Candidates:
    whose = []
    if wanted.domain_id is not None:
        whose.append(domain_term(wanted.domain_id))
    elif wanted.account_id is not None:
        whose.append(account_term(wanted.account_id))
    words = [*wanted.words, *whose]
    if connection.dialect.name == "sqlite":
        w = search_index.search_words.c
        terms = [f'"{word}"' for word in words] + ([f'"{wanted.word_prefix}"*'] if wanted.word_prefix else [])
        match = text("search_words MATCH :terms").bindparams(terms=" ".join(terms))
        query = select(w.rowid.label("message_id")).where(match, *_within(w.rowid, between))
        return _Candidates(query, w.rowid, is_distinct=True)
    terms = [f"'{word}'" for word in words] + ([f"'{wanted.word_prefix}':*"] if wanted.word_prefix else [])
    match = text("array_to_tsvector(string_to_array(btrim(terms), ' ')) @@ CAST(:terms AS tsquery)")
    # By itself, without a condition on ids: else the planner may walk along those and take each row's terms apart.
    hits = select(e.message_id).where(match.bindparams(terms=" & ".join(terms))).cte("hits").prefix_with("MATERIALIZED")
    query = select(hits.c.message_id).where(*_within(hits.c.message_id, between))
    return _Candidates(query, hits.c.message_id, is_distinct=True)


def _within(id_column: ColumnElement[int], between: tuple[int, int]) -> tuple[ColumnElement[bool], ...]:
    return id_column >= between[0], id_column < between[1]


def _scope(wanted: Wanted) -> list[ColumnElement[bool]]:
    scope = []
    if wanted.domain_id is not None:
        scope.append(e.domain_id == wanted.domain_id)
    if wanted.account_id is not None:
        scope.append(e.account_id == wanted.account_id)
    return scope


def _conditions(connection: Connection, wanted: Wanted) -> list[ColumnElement[bool]]:
    """Return what holds of each entry that matches, tested on its row."""
    holds = func.instr if connection.dialect.name == "sqlite" else func.strpos
    conditions: list[ColumnElement[bool]] = [holds(e[name], needle) > 0 for name, needle in wanted.needles]
    if wanted.standing is not None:
        conditions.append(exists().where(d.message_id == e.message_id, _stands(wanted.standing)))
    return conditions


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
