"""``python -m bench.statistics``: milliseconds for the page of statistics over a year of counters with 50 tags.

Fills a database of each engine and times every case many times. The figures go to ``bench/results`` as JSON.
"""

import argparse
import asyncio
import datetime as dt
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from tests.peers.postgres import postgres_database

from bench.rounds import timed
from bench.statistics.cases import Case, cases
from bench.statistics.rows import DOMAIN_IDS, NOW, TAGS, write_rows
from postroad.model.actor import Actor, ActorKind
from postroad.model.domain import DomainState, SendingDomain
from postroad.storage import accounts, domains
from postroad.storage.database import Database
from postroad.storage.driver import sqlite
from postroad.storage.engine import open_database
from postroad.storage.migrate import migrate

_RESULTS = Path(__file__).parents[1] / "results"


class Timing(msgspec.Struct, frozen=True):
    """What one case took, as whoever waits for the page sees it."""

    case: str
    best_ms: float
    """The round that was disturbed least, on a machine that has other work."""
    median_ms: float
    p99_ms: float


async def account_with_domains(database: Database) -> Actor:
    """Make the account that the counters are of; returns somebody of it."""
    account = await database.write(accounts.add, "bench", NOW)
    for number in DOMAIN_IDS:
        wanted = SendingDomain(
            id=0, account_id=account.id, name=f"d{number}.example", state=DomainState.ACTIVE, created_at=NOW
        )
        assert (await database.write(domains.add, wanted)).id == number
    return Actor(kind=ActorKind.COMMAND, name="bench", account_id=account.id)


async def time_case(name: str, case: Case, rounds: int) -> Timing:
    """Do it again and again."""
    _, spread = await timed(case, rounds)
    return Timing(name, *spread)


async def run(url: str, data_dir: Path, days: int, rounds: int) -> dict[str, Any]:
    """Fill one engine and time it."""
    database = await open_database(url, data_dir=data_dir, clock=lambda: NOW)
    engine = "PostgreSQL" if database.is_postgres else f"SQLite {sqlite.sqlite_version}"
    actor = await account_with_domains(database)
    count = await write_rows(database, days)
    print(f"{engine}: {days} days, {count:,} counters of hours", flush=True)
    print(f"{'best':>9} {'median':>9} {'p99 ms':>9}", flush=True)
    timings = []
    for name, case in cases(database, actor).items():
        timing = await time_case(name, case, rounds)
        print(f"{timing.best_ms:9.1f} {timing.median_ms:9.1f} {timing.p99_ms:9.1f}  {name}", flush=True)
        timings.append(timing)
    await database.close()
    return {
        "engine": engine,
        "load_average": os.getloadavg()[0],
        "days": days,
        "domains": len(DOMAIN_IDS),
        "tags": len(TAGS),
        "hourly_counters": count,
        "timings": timings,
    }


def main() -> int:
    """Run both engines and write the figures down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=366)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", choices=("sqlite", "postgres"))
    options = parser.parse_args()
    results = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, tempfile.TemporaryDirectory() as folder:
        if options.only != "postgres":
            migrate("", Path(folder))
            results.append(runner.run(run("", Path(folder), options.days, options.rounds)))
        if options.only != "sqlite":
            with postgres_database() as postgres:
                migrate(postgres.url, Path(folder))
                results.append(runner.run(run(postgres.url, Path(folder), options.days, options.rounds)))
    date = dt.datetime.now(dt.UTC).date().isoformat()
    document = {"date": date, "python": platform.python_version(), "engines": results}
    path = _RESULTS / f"statistics-{date}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    print(f"written to {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
