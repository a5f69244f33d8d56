"""``python -m bench.search``: milliseconds until the first page, for each kind of search among a million messages.

Fills a database of each engine, lets the index fill by the product's own slices, and times every case many times. The
figures go to ``bench/results`` as JSON.
"""

import argparse
import asyncio
import contextlib
import datetime as dt
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from tests.peers.postgres import postgres_database

from bench.rounds import timed
from bench.search.cases import cases
from bench.search.rows import NOW, write_rows
from postroad.model.ids import lowest_at
from postroad.storage import domains, message_search, search_index
from postroad.storage.database import Database
from postroad.storage.driver import sqlite
from postroad.storage.engine import open_database
from postroad.storage.message_search import Wanted
from postroad.storage.migrate import migrate
from postroad.storage.search_index import Pass

PAGE = 50
_SLICE = 500
_RESULTS = Path(__file__).parents[1] / "results"


class Timing(msgspec.Struct, frozen=True):
    """What one case took, as whoever waits for the page sees it."""

    case: str
    found: int
    is_cut: bool
    best_ms: float
    """The round that was disturbed least, on a machine that has other work."""
    median_ms: float
    p99_ms: float


async def fill_index(database: Database, slice_rows: int = _SLICE) -> None:
    """Index everything, as upkeep does."""
    while await database.write(search_index.fill, Pass.FIRST, lowest_at(NOW + 1), slice_rows):
        pass


async def time_case(database: Database, name: str, wanted: Wanted, rounds: int) -> Timing:
    """Search again and again."""
    page, spread = await timed(lambda: database.read(message_search.search, wanted, PAGE), rounds)
    return Timing(name, len(page.found), page.is_cut, *spread)


async def some_id_of(database: Database) -> int:
    """Return the id of a message in the middle."""
    page = await database.read(message_search.search, Wanted(account_id=1, until=NOW - 15 * 86_400_000), 1)
    return page.found[0].message.id


async def run(url: str, data_dir: Path, count: int, rounds: int) -> dict[str, Any]:
    """Fill one engine and time it."""
    database = await open_database(url, data_dir=data_dir, clock=lambda: NOW)
    engine = "PostgreSQL" if database.is_postgres else f"SQLite {sqlite.sqlite_version}"
    print(f"{engine}: {count:,} messages", flush=True)
    if not await database.read(domains.list_all):
        await write_rows(database, url, count)
    left = count if await database.read(search_index.mark, Pass.FIRST) == 0 else 0
    began, cpu = time.perf_counter(), time.process_time()
    await fill_index(database)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    if left:
        print(f"indexed {left / wall:,.0f} messages/s, {cpu / left * 1e6:.1f} µs of CPU for each", flush=True)
    print(f"{'best':>9} {'median':>9} {'p99 ms':>9}  found", flush=True)
    timings = []
    for name, wanted in cases(count, await some_id_of(database)).items():
        timing = await time_case(database, name, wanted, rounds)
        mark = " cut" if timing.is_cut else ""
        figures = f"{timing.best_ms:9.1f} {timing.median_ms:9.1f} {timing.p99_ms:9.1f}"
        print(f"{figures}  {timing.found:3}{mark}  {name}", flush=True)
        timings.append(timing)
    await database.close()
    return {
        "engine": engine,
        "load_average": os.getloadavg()[0],
        "messages": count,
        "indexed_per_s": round(left / wall) or None,
        "index_cpu_us": round(cpu / left * 1e6, 1) if left else None,
        "timings": timings,
    }


def main() -> int:
    """Run both engines and write the figures down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--only", choices=("sqlite", "postgres"))
    parser.add_argument("--data", type=Path, help="folder of an SQLite file to fill, or to use again")
    parser.add_argument("--postgres", default="", help="database.url of a PostgreSQL to fill, or to use again")
    options = parser.parse_args()
    results = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, tempfile.TemporaryDirectory() as folder:
        if options.only != "postgres":
            data_dir = options.data or Path(folder)
            migrate("", data_dir)
            results.append(runner.run(run("", data_dir, options.messages, options.rounds)))
        if options.only != "sqlite":
            with contextlib.ExitStack() as stack:
                url = options.postgres or stack.enter_context(postgres_database()).url
                migrate(url, Path(folder))
                results.append(runner.run(run(url, Path(folder), options.messages, options.rounds)))
    date = dt.datetime.now(dt.UTC).date().isoformat()
    document = {"date": date, "python": platform.python_version(), "page": PAGE, "engines": results}
    path = _RESULTS / f"search-{date}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    print(f"written to {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
