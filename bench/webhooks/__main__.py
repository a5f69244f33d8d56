"""``python -m bench.webhooks``: how fast one worker's relay makes calls on one core, and whom a dead receiver delays.

The rows of calls are read, told in Mailgun's format, signed, posted one event for each call, logged and ended, on an SQLite
file that syncs every commit. The promises: 2,000 calls a second to a fast receiver, and nobody waits longer because one of
1,000 receivers is slow or dead. The relay has one core, the receivers another.
"""

import argparse
import asyncio
import datetime as dt
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from tests.storage import samples

from bench.load.report import machine
from bench.webhooks.receivers import Report
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import EventType
from postroad.model.ids import IdSource, partition_of
from postroad.model.options import CallbackFormat
from postroad.model.webhook import NO_LOGIN, Webhook
from postroad.net.clock import now_ms
from postroad.net.http_client import HttpClient
from postroad.storage import accounts, domains, webhook_calls, webhooks
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.migrate import migrate
from postroad.storage.outbox import Outbox
from postroad.storage.secrets import Vault
from postroad.webhooks.facts import WebhookFacts
from postroad.webhooks.outages import Outages
from postroad.webhooks.post import HttpPoster
from postroad.webhooks.relay import Relay
from postroad.webhooks.settings import WebhooksSettings

_RESULTS = Path(__file__).parents[1] / "results"
_VAULT = Vault(bytes(32))
_CONTENT = (
    b"From: app@news.example.com\r\nTo: user@example.net\r\nX-Order: 4711\r\nSubject: hello\r\n\r\n" + b"x" * 4_000
)
_BACKLOG_OF_DEAD = 2_000


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One case, and what became of it."""

    case: str
    load_average: float
    """Of the machine before the case: with more than its cores, rates by the clock tell of the others."""
    calls: int
    seconds: float
    calls_per_s: float
    cpu_ms_per_call: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    """From the event to its call, where events come at a rate."""


class Nobody:
    """Counts nothing and tells nobody."""

    def __init__(self) -> None:
        self.called: Counter[str] = Counter()

    def webhook_called(self, result: str, count: int = 1) -> None:
        self.called[result] += count

    async def send(self, account_id: int, *, subject: str, text: str) -> None:
        pass


class Receivers:
    """The process that takes the calls, on the last core."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.webhooks.receivers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        os.sched_setaffinity(self._process.pid, {(os.cpu_count() or 1) - 1})

    def report(self) -> Report:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Report)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class Bench:
    """One database with webhooks, and the relay over it."""

    def __init__(self, database: Database, receivers: Receivers) -> None:
        self.database = database
        self.receivers = receivers
        self.meter = Nobody()
        self._ids = IdSource(9)
        database.outbox = Outbox(self.new_id)
        self.facts = WebhookFacts(database, _VAULT, now_ms, database.outbox)
        self._domains: list[SendingDomain] = []

    def new_id(self, partition: int) -> int:
        return self._ids.next(now_ms(), partition)

    async def hook(self, count: int, *, bad: Sequence[str] = ()) -> None:
        """Make domains with a webhook each; those in ``bad`` have a path that is answered late or never."""
        account = await self.database.write(accounts.add, "bench", now_ms())
        names = [*bad, *(f"well-{number}" for number in range(count - len(bad)))]
        made = await self.database.write(_make, account.id, names, self.receivers.port)
        self._domains = made
        await self.facts.refresh()

    async def happen(self, numbers: Sequence[int]) -> None:
        """Accept a message with one recipient for each of some domains."""
        await asyncio.gather(*(self._accept(self._domains[number]) for number in numbers))

    async def _accept(self, domain: SendingDomain) -> None:
        now = now_ms()
        one = samples.accepted(
            account_id=domain.account_id, domain_id=domain.id, content=_CONTENT, partition=now % 1024
        )
        message_id = self._ids.next(now, now % 1024)
        delivery = msgspec.structs.replace(
            one.deliveries[0], id=self.new_id(partition_of(message_id)), message_id=message_id
        )
        event = msgspec.structs.replace(
            one.events[0],
            id=self.new_id(partition_of(message_id)),
            at=now,
            message_id=message_id,
            delivery_id=delivery.id,
        )
        message = msgspec.structs.replace(one.message, id=message_id)
        await self.database.accept(
            msgspec.structs.replace(one, message=message, deliveries=(delivery,), events=(event,))
        )

    def relay(self) -> tuple[Relay, HttpClient]:
        settings = WebhooksSettings(allow_private_addresses=True)
        client = HttpClient(allow_private_addresses=True, connections=settings.calls_at_once)
        relay = Relay(
            database=self.database,
            facts=self.facts,
            poster=HttpPoster(client),
            outages=Outages(self.meter),
            meter=self.meter,
            owner=1,
            clock=now_ms,
            new_id=self.new_id,
            settings=settings,
        )
        return relay, client

    @property
    def size(self) -> int:
        return len(self._domains)


def _make(connection: Any, account_id: int, names: Sequence[str], port: int) -> list[SendingDomain]:
    made = []
    for name in names:
        domain = domains.add(
            connection,
            SendingDomain(
                id=0, account_id=account_id, name=f"{name}.example", state=DomainState.ACTIVE, created_at=now_ms()
            ),
        )
        webhook = Webhook(
            account_id=account_id,
            domain_id=domain.id,
            url=f"http://127.0.0.1:{port}/{name}",
            format=CallbackFormat.MAILGUN,
            event_types=(EventType.ACCEPTED,),
            created_at=now_ms(),
            created_by="bench",
        )
        webhooks.add(connection, _VAULT, webhook, NO_LOGIN)
        made.append(domain)
    return made


