"""Asks DNS blocklists about clients, beside their dialogue, and remembers what the lists said.

Theory of operation. Every list is asked at once when a client connects; by the time it logs in, the answers are there
as a rule. What is not there within ``timeout_s`` of the connection counts as a failure, and failures let in. A list
that fails several times on end is left alone for a while, so that a dead one does not delay every log-in.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import structlog

from postroad.dns.answer import Answer, AnswerStatus, RecordType
from postroad.dns.resolver import Lookup
from postroad.net.address import Address, Networks, is_public, parse_address
from postroad.net.clock import Clock
from postroad.policy.rbl import BlocklistZone, ListAnswer, Listing, fit_for_reply

log = structlog.get_logger()

_FAILURES_ON_END = 3
_RESTS_FOR_MS = 30_000
_REMEMBERED = 10_000


class Meter(Protocol):
    """What is counted of lists."""

    def blocklist_asked(self, zone: str, result: str) -> None:
        """Count one answer of a list: ``clear``, ``listed``, ``refused`` or ``failed``."""


class Blocklists:
    """The lists of one installation, asked by one worker."""

    def __init__(
        self,
        zones: Sequence[BlocklistZone],
        lookup: Lookup,
        clock: Clock,
        *,
        allowed: Networks,
        timeout_s: float,
        meter: Meter,
    ) -> None:
        self._zones = zones
        self._lookup = lookup
        self._clock = clock
        self._allowed = allowed
        self._timeout_s = timeout_s
        self._meter = meter
        self._clear_until: OrderedDict[Address, int] = OrderedDict()
        self._failures: dict[str, int] = {}
        self._rests_until: dict[str, int] = {}
        self._running: set[asyncio.Task[Listing | None]] = set()

    def ask(self, client_address: str) -> asyncio.Task[Listing | None] | None:
        """Begin to ask about a client; None where there is nothing to ask, or every list is known to be clear.

        The task ends within the time limit, and always with a value.
        """
        address = parse_address(client_address)
        if address is None or not self._zones or not is_public(address) or address in self._allowed:
            return None
        if self._clear_until.get(address, 0) > self._clock():
            return None
        task = asyncio.get_running_loop().create_task(self._find(address))
        # A client may hang up and forget it; the answers are kept all the same.
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def aclose(self) -> None:
        """End the questions that still wait."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _find(self, address: Address) -> Listing | None:
        ends_at = asyncio.get_running_loop().time() + self._timeout_s
        asked = [zone for zone in self._zones if self._rests_until.get(zone.name, 0) <= self._clock()]
        waiting = {asyncio.get_running_loop().create_task(self._ask_zone(zone, address)): zone for zone in asked}
        try:
            async with asyncio.timeout_at(ends_at):
                zone = await self._first_listing(address, waiting, is_complete=len(asked) == len(self._zones))
        except TimeoutError:
            for question, silent in waiting.items():
                if not question.done():
                    self._failed(silent, "no answer in time")
            return None
        finally:
            for question in waiting:
                question.cancel()
        return None if zone is None else await self._listing(zone, address, ends_at)

    async def _first_listing(
        self, address: Address, waiting: "dict[asyncio.Task[Answer | None], BlocklistZone]", *, is_complete: bool
    ) -> BlocklistZone | None:
        """Return the first list that has the address, as the answers come."""
        answers: list[Answer | None] = [] if is_complete else [None]
        pending = set(waiting)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for question in done:
                answer = question.result()
                answers.append(answer)
                if answer is not None and self._judge(waiting[question], answer) is ListAnswer.LISTED:
                    return waiting[question]
        # A list that did not answer is asked again for the next connection.
        if None not in answers:
            self._keep_clear(address, min(answer.expires_at for answer in answers if answer is not None))
        return None

    async def _ask_zone(self, zone: BlocklistZone, address: Address) -> Answer | None:
        answer = await self._lookup.resolve(zone.name_of(address), RecordType.A)
        if answer.status is AnswerStatus.TEMPORARY:
            self._failed(zone, answer.detail)
            return None
        self._failures.pop(zone.name, None)
        return answer

    def _judge(self, zone: BlocklistZone, answer: Answer) -> ListAnswer:
        verdict = zone.answers(answer.texts)
        if verdict is ListAnswer.REFUSED:
            log.warning("blocklist_refuses_us", zone=zone.name, codes=answer.texts)
        self._meter.blocklist_asked(zone.name, verdict.value)
        return verdict

    async def _listing(self, zone: BlocklistZone, address: Address, ends_at: float) -> Listing:
        """Fetch the list's own words in what is left of the time; it is a listing without them too."""
        try:
            async with asyncio.timeout_at(ends_at):
                told = await self._lookup.resolve(zone.name_of(address), RecordType.TXT)
        except TimeoutError:
            return Listing(zone.name)
        return Listing(zone.name, fit_for_reply(told.texts))

    def _failed(self, zone: BlocklistZone, why: str) -> None:
        self._meter.blocklist_asked(zone.name, "failed")
        failures = self._failures[zone.name] = self._failures.get(zone.name, 0) + 1
        if failures >= _FAILURES_ON_END:
            del self._failures[zone.name]
            self._rests_until[zone.name] = self._clock() + _RESTS_FOR_MS
            log.warning("blocklist_rests", zone=zone.name, why=why, for_s=_RESTS_FOR_MS // 1000)

    def _keep_clear(self, address: Address, until: int) -> None:
        self._clear_until[address] = until
        self._clear_until.move_to_end(address)
        while len(self._clear_until) > _REMEMBERED:
            self._clear_until.popitem(last=False)
