"""Counters: how many events of each type a domain had in each hour and day, in all and by what tells them apart."""

import enum
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    Subquery,
    Table,
    delete,
    func,
    literal,
    select,
    union_all,
)

from postroad.storage.dialect import claimed_rows, insert_into
from postroad.storage.schema.data_plane import counter_deltas, counters_daily, counters_four_weekly, counters_hourly

HOURS_OF_DAY = 24
HOURS_OF_FOUR_WEEKS = 28 * HOURS_OF_DAY
"""The longest that is counted as one: sums of a year read some forty counters of each key, not 365."""
MOST_TAGS = 200
"""Tags that are counted on their own in one hour of a domain: counters are kept for ever, and a tag may be anything."""
MOST_DESTINATIONS = 200
"""Destinations that are, for the same reason."""
FURTHER = ""
"""The key that all others are counted under; no tag or destination is empty."""
EXPIRED = "expired"
"""The key, among all events, of the bounces that ended a delivery because its time was over."""
_KEY = ("domain_id", "dimension", "key", "type")


class Dimension(enum.Enum):
    """What events are counted by."""

    ALL = "all"
    """All of them together, with an empty key; some of them once more under a key that says which (``EXPIRED``)."""
    TAG = "tag"
    DESTINATION = "destination"
    BOUNCE_CLASS = "bounce-class"


_MOST = {Dimension.TAG.value: MOST_TAGS, Dimension.DESTINATION.value: MOST_DESTINATIONS}
_Thing = tuple[str, str]
"""A dimension and a key in it."""
_Place = tuple[int, int, str]
"""A domain's id, an hour, and a dimension whose keys have only so much room there."""


class Period(enum.Enum):
    """What a count spans."""

    HOUR = "hour"
    DAY = "day"


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many events of one type."""

    domain_id: int
    period: int
    """Hours or days since 1970-01-01 UTC."""
    dimension: str
    """What the events are counted by; ``all`` for all of them together."""
    key: str
    type: str
    count: int


def fold(connection: Connection, limit: int) -> int:
    """Move at most ``limit`` deltas into the counters, each exactly once; returns how many.

    Of an hour's tags and destinations the first ``MOST_TAGS`` and ``MOST_DESTINATIONS`` are counted on their own. Here and
    not where events are written, because that would cost each transaction a look at what other workers count; two nodes
    that fold at once may both fill the last places.
    """
    oldest = claimed_rows(select(counter_deltas.c.id).order_by(counter_deltas.c.id).limit(limit))
    columns = [counter_deltas.c[name] for name in ("id", "count", *_Delta.__struct_fields__)]
    statement = delete(counter_deltas).where(counter_deltas.c.id.in_(oldest)).returning(*columns)
    rows = sorted(connection.execute(statement).all(), key=lambda row: row[0])
    # Most deltas count what others do, and what comes after costs more than adding them up.
    alike: Counter[tuple[Any, ...]] = Counter()
    for _, count, *told in rows:
        alike[tuple(told)] += count
    _add_all(connection, [(_Delta(*told), count) for told, count in alike.items()])
    return len(rows)


class _Delta(msgspec.Struct, frozen=True, array_like=True):
    """What deltas count, without how many."""

    domain_id: int
    hour: int
    dimension: str
    key: str
    type: str
    destination: str
    bounce_class: str
    is_expired: bool


def _add_all(connection: Connection, deltas: Sequence[tuple[_Delta, int]]) -> None:
    rooms = _rooms_of(connection, [delta for delta, _ in deltas])
    hourly: Counter[tuple[object, ...]] = Counter()
    daily: Counter[tuple[object, ...]] = Counter()
    four_weekly: Counter[tuple[object, ...]] = Counter()
    for delta, count in deltas:
        for dimension, key in _things_of(delta):
            room = rooms.get((delta.domain_id, delta.hour, dimension))
            counted = (delta.domain_id, dimension, key if room is None else room.key_for(key), delta.type)
            hourly[(delta.hour, *counted)] += count
            daily[(delta.hour // HOURS_OF_DAY, *counted)] += count
            four_weekly[(delta.hour // HOURS_OF_FOUR_WEEKS, *counted)] += count
    _add(connection, counters_hourly, "hour", hourly)
    _add(connection, counters_daily, "day", daily)
    _add(connection, counters_four_weekly, "four_weeks", four_weekly)


def _things_of(delta: _Delta) -> Iterator[_Thing]:
    """Yield all that a delta is counted under."""
    yield delta.dimension, delta.key
    if delta.is_expired:
        yield Dimension.ALL.value, EXPIRED
    if delta.destination:
        yield Dimension.DESTINATION.value, delta.destination
    if delta.bounce_class:
        yield Dimension.BOUNCE_CLASS.value, delta.bounce_class


class _Room(msgspec.Struct):
    """What is counted on its own of a domain's hour, as far as a fold has to know."""

    counted: set[str]
    left: int
    """For so many more."""

    def key_for(self, key: str) -> str:
        """Return what a key is counted under, taking a place for it where there is one."""
        if key not in self.counted:
            if self.left <= 0:
                return FURTHER
            self.counted.add(key)
            self.left -= 1
        return key


