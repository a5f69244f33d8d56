"""Times name resolution: the hot path's look-up in memory, a cached answer, and a whole question over UDP.

    python -m bench.micro.dns

The name server of the last row runs in another process; what is counted is this process's CPU time.
"""

import asyncio
import multiprocessing
import sys
import time
from collections.abc import Awaitable, Callable

import dns.message
import dns.rrset
from tests.peers.nameserver import scripted

from postroad.dns.answer import RecordType
from postroad.dns.cache import Cache
from postroad.dns.mail_hosts import MailHostDirectory
from postroad.dns.resolver import Resolver
from postroad.dns.settings import DnsSettings
from postroad.dns.upstream import Nameserver
from postroad.net.clock import now_ms

_AT_ONCE = 100


def _answer(query: dns.message.Message, _protocol: str) -> dns.message.Message:
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(query.question[0].name, 300, "IN", "MX", "10 mx.example.test."))
    return response


def _serve(announce: Callable[[int], None]) -> None:
    async def run() -> None:
        async with scripted(_answer) as server:
            announce(server.port)
            await asyncio.Event().wait()

    asyncio.run(run())


async def _timed(count: int, ask: Callable[[int], Awaitable[object]]) -> float:
    """Return microseconds of our CPU per question, many of them under way at once."""
    began = time.process_time()
    for start in range(0, count, _AT_ONCE):
        await asyncio.gather(*(ask(start + offset) for offset in range(_AT_ONCE)))
    return (time.process_time() - began) / count * 1e6


async def _measure(port: int) -> None:
    resolver = Resolver((Nameserver("127.0.0.1", port),), now_ms)
    cache = Cache(resolver, now_ms, DnsSettings())
    directory = MailHostDirectory(cache, now_ms)
    uncached = await _timed(3_000, lambda number: resolver.resolve(f"n{number}.example.test", RecordType.MX))
    await cache.resolve("example.test", RecordType.MX)
    cached = await _timed(100_000, lambda _: cache.resolve("example.test", RecordType.MX))
    await directory.mail_hosts("192.0.2.1")
    count = 1_000_000
    began = time.process_time()
    for _ in range(count):
        directory.cached("192.0.2.1")
    known = (time.process_time() - began) / count * 1e6
    await cache.aclose()
    await resolver.aclose()
    print(f"python {sys.version.split()[0]}: microseconds of CPU per question")
    print(f"  mail hosts in memory   {known:8.2f}")
    print(f"  answer in the cache    {cached:8.2f}")
    print(f"  question over UDP      {uncached:8.2f}")


def main() -> None:
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=_serve, args=(theirs.send,), daemon=True)
    server.start()
    try:
        asyncio.run(_measure(ours.recv()))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
