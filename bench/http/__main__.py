"""``python -m bench.http``: calls of an API posted to a whole node, beside an application that does nothing.

They are Mailgun's form of 4 KB, or with ``--api sendgrid`` the same letter to a hundred personalizations.

The node has two workers and its embedded database, as it comes. Alone it takes the messages and delivers none; with delivery it
signs and delivers them to a sink at the same time. The promise, on two cores: of Mailgun's form 1,200 messages a second
alone and 700 with delivery; of SendGrid's 10,000 recipients a second alone.
"""

import argparse
import base64
import datetime as dt
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import msgspec
from tests.peers.sink import Sink
from tests.scenarios.product import DOMAIN, Product

from bench.http.clients import Report
from bench.load.report import machine
from bench.load.usage import cpu_s, memory_mib

_RESULTS = Path(__file__).parents[1] / "results"
_OCTETS = 4096
_PERSONALIZATIONS = 100
_DRAINED_S = 120.0


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One server, and what became of the posts."""

    name: str
    accepted_per_s: float
    delivered_per_s: float | None
    """Up to the last delivery; null where nothing is delivered."""
    cpu_ms_per_message: float
    memory_mib: float
    seen: Report


class _Server(msgspec.Struct, frozen=True):
    name: str
    port: int
    pid: int
    key: str = ""
    sink: Sink | None = None


class _Api(msgspec.Struct, frozen=True):
    request: Callable[[str], bytes]
    """Makes a whole request with a key."""
    recipients: int
    status: str


def main(arguments: list[str]) -> int:
    """Run the bench and print its table."""
    parser = argparse.ArgumentParser(prog="python -m bench.http", description=__doc__)
    parser.add_argument("--api", choices=_APIS, default="mailgun", help="default %(default)s")
    parser.add_argument("--messages", type=int, default=10_000, help="copies in each round (default %(default)s)")
    parser.add_argument("--connections", type=int, default=40, help="kept by the clients (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="default %(default)s")
    parser.add_argument("--no-files", action="store_true", help="print only, write nothing to bench/results")
    read = parser.parse_args(arguments)
    rows = []
    api = _APIS[read.api]
    with tempfile.TemporaryDirectory(prefix="postroad-bench-") as folder:
        for number in range(read.rounds):
            for serving in (_nothing, _alone, _with_delivery):
                with serving(Path(folder) / f"{serving.__name__}{number}") as server:
                    calls = read.messages // api.recipients
                    _posted(server, api, Path(folder), max(calls // 20, 1), read.connections)
                    rows.append(_measure(server, api, Path(folder), calls, read.connections))
                    print(_line(rows[-1]), flush=True)
    if not read.no_files:
        date = dt.datetime.now(dt.UTC).date().isoformat()
        document = {"date": date, "machine": machine(Path(tempfile.gettempdir())), "rows": rows}
        path = _RESULTS / f"http-{read.api}-{date}.json" if read.api != "mailgun" else _RESULTS / f"http-{date}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
        print(f"written to {path}", file=sys.stderr)
    return 0


@contextmanager
def _nothing(_folder: Path) -> Iterator[_Server]:
    process = subprocess.Popen([sys.executable, "-m", "bench.http.nothing"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield _Server("an application that does nothing", int(process.stdout.readline()), process.pid)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@contextmanager
def _alone(folder: Path) -> Iterator[_Server]:
    node = Product(folder, smarthost_port=None)
    node.prepare()
    node.roles = "http"
    with node:
        yield _Server("Postroad, no delivery", node.http_port, node.pid, _key(node))


@contextmanager
def _with_delivery(folder: Path) -> Iterator[_Server]:
    with Sink() as sink:
        node = Product(folder, smarthost_port=sink.port)
        node.prepare()
        with node:
            yield _Server("Postroad, delivering", node.http_port, node.pid, _key(node), sink)


def _key(node: Product) -> str:
    added: dict[str, str] = node.run_json("api-key", "add", "--domain", DOMAIN)
    return added["key"]


def _request(key: str) -> bytes:
    fields = {
        "from": f"Shop <hello@{DOMAIN}>",
        "to": "Ada <ada@dest.example>",
        "subject": "Your order 17",
        "o:tag": "orders",
        "v:order": "17",
        "text": "",
    }
    line = "Thank you for your order, which is on its way to you.\n"
    room = _OCTETS - len(urlencode(fields))
    text = line
    while len(urlencode({"text": text + line})) < room:
        text += line
    body = urlencode(fields | {"text": text}).encode()
    proof = base64.b64encode(f"api:{key}".encode()).decode()
    head = (
        f"POST /v3/{DOMAIN}/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {proof}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _call(key: str) -> bytes:
    people = [
        {
            "to": [{"email": f"user{number}@dest.example", "name": f"User {number}"}],
            "substitutions": {"-name-": f"User {number}", "-order-": str(number)},
            "custom_args": {"order": str(number)},
        }
        for number in range(_PERSONALIZATIONS)
    ]
    line = "Thank you, -name-, for your order -order-, which is on its way to you.\n"
    document = {
        "personalizations": people,
        "from": {"email": f"hello@{DOMAIN}", "name": "Shop"},
        "subject": "Your order -order-",
        "categories": ["orders"],
        "content": [{"type": "text/plain", "value": line * (_OCTETS // len(line))}],
    }
    body = msgspec.json.encode(document)
    head = (
        f"POST /v3/mail/send HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


_APIS = {"mailgun": _Api(_request, 1, "200"), "sendgrid": _Api(_call, _PERSONALIZATIONS, "202")}


def _posted(server: _Server, api: _Api, folder: Path, calls: int, connections: int) -> Report:
    path = folder / "request"
    path.write_bytes(api.request(server.key))
    command = [sys.executable, "-m", "bench.http.clients", "--port", str(server.port), "--request", str(path)]
    command += ["--connections", str(connections), "--requests", str(calls)]
    said = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    seen = msgspec.json.decode(said, type=Report)
    expected = api.status if server.key else "200"
    if seen.statuses != {expected: calls}:
        raise RuntimeError(f"{server.name} did not take every message: {seen.statuses}")
    return seen


def _measure(server: _Server, api: _Api, folder: Path, calls: int, connections: int) -> Row:
    messages = calls * api.recipients
    arrived = 0 if server.sink is None else _settled(server.sink)
    used, began = cpu_s([server.pid]), time.perf_counter()
    seen = _posted(server, api, folder, calls, connections)
    delivered = None
    if server.sink is not None:
        deadline = began + _DRAINED_S
        while server.sink.count() - arrived < messages:
            if time.perf_counter() > deadline:
                raise RuntimeError(f"{server.sink.count() - arrived} of {messages} messages arrived")
            time.sleep(0.02)
        delivered = messages / (time.perf_counter() - began)
    return Row(
        name=server.name,
        accepted_per_s=messages / seen.seconds,
        delivered_per_s=delivered,
        cpu_ms_per_message=(cpu_s([server.pid]) - used) / messages * 1000,
        memory_mib=memory_mib([server.pid]),
        seen=seen,
    )


def _settled(sink: Sink) -> int:
    """Return how many messages have arrived once no more come."""
    while True:
        before = sink.count()
        time.sleep(1)
        if sink.count() == before:
            return before


def _line(row: Row) -> str:
    delivered = "" if row.delivered_per_s is None else f", {row.delivered_per_s:.0f}/s delivered"
    return (
        f"{row.name}: {row.accepted_per_s:.0f}/s accepted{delivered}; p50 {row.seen.p50_ms:.1f} ms, "
        f"p99 {row.seen.p99_ms:.1f} ms; {row.cpu_ms_per_message:.2f} ms of CPU each, {row.memory_mib:.0f} MiB"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
