"""The cache in front of the resolver: answers until their TTL ends, absences too, and old answers in an outage.

Theory of operation. An entry is *fresh* until ``fresh_until``; then the question is asked again, once for however
many callers wait. When that look-up fails and the entry is not older than ``stale_for_s``, the old answer goes on
being given (RFC 8767) and the resolvers are left alone for a while. Failures without an old answer are kept for a few
seconds, so that a dead zone costs its time-out once and not for every message (RFC 9520).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import msgspec

from postroad.dns.answer import Answer, AnswerStatus, RecordType
from postroad.dns.resolver import Lookup
from postroad.dns.settings import DnsSettings
from postroad.net.clock import Clock

# RFC 8767 §5: resolvers are not asked again within 30 seconds of a failure that an old answer covered.
_STALE_RECHECK_MS = 30_000
# RFC 9520 §3.2: a failure is remembered for at least one second and at most five minutes.
_FAILURE_MS = 5_000

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Coalescer(Generic[K, V]):
    """Runs one look-up per key at a time; whoever asks meanwhile gets the same result.

    A caller that is cancelled leaves the look-up running for the others.
    """

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[V]] = {}

    async def run(self, key: K, look_up: Callable[[], Awaitable[V]]) -> V:
        """Return the result of the look-up that runs for ``key``, started now where none does."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.ensure_future(_awaited(look_up))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Cancel what still runs and wait for its end."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _awaited(look_up: Callable[[], Awaitable[V]]) -> V:
    return await look_up()


class _Entry(msgspec.Struct):
    answer: Answer
    fresh_until: int
    stale_until: int


class Cache:
    """Answers questions from memory where it may, from the resolver where it must."""

    def __init__(self, resolver: Lookup, clock: Clock, settings: DnsSettings) -> None:
        self._resolver = resolver
        self._clock = clock
        self._settings = settings
        self._entries: OrderedDict[tuple[str, RecordType], _Entry] = OrderedDict()
        self._lookups: Coalescer[tuple[str, RecordType], Answer] = Coalescer()

    def __len__(self) -> int:
        return len(self._entries)

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        """Return the answer to a question; its ``expires_at`` says until when it may be kept."""
        key = (name.lower().rstrip("."), record_type)
        entry = self._entries.get(key)
        if entry is not None and self._clock() < entry.fresh_until:
            self._entries.move_to_end(key)
            return entry.answer
        return await self._lookups.run(key, lambda: self._look_up(key))

    async def _look_up(self, key: tuple[str, RecordType]) -> Answer:
        answer = await self._resolver.resolve(*key)
        now = self._clock()
        old = self._entries.get(key)
        if answer.status is not AnswerStatus.TEMPORARY:
            entry = self._entry(answer, now)
        elif old is not None and now < old.stale_until:
            until = now + _STALE_RECHECK_MS
            entry = _Entry(msgspec.structs.replace(old.answer, expires_at=until), until, old.stale_until)
        else:
            until = now + _FAILURE_MS
            entry = _Entry(msgspec.structs.replace(answer, expires_at=until), until, until)
        self._keep(key, entry)
        return entry.answer

    def _entry(self, answer: Answer, now: int) -> _Entry:
        settings = self._settings
        is_found = answer.status is AnswerStatus.FOUND
        # RFC 2308 §5 and §7.3: what does not exist is believed for a bounded time only.
        ceiling_s = settings.maximum_ttl_s if is_found else settings.maximum_negative_ttl_s
        fresh_until = now + min(max(answer.ttl_s, settings.minimum_ttl_s), ceiling_s) * 1000
        return _Entry(
            msgspec.structs.replace(answer, expires_at=fresh_until),
            fresh_until,
            fresh_until + settings.stale_for_s * 1000,
        )

    def _keep(self, key: tuple[str, RecordType], entry: _Entry) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        while len(self._entries) > self._settings.cache_size:
            self._entries.popitem(last=False)

    async def aclose(self) -> None:
        """End the look-ups that still run."""
        await self._lookups.aclose()