async def drained(bench: Bench, case: str, calls: int, receivers: int) -> Row:
    """Make calls that have waited, as fast as they can be made."""
    load = os.getloadavg()[0]
    await bench.hook(receivers)
    for start in range(0, calls, 500):
        await bench.happen([number % receivers for number in range(start, min(start + 500, calls))])
    bench.receivers.report()
    relay, client = bench.relay()
    began, used = time.time(), _cpu_s()
    running = asyncio.create_task(relay.run())
    while bench.meter.called["delivered"] < calls:
        await asyncio.sleep(0.05)
    while (await bench.database.read(webhook_calls.backlog, 1)).calls:
        await asyncio.sleep(0.02)
    seconds, cpu = time.time() - began, _cpu_s() - used
    await _end(relay, running, client)
    assert bench.receivers.report().calls == calls
    return Row(
        case=case,
        load_average=load,
        calls=calls,
        seconds=seconds,
        calls_per_s=calls / seconds,
        cpu_ms_per_call=cpu / calls * 1000,
    )


async def kept_up(bench: Bench, case: str, *, per_s: int, seconds: float, receivers: int, bad: Sequence[str]) -> Row:
    """Make calls as their events happen, at a fixed rate; the bad receivers have a backlog, and get their share of events."""
    load = os.getloadavg()[0]
    await bench.hook(receivers, bad=bad)
    for number in range(len(bad)):
        for _ in range(_BACKLOG_OF_DEAD // 500):
            await bench.happen([number] * 500)
    relay, client = bench.relay()
    running = asyncio.create_task(relay.run())
    await asyncio.sleep(3)
    bench.receivers.report()
    used = _cpu_s()
    chance = random.Random(1)
    loop = asyncio.get_running_loop()
    began, count, tick_s = loop.time(), 0, 0.02
    writing = []
    while (passed := loop.time() - began) < seconds:
        due = round(passed * per_s) - count
        count += due
        writing.append(asyncio.ensure_future(bench.happen([chance.randrange(bench.size) for _ in range(due)])))
        await asyncio.sleep(tick_s)
    await asyncio.gather(*writing)
    await asyncio.sleep(2)
    cpu = _cpu_s() - used
    report = bench.receivers.report()
    await _end(relay, running, client)
    ages = sorted(report.ages_ms)
    return Row(
        case=case,
        load_average=load,
        calls=report.calls,
        seconds=seconds,
        calls_per_s=report.calls / seconds,
        cpu_ms_per_call=cpu / report.calls * 1000,
        p50_ms=ages[len(ages) // 2],
        p99_ms=ages[len(ages) * 99 // 100],
    )


async def _end(relay: Relay, running: "asyncio.Task[None]", client: HttpClient) -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await relay.stop(1)
    await client.aclose()


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _run(read: argparse.Namespace, case: str) -> Row:
    async def run(folder: Path) -> Row:
        receivers = Receivers()
        database = await open_database("", data_dir=folder, clock=now_ms)
        try:
            bench = Bench(database, receivers)
            match case:
                case "one receiver":
                    return await drained(bench, case, read.calls, 1)
                case "1,000 receivers":
                    return await drained(bench, case, read.calls, 1_000)
                case _:
                    bad = {"all well": [], "one dead": ["dead"], "one slow": ["slow"]}[case]
                    return await kept_up(bench, case, per_s=read.per_s, seconds=read.seconds, receivers=1_000, bad=bad)
        finally:
            await database.close()
            receivers.close()

    with tempfile.TemporaryDirectory(prefix="postroad-bench-") as folder:
        migrate("", Path(folder))
        return uvloop.run(run(Path(folder)))


_CASES = ("one receiver", "1,000 receivers", "all well", "one dead", "one slow")


def main(arguments: list[str]) -> int:
    """Run the bench and print its table."""
    parser = argparse.ArgumentParser(prog="python -m bench.webhooks", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000, help="that have waited (default %(default)s)")
    parser.add_argument("--per-s", type=int, default=300, help="events a second at a rate (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each rate (default %(default)s)")
    parser.add_argument("--only", choices=_CASES, action="append", help="these cases; repeatable")
    parser.add_argument("--no-files", action="store_true", help="print only, write nothing to bench/results")
    read = parser.parse_args(arguments)
    os.sched_setaffinity(0, {0})
    rows = []
    for case in read.only or _CASES:
        row = _run(read, case)
        rows.append(row)
        print(_line(row), flush=True)
    if not read.no_files:
        date = dt.datetime.now(dt.UTC).date().isoformat()
        document = {"date": date, "machine": machine(Path(tempfile.gettempdir())), "rows": rows}
        path = _RESULTS / f"webhooks-{date}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
        print(f"written to {path}", file=sys.stderr)
    return 0


def _line(row: Row) -> str:
    ages = "" if row.p99_ms is None else f"; from event to call p50 {row.p50_ms:.0f} ms, p99 {row.p99_ms:.0f} ms"
    return (
        f"{row.case}: {row.calls} calls in {row.seconds:.1f} s, {row.calls_per_s:.0f}/s, "
        f"{row.cpu_ms_per_call:.2f} ms of CPU each{ages}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
