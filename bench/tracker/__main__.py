"""``python -m bench.tracker``: pixels and links asked of a whole node at a fixed rate, on one core.

The node has one worker and one core; the clients have another. Every request is for a delivery that is stored, so that its
event is written in the same time. The promise: 1,500 requests a second with the 99th percentile at 20 ms or less.
"""

import argparse
import asyncio
import datetime as dt
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from tests.peers.processes import tree
from tests.scenarios.product import DOMAIN, Product
from tests.storage.samples import accepted

from bench.load.report import machine
from bench.load.usage import cpu_s, memory_mib
from bench.tracker.clients import Report
from postroad.model.delivery import DeliveryState
from postroad.model.event import EventType
from postroad.net.clock import now_ms
from postroad.node.keys import open_vault
from postroad.storage import counters, domains, tracking_keys
from postroad.storage.counters import Period
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.rows import HOUR_MS
from postroad.tracking.token import PATHS, Kind, Signer

_RESULTS = Path(__file__).parents[1] / "results"
_HOST = "t.bench.example"
_URL = b"https://shop.example/offers/17?utm_source=newsletter&utm_campaign=spring"
_PER_MESSAGE = 100
_SETTLED_S = 8.0
"""What waits is written by then."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One rate, and what became of it."""

    per_s: int
    seen: Report
    cpu_ms_per_request: float
    memory_mib: float
    events: int
    """Opens and clicks that were stored."""


def main(arguments: list[str]) -> int:
    """Run the bench and print its table."""
    parser = argparse.ArgumentParser(prog="python -m bench.tracker", description=__doc__)
    parser.add_argument("--per-s", type=int, action="append", help="requests a second (default 1500); repeatable")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each rate (default %(default)s)")
    parser.add_argument("--deliveries", type=int, default=10_000, help="that are asked about (default %(default)s)")
    parser.add_argument("--no-files", action="store_true", help="print only, write nothing to bench/results")
    read = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory(prefix="postroad-bench-") as folder:
        node = Product(
            Path(folder), smarthost_port=None, workers=1, settings={"tracking": {"host": _HOST, "https": "off"}}
        )
        node.prepare()
        paths = Path(folder) / "paths"
        paths.write_text("\n".join(asyncio.run(_fill(node, read.deliveries))))
        with node:
            _on_core(node.pid, 0)
            for per_s in read.per_s or [1500]:
                row = _measure(node, paths, per_s, read.seconds)
                rows.append(row)
                print(_line(row), flush=True)
    if not read.no_files:
        date = dt.datetime.now(dt.UTC).date().isoformat()
        document = {"date": date, "machine": machine(Path(tempfile.gettempdir())), "rows": rows}
        path = _RESULTS / f"tracker-{date}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
        print(f"written to {path}", file=sys.stderr)
    return 0


def _measure(node: Product, paths: Path, per_s: int, seconds: float) -> Row:
    before, used = asyncio.run(_events(node)), cpu_s([node.pid])
    command = [sys.executable, "-m", "bench.tracker.clients", "--port", str(node.http_port), "--host", _HOST]
    command += ["--paths", str(paths), "--per-s", str(per_s), "--seconds", str(seconds)]
    clients = subprocess.Popen(command, stdout=subprocess.PIPE)
    _on_core(clients.pid, (os.cpu_count() or 1) - 1)
    said, _ = clients.communicate()
    seen = msgspec.json.decode(said, type=Report)
    time.sleep(_SETTLED_S)
    return Row(
        per_s=per_s,
        seen=seen,
        cpu_ms_per_request=(cpu_s([node.pid]) - used) / seen.requests * 1000,
        memory_mib=memory_mib([node.pid]),
        events=asyncio.run(_events(node)) - before,
    )


def _line(row: Row) -> str:
    seen = row.seen
    return (
        f"{row.per_s}/s: p50 {seen.p50_ms:.1f} ms, p99 {seen.p99_ms:.1f} ms, longest {seen.longest_ms:.1f} ms; "
        f"{seen.requests / seen.seconds:.0f}/s answered ({seen.statuses}); {row.events} of {seen.requests} events stored; "
        f"{row.cpu_ms_per_request:.2f} ms of CPU each, {row.memory_mib:.0f} MiB"
    )


def _on_core(pid: int, core: int) -> None:
    for process in tree([pid]):
        for thread in Path(f"/proc/{process.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


async def _fill(node: Product, count: int) -> list[str]:
    """Store deliveries that were made an hour ago; returns a path for each, pixels and links in turn."""
    database = await open_database("", data_dir=node.data_dir, clock=now_ms)
    try:
        domain = await database.read(domains.by_name, DOMAIN)
        assert domain is not None
        vault = await open_vault(database, node.data_dir)
        [key] = await database.write(tracking_keys.ensure, vault, os.urandom(tracking_keys.OCTETS), now_ms())
        paths: list[str] = []
        for start in range(0, count, _PER_MESSAGE):
            recipients = [f"reader{start + number}@dest.example" for number in range(_PER_MESSAGE)]
            for delivery in await _deliver(database, recipients, domain.id, domain.account_id):
                kind, payload = (Kind.OPEN, b"") if len(paths) % 2 else (Kind.CLICK, _URL)
                signer = Signer(key, _HOST, domain_id=domain.id, delivery_id=delivery)
                paths.append(PATHS[kind] + signer.token(kind, payload))
        return paths
    finally:
        await database.close()


async def _deliver(database: Database, recipients: list[str], domain_id: int, account_id: int) -> list[int]:
    message = accepted(*recipients, domain_id=domain_id, account_id=account_id)
    delivered = tuple(
        msgspec.structs.replace(one, state=DeliveryState.DELIVERED, due_at=now_ms() - HOUR_MS)
        for one in message.deliveries
    )
    await database.accept(msgspec.structs.replace(message, deliveries=delivered))
    return [one.id for one in delivered]


async def _events(node: Product) -> int:
    database = await open_database("", data_dir=node.data_dir, clock=now_ms, read_connections=1, is_checkpointer=False)
    try:
        hour = now_ms() // HOUR_MS
        found = await database.read(counters.read_of, Period.HOUR, hour - 2, hour + 1, None)
        kinds = {EventType.OPENED.value, EventType.CLICKED.value}
        return sum(one.count for one in found if one.type.partition("-by-")[0] in kinds)
    finally:
        await database.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
