"""``python -m bench.tracker.clients``: asks for tracked links at a fixed rate and reports how long answers took, as JSON.

The rate is kept whatever the server does: a request that is late because an earlier one was waits in the figures too.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter, deque
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
    """One kept connection, with requests one after another."""

    def __init__(self, taken: list[float], statuses: Counter[str]) -> None:
        self._taken = taken
        self._statuses = statuses
        self._begun: deque[float] = deque()
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of it.
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes, due: float) -> None:
        assert self._transport is not None
        self._begun.append(due)
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._taken.append((time.perf_counter() - self._begun.popleft()) * 1000)
            self._statuses[head[9:12].decode()] += 1


async def run(port: int, host: str, paths: list[str], *, per_s: int, seconds: float, connections: int) -> Report:
    """Ask for the paths in turn."""
    taken: list[float] = []
    statuses: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: _Client(taken, statuses), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    requests = [_HEAD % (path.encode(), host.encode()) for path in paths]
    total = int(per_s * seconds)
    begun = time.perf_counter()
    for number in range(total):
        due = begun + number / per_s
        if (wait := due - time.perf_counter()) > 0.0005:
            await asyncio.sleep(wait)
        clients[number % connections].ask(requests[number % len(requests)], due)
        if number % 16 == 0:
            await asyncio.sleep(0)
    while len(taken) < total and time.perf_counter() < begun + seconds + 30:
        await asyncio.sleep(0.01)
    ended = time.perf_counter()
    taken.sort()
    return Report(
        requests=len(taken),
        seconds=ended - begun,
        p50_ms=taken[len(taken) // 2],
        p99_ms=taken[len(taken) * 99 // 100],
        longest_ms=taken[-1],
        statuses=dict(statuses),
    )


def main(arguments: list[str]) -> int:
    """Read the command line and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--paths", type=Path, required=True, help="a file with a path in each line")
    parser.add_argument("--per-s", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, required=True)
    read = parser.parse_args(arguments)
    paths = read.paths.read_text().splitlines()
    work = run(read.port, read.host, paths, per_s=read.per_s, seconds=read.seconds, connections=read.connections)
    print(msgspec.json.encode(uvloop.run(work)).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
