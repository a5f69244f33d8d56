"""The short form of ``bench.search``: among 20,000 messages every kind of search finds what it must, by indexes alone."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import sqlalchemy
from bench.search.__main__ import fill_index, some_id_of
from bench.search.cases import cases
from bench.search.rows import write_rows

from postroad.storage import message_search
from postroad.storage.database import Database
from postroad.storage.dialect import keep_to_indexes
from postroad.storage.engine import open_database
from postroad.storage.message_search import Wanted
from tests.storage.samples import NOW, Place

COUNT = 20_000
_TABLES = {"messages", "deliveries", "search_entries", "search_keys", "search_words"}
# They hold the queue alone.
_PARTIAL = {"deliveries_by_due", "deliveries_by_lane", "deliveries_by_lease"}
_SCANNED = re.compile(r"SCAN (\w+)(?! VIRTUAL TABLE INDEX \d+:.*M)")


@pytest.fixture
async def full(place: Place) -> AsyncIterator[Database]:
    """A database of each engine with many messages, indexed."""
    opened = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)
    await write_rows(opened, place.url, COUNT)
    await fill_index(opened, slice_rows=5_000)
    yield opened
    await opened.close()


@pytest.fixture
def statements() -> Iterator[list[tuple[str, Any]]]:
    """What is executed, while it is."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            seen.append((statement, parameters))

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    yield seen
    sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)


async def test_every_kind_of_search_finds_what_looking_at_each_message_would_and_reads_no_table_from_end_to_end(
    full: Database, statements: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = cases(COUNT, await some_id_of(full))

    async def find(wanted: Wanted) -> list[int]:
        page = await full.read(message_search.search, wanted, 50)
        assert not page.is_cut, wanted
        return [one.message.id for one in page.found]

    monkeypatch.setattr(message_search, "_WALKED", COUNT)
    expected = {name: await find(wanted) for name, wanted in searches.items()}
    monkeypatch.setattr(message_search, "_WALKED", 500)
    found, scanned = {}, {}
    for name, wanted in searches.items():
        statements.clear()
        found[name] = await find(wanted)
        scanned[name] = [
            plan for one in list(statements) if (plan := await full.read(_tables_read_whole, *one, full.is_postgres))
        ]

    assert found == expected
    assert {name: tables for name, tables in scanned.items() if tables} == {}
    assert len(found["rare word"]) == 10
    assert len(found["rare recipient"]) == 1
    assert len(found["common tag"]) == len(found["tag of old messages only"]) == 50
    assert len(found["rare tag, all accounts"]) == 10
    assert len(found["tag of one message"]) == 1
    assert found["tag that is nowhere"] == []


def _tables_read_whole(
    connection: sqlalchemy.Connection, statement: str, parameters: Any, is_postgres: bool
) -> set[str]:
    if not is_postgres:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return {found[1] for row in plan if (found := _SCANNED.match(row[3])) and found[1] in _TABLES}
    keep_to_indexes(connection)
    (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).one()
    return set(_scans((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))


def _scans(node: dict[str, Any]) -> Iterator[str]:
    is_bounded = any(name in node for name in ("Index Cond", "Recheck Cond"))
    is_bounded = is_bounded or node.get("Index Name") in _PARTIAL
    if node.get("Relation Name") in _TABLES and not is_bounded:
        yield f"{node['Node Type']} of {node['Relation Name']}"
    for child in node.get("Plans", ()):
        yield from _scans(child)
