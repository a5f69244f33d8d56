"""Counters: how many events of each type a domain had in each hour and day."""

import enum
from collections import Counter
from collections.abc import Collection, Iterable

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Subquery,
    Table,
    delete,
    func,
    literal,
    select,
    union_all,
)

from postroad.storage.dialect import claimed_rows, insert_into
from postroad.storage.schema import counter_deltas, counters_daily, counters_hourly

HOURS_OF_DAY = 24
MOST_TAGS = 200
"""Tags that are counted on their own in one hour of a domain: counters are kept for ever, and a tag may be anything."""
FURTHER_TAGS = ""
"""The key that all others are counted under; no tag is empty."""
_TAG = "tag"
_KEY = ("domain_id", "dimension", "key", "type")

_Hour = tuple[int, int]
"""A domain's id, and an hour."""


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

    Of an hour's tags the first ``MOST_TAGS`` are counted on their own. Here and not where events are written, because that
    would cost each transaction a look at what other workers count; two nodes that fold at once may both fill the last places.
    """
    oldest = claimed_rows(select(counter_deltas.c.id).order_by(counter_deltas.c.id).limit(limit))
    statement = delete(counter_deltas).where(counter_deltas.c.id.in_(oldest)).returning(*counter_deltas.c)
    deltas = sorted(connection.execute(statement).mappings(), key=lambda row: row["id"])
    tags = _tags_of(connection, deltas)
    hourly: Counter[tuple[object, ...]] = Counter()
    daily: Counter[tuple[object, ...]] = Counter()
    for row in deltas:
        own = _own_key(row, tags)
        key = tuple(own if name == "key" else row[name] for name in _KEY)
        hourly[(row["hour"], *key)] += row["count"]
        daily[(row["hour"] // HOURS_OF_DAY, *key)] += row["count"]
    _add(connection, counters_hourly, Period.HOUR, hourly)
    _add(connection, counters_daily, Period.DAY, daily)
    return len(deltas)


class _Tags(msgspec.Struct):
    """What is counted on its own of a domain's hour, as far as a fold has to know."""

    counted: set[str]
    room: int
    """For so many more."""


def _tags_of(connection: Connection, deltas: Iterable[RowMapping]) -> dict[_Hour, _Tags]:
    keys: dict[_Hour, set[str]] = {}
    for delta in deltas:
        if delta["dimension"] == _TAG:
            keys.setdefault((delta["domain_id"], delta["hour"]), set()).add(delta["key"])
    return {hour: _tags_counted(connection, *hour, of_deltas) for hour, of_deltas in keys.items()}


def _tags_counted(connection: Connection, domain_id: int, hour: int, keys: set[str]) -> _Tags:
    # The domain's hour alone: asked about many pairs of them at once, SQLite would read all counters there are.
    of = counters_hourly.c
    here = (of.domain_id == domain_id, of.hour == hour, of.dimension == _TAG)
    found = connection.execute(select(of.key).where(*here, of.key.in_([*keys, FURTHER_TAGS])))
    counted = set(found.scalars())
    if FURTHER_TAGS in counted or counted >= keys:
        return _Tags(counted, 0)
    number = connection.execute(select(func.count(of.key.distinct())).where(*here)).scalar_one()
    return _Tags(counted, MOST_TAGS - number)


def _own_key(delta: RowMapping, tags: dict[_Hour, _Tags]) -> str:
    """Return what a delta is counted under."""
    key = str(delta["key"])
    if delta["dimension"] != _TAG:
        return key
    mine = tags[delta["domain_id"], delta["hour"]]
    if key not in mine.counted:
        if mine.room <= 0:
            return FURTHER_TAGS
        mine.counted.add(key)
        mine.room -= 1
    return key


def _add(connection: Connection, table: Table, period: Period, counts: Counter[tuple[object, ...]]) -> None:
    names = (period.value, *_KEY)
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
    dimension, of = ("all", "") if tag is None else (_TAG, tag.casefold())
    query = select(*key, func.sum(both.c.count)).where(*_within(both, since, until, domain_ids))
    query = query.where(both.c.dimension == dimension, both.c.key == of)
    return [
        Count(domain_id=row[0], period=row[1], dimension=row[2], key=row[3], type=row[4], count=int(row[5]))
        for row in connection.execute(query.group_by(*key).order_by(*key))
    ]


def read_tags(
    connection: Connection, since: int, until: int, domain_ids: Collection[int] | None, limit: int
) -> dict[str, dict[str, int]]:
    """Return how many events of each type the mail with each tag had between two hours, the tags with most of them first.

    Tags are in small letters, as they are compared. A message with two tags counts for both. ``FURTHER_TAGS`` stands for those
    that an hour had no room for; for as long as they are not folded they stand there on their own.
    """
    both = _counted(Period.HOUR)
    within = [*_within(both, since, until, domain_ids), both.c.dimension == _TAG]
    total = func.sum(both.c.count)
    most = select(both.c.key).where(*within).group_by(both.c.key).order_by(total.desc(), both.c.key).limit(limit)
    tags: dict[str, dict[str, int]] = {key: {} for key in connection.execute(most).scalars()}
    query = select(both.c.key, both.c.type, total).where(*within, both.c.key.in_(list(tags)))
    for key, kind, count in connection.execute(query.group_by(both.c.key, both.c.type)):
        tags[key][kind] = int(count)
    return tags


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


def _within(both: Subquery, since: int, until: int, domain_ids: Collection[int] | None) -> list[ColumnElement[bool]]:
    conditions = [both.c.period >= since, both.c.period < until]
    return conditions if domain_ids is None else [*conditions, both.c.domain_id.in_(domain_ids)]


def has_any(connection: Connection, domain_ids: Collection[int], type_: str) -> bool:
    """Whether an event of a type was ever counted for some domains."""
    for table in (counters_daily, counter_deltas):
        query = select(table.c.domain_id).where(table.c.domain_id.in_(domain_ids), table.c.type == type_).limit(1)
        if connection.execute(query).first() is not None:
            return True
    return False
