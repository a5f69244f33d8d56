"""``python -m bench.http.clients``: posts one request over kept connections, and reports how long answers took, as JSON."""

import argparse
import asyncio
import sys
import time
from collections import Counter
from pathlib import Path
from typing import cast

import msgspec
import uvloop

_LENGTH = b"content-length:"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the clients saw."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    statuses: dict[str, int]


class _Client(asyncio.Protocol):
    """Posts the same request again as soon as it is answered, while there are any left."""

    def __init__(self, request: bytes, seen: "_Seen") -> None:
        self._request = request
        self._seen = seen
        self._reply = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of it.
        self._transport = cast("asyncio.Transport", transport)
        self._post()

    def data_received(self, data: bytes) -> None:
        self._reply += data
        head, end, body = self._reply.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(_LENGTH)[2].split()[0]):
            return
        self._seen.taken.append((time.perf_counter() - self._begun) * 1000)
        self._seen.statuses[head[9:12].decode()] += 1
        self._reply = b""
        self._post()

    def connection_lost(self, exc: Exception | None) -> None:
        self._seen.open -= 1

    def _post(self) -> None:
        if not self._seen.left:
            self._transport.close()
            return
        self._seen.left -= 1
        self._begun = time.perf_counter()
        self._transport.write(self._request)


class _Seen(msgspec.Struct):
    left: int
    open: int
    taken: list[float]
    statuses: Counter[str]


async def run(port: int, request: bytes, *, connections: int, requests: int) -> Report:
    """Post until all requests are answered."""
    loop = asyncio.get_running_loop()
    seen = _Seen(requests, connections, [], Counter())
    begun = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: _Client(request, seen), "127.0.0.1", port)
    while seen.open:
        await asyncio.sleep(0.005)
    seconds = time.perf_counter() - begun
    taken = sorted(seen.taken)
    return Report(
        requests=len(taken),
        seconds=seconds,
        p50_ms=taken[len(taken) // 2],
        p99_ms=taken[len(taken) * 99 // 100],
        statuses=dict(seen.statuses),
    )


def main(arguments: list[str]) -> int:
    """Read the command line and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--request", type=Path, required=True, help="a file with the whole request")
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--requests", type=int, required=True)
    read = parser.parse_args(arguments)
    work = run(read.port, read.request.read_bytes(), connections=read.connections, requests=read.requests)
    print(msgspec.json.encode(uvloop.run(work)).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
