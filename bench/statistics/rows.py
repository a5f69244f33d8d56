"""A year of counters, written in bulk: hourly and daily ones that agree, and some deltas that are not folded yet."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy

from postroad.model.event import EventType
from postroad.model.outcome import BounceClass
from postroad.storage.counters import Dimension
from postroad.storage.database import Database
from postroad.storage.rows import HOUR_MS
from postroad.storage.schema import data_plane

NOW = 1_800_000_000_000
LAST_HOUR = NOW // HOUR_MS
DOMAIN_IDS = (1, 2)
TAGS = tuple(f"campaign {number}" for number in range(50))
DESTINATIONS = tuple(f"d{number}.example" for number in range(300))
TAGS_OF_HOUR, DESTINATIONS_OF_HOUR = 12, 30
UNFOLDED = 1_000
_TYPES = tuple(kind.value for kind in (EventType.ACCEPTED, EventType.DELIVERED, EventType.DEFERRED, EventType.BOUNCED))
_PART = 20_000

Thing = tuple[int, str, str, str]
"""Domain, dimension, key and type."""
Row = dict[str, Any]


async def write_rows(database: Database, days: int) -> int:
    """Fill an empty database with so many days of counters up to ``NOW``; returns how many rows of hours there are."""
    written, four_weekly = 0, Counter[tuple[int, Thing]]()
    for day in range(LAST_HOUR // 24 - days + 1, LAST_HOUR // 24 + 1):
        hourly, daily = _day(day)
        for table, rows in ((data_plane.counters_hourly, hourly), (data_plane.counters_daily, daily)):
            for part in _parts(rows):
                await database.write(_insert, table, part)
        four_weekly.update({(day // 28, thing_of(row)): row["count"] for row in daily})
        written += len(hourly)
    rows = [_row(thing, count) | {"four_weeks": four_weeks} for (four_weeks, thing), count in four_weekly.items()]
    for part in _parts(rows):
        await database.write(_insert, data_plane.counters_four_weekly, part)
    await database.write(_insert, data_plane.counter_deltas, list(_deltas()))
    await database.write(_analyze)
    return written


def _insert(connection: sqlalchemy.Connection, table: sqlalchemy.Table, rows: Sequence[Row]) -> None:
    connection.execute(table.insert(), list(rows))


def _analyze(connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("ANALYZE")


def _day(day: int) -> tuple[list[Row], list[Row]]:
    hourly: list[Row] = []
    sums: Counter[Thing] = Counter()
    for hour in range(day * 24, day * 24 + 24):
        for thing, count in _hour(hour).items():
            hourly.append(_row(thing, count) | {"hour": hour})
            sums[thing] += count
    return hourly, [_row(thing, count) | {"day": day} for thing, count in sums.items()]


def _hour(hour: int) -> dict[Thing, int]:
    chance = random.Random(hour)
    counts: dict[Thing, int] = {}
    for domain_id in DOMAIN_IDS:
        keys = [(Dimension.ALL, "")]
        keys += [(Dimension.TAG, tag) for tag in chance.sample(TAGS, TAGS_OF_HOUR)]
        keys += [(Dimension.DESTINATION, to) for to in chance.sample(DESTINATIONS, DESTINATIONS_OF_HOUR)]
        for dimension, key in keys:
            for kind in _TYPES:
                counts[domain_id, dimension.value, key, kind] = chance.randrange(1, 10_000)
        for bounce_class in BounceClass:
            for kind in _TYPES[2:]:
                thing = (domain_id, Dimension.BOUNCE_CLASS.value, bounce_class.value, kind)
                counts[thing] = chance.randrange(1, 100)
    return counts


def thing_of(row: Row) -> Thing:
    """Return what a row counts."""
    return row["domain_id"], row["dimension"], row["key"], row["type"]


def _row(thing: Thing, count: int) -> Row:
    return dict(zip(("domain_id", "dimension", "key", "type"), thing, strict=True)) | {"count": count}


def _deltas() -> Iterator[Row]:
    for number in range(UNFOLDED):
        yield {
            "id": number + 1, "partition": 0, "domain_id": DOMAIN_IDS[number % 2], "hour": LAST_HOUR,
            "dimension": "all", "key": "", "type": "bounced", "count": 1,
            "destination": DESTINATIONS[number % 300], "bounce_class": "quota", "is_expired": number % 5 == 0,
        }  # fmt: skip


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), _PART):
        yield rows[start : start + _PART]