def _rooms_of(connection: Connection, deltas: Iterable[_Delta]) -> dict[_Place, _Room]:
    keys: dict[_Place, set[str]] = {}
    for delta in deltas:
        for dimension, key in _things_of(delta):
            if dimension in _MOST:
                keys.setdefault((delta.domain_id, delta.hour, dimension), set()).add(key)
    return {place: _room_in(connection, place, of_deltas) for place, of_deltas in keys.items()}


def _room_in(connection: Connection, place: _Place, keys: set[str]) -> _Room:
    # The domain's hour alone: asked about many pairs of them at once, SQLite would read all counters there are.
    domain_id, hour, dimension = place
    of = counters_hourly.c
    here = (of.domain_id == domain_id, of.dimension == dimension, of.hour == hour)
    found = connection.execute(select(of.key).where(*here, of.key.in_([*keys, FURTHER])))
    counted = set(found.scalars())
    if FURTHER in counted or counted >= keys:
        return _Room(counted, 0)
    number = connection.execute(select(func.count(of.key.distinct())).where(*here)).scalar_one()
    return _Room(counted, _MOST[dimension] - number)


def _add(connection: Connection, table: Table, period: str, counts: Counter[tuple[object, ...]]) -> None:
    names = (period, *_KEY)
    # In one order everywhere, so that two transactions over the same rows wait for each other instead of for ever.
    values = [dict(zip(names, key, strict=True)) | {"count": counts[key]} for key in sorted(counts, key=repr)]
    if values:
        statement = insert_into(connection, table)
        added = {"count": table.c.count + statement.excluded.count}
        connection.execute(statement.on_conflict_do_update(index_elements=names, set_=added), values)


def read(
    connection: Connection,
    period: Period,
    since: int,
    until: int,
    domain_id: int | None = None,
    *,
    tag: str | None = None,
) -> list[Count]:
    """Return the counts of the periods from ``since`` up to, not at, ``until``, with what is not folded yet."""
    return read_of(connection, period, since, until, None if domain_id is None else [domain_id], tag=tag)


def read_of(
    connection: Connection,
    period: Period,
    since: int,
    until: int,
    domain_ids: Collection[int] | None,
    *,
    tag: str | None = None,
) -> list[Count]:
    """Return the counts of some domains, or of all where it is None; with a tag, of the mail that has it."""
    both = _counted(period)
    key = [both.c.domain_id, both.c.period, both.c.dimension, both.c.key, both.c.type]
    dimension, of = (Dimension.ALL, "") if tag is None else (Dimension.TAG, tag.casefold())
    query = select(*key, func.sum(both.c.count)).where(both.c.period >= since, both.c.period < until)
    if domain_ids is not None:
        query = query.where(both.c.domain_id.in_(domain_ids))
    query = query.where(both.c.dimension == dimension.value, both.c.key == of)
    return [
        Count(domain_id=row[0], period=row[1], dimension=row[2], key=row[3], type=row[4], count=int(row[5]))
        for row in connection.execute(query.group_by(*key).order_by(*key))
    ]


def _counted(period: Period) -> Subquery:
    """Return the counts of each period, with what is not folded yet."""
    table = counters_hourly if period is Period.HOUR else counters_daily
    hours = 1 if period is Period.HOUR else HOURS_OF_DAY
    # SQLAlchemy's // is floor division on both engines.
    unfolded = (counter_deltas.c.hour // literal(hours)).label("period")
    folded_key = [table.c[name] for name in _KEY]
    delta_key = [counter_deltas.c[name] for name in _KEY]
    return union_all(
        select(table.c[period.value].label("period"), *folded_key, table.c.count),
        select(unfolded, *delta_key, counter_deltas.c.count),
    ).subquery()


def has_any(connection: Connection, domain_ids: Collection[int], type_: str) -> bool:
    """Whether an event of a type was ever counted for some domains."""
    for table in (counters_daily, counter_deltas):
        mine = (table.c.domain_id.in_(domain_ids), table.c.dimension == Dimension.ALL.value, table.c.type == type_)
        if connection.execute(select(table.c.domain_id).where(*mine).limit(1)).first() is not None:
            return True
    return False
