"""``python -m bench.webhooks.receivers``: takes calls as fast as they come, and reports on request, as JSON lines.

Of each call it notes how old its event was when it came. Calls to ``/dead…`` are never answered, those to ``/slow…`` after
two seconds. A line on the standard input asks for what has come since the last one; the end of it ends the process.
"""

import asyncio
import re
import sys
import time
from typing import cast

import msgspec
import uvloop

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_AT = re.compile(rb'"timestamp":(\d+\.\d+)')
_SLOW_S = 2.0


class Report(msgspec.Struct, kw_only=True):
    """What came since the last report; calls to dead and slow receivers apart."""

    calls: int = 0
    apart: int = 0
    ages_ms: list[float] = []
    last_at: float = 0.0


class _Receiver(asyncio.Protocol):
    def __init__(self, seen: list[Report]) -> None:
        self._seen = seen
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of it.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (head := self._data.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._data, 0, head)
            end = head + 4 + (int(found[1]) if found else 0)
            if len(self._data) < end:
                return
            self._take(self._data[:end])
            self._data = self._data[end:]

    def _take(self, request: bytes) -> None:
        seen, now = self._seen[0], time.time()
        if request.startswith((b"POST /dead", b"POST /slow")):
            seen.apart += 1
            if request.startswith(b"POST /slow"):
                asyncio.get_running_loop().call_later(_SLOW_S, self._transport.write, _OK)
            return
        seen.calls += 1
        seen.last_at = now
        seen.ages_ms += [(now - float(at)) * 1000 for at in _AT.findall(request)]
        self._transport.write(_OK)


async def serve() -> None:
    """Serve on a free port, which is the first line of the output."""
    seen = [Report()]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Receiver(seen), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        report, seen[0] = seen[0], Report()
        print(msgspec.json.encode(report).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
