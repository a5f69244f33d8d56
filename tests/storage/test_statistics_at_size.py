"""The short form of ``bench.statistics``: over weeks of counters every sum is right, and found by the primary keys alone."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import sqlalchemy
from bench.statistics.__main__ import account_with_domains
from bench.statistics.cases import cases, spans
from bench.statistics.rows import DOMAIN_IDS, NOW, UNFOLDED, write_rows

from postroad.model.actor import Actor
from postroad.storage import statistics
from postroad.storage.counters import Dimension, Period
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from tests.storage.samples import Place

DAYS = 12
_COUNTERS = re.compile(r"SCAN (counters_\w+)")


@pytest.fixture
async def full(place: Place) -> AsyncIterator[Database]:
    """A database of each engine with some weeks of counters, whose clock stands at their end."""
    opened = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)
    await write_rows(opened, DAYS)
    yield opened
    await opened.close()


@pytest.fixture
async def actor(full: Database) -> Actor:
    return await account_with_domains(full)


@pytest.fixture
def statements() -> Iterator[list[tuple[str, Any]]]:
    """What is executed, while it is."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if "counters_" in statement and "EXPLAIN" not in statement:
            seen.append((statement, parameters))

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    yield seen
    sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)


async def test_sums_of_every_span_are_those_of_its_hours_and_read_by_the_primary_keys_alone(
    full: Database, actor: Actor, statements: list[tuple[str, Any]]
) -> None:
    for name, span in spans().items():
        for dimension in Dimension:
            series = await full.read(statistics.read_series, dimension, Period.HOUR, span.hours, DOMAIN_IDS)
            by_hour: dict[str, dict[str, int]] = {}
            for one in series:
                by_type = by_hour.setdefault(one.key, {})
                by_type[one.type] = by_type.get(one.type, 0) + one.count
            keys = await full.read(statistics.read_keys, dimension, span.hours, DOMAIN_IDS, 1_000)
            assert keys == by_hour, (name, dimension)
    by_class = await full.read(statistics.read_keys, Dimension.BOUNCE_CLASS, spans()["24h"].hours, DOMAIN_IDS, 1_000)
    assert by_class["quota"]["bounced"] > UNFOLDED

    for name, case in cases(full, actor).items():
        statements.clear()
        await case()
        assert statements, name
        if not full.is_postgres:
            for statement, parameters in list(statements):
                plan = await full.read(_plan, statement, parameters)
                assert _COUNTERS.findall(plan) == [], (name, plan)


def _plan(connection: sqlalchemy.Connection, statement: str, parameters: Any) -> str:
    return "\n".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))
