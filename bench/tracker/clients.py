"""``python -m bench.tracker.clients``: asks for tracked links at a fixed rate and reports how long answers took, as JSON.

Each request has a connection of its own, as recipients have, and its time begins before that is made. The rate is kept whatever the server does: a request that is late because an earlier one was waits in the figures too.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import cast

import msgspec
import uvloop

_HEAD = b"GET %b HTTP/1.1\r\nHost: %b\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0\r\n\r\n"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the clients saw."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    longest_ms: float
    statuses: dict[str, int]


class _Client(asyncio.Protocol):
    """One request on a connection of its own."""

    def __init__(self, request: bytes, due: float, seen: "_Seen") -> None:
        self._request = request
        self._due = due
        self._seen = seen
        self._reply = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of it.
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self._reply += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._seen.taken.append((time.perf_counter() - self._due) * 1000)
        self._seen.statuses[self._reply[9:12].decode() or "none"] += 1


class _Seen(msgspec.Struct):
    taken: list[float]
    statuses: Counter[str]


async def run(port: int, host: str, paths: list[str], *, per_s: int, seconds: float) -> Report:
    """Ask for the paths in turn."""
    loop = asyncio.get_running_loop()
    seen = _Seen([], Counter())
    requests = [_HEAD % (path.encode(), host.encode()) for path in paths]
    total = int(per_s * seconds)
    begun = time.perf_counter()
    making = set()
    for number in range(total):
        due = begun + number / per_s
        wait = due - time.perf_counter()
        if wait > 0 or number % 16 == 0:
            await asyncio.sleep(max(wait, 0))
        client = partial(_Client, requests[number % len(requests)], due, seen)
        task = loop.create_task(loop.create_connection(client, "127.0.0.1", port))
        making.add(task)
        task.add_done_callback(making.discard)
    while len(seen.taken) < total and time.perf_counter() < begun + seconds + 30:
        await asyncio.sleep(0.01)
    ended = time.perf_counter()
    taken = sorted(seen.taken)
    return Report(
        requests=len(taken),
        seconds=ended - begun,
        p50_ms=taken[len(taken) // 2],
        p99_ms=taken[len(taken) * 99 // 100],
        longest_ms=taken[-1],
        statuses=dict(seen.statuses),
    )


def main(arguments: list[str]) -> int:
    """Read the command line and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--paths", type=Path, required=True, help="a file with a path in each line")
    parser.add_argument("--per-s", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    read = parser.parse_args(arguments)
    paths = read.paths.read_text().splitlines()
    work = run(read.port, read.host, paths, per_s=read.per_s, seconds=read.seconds)
    print(msgspec.json.encode(uvloop.run(work)).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
