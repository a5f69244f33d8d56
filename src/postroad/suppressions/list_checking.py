"""Checking whole lists of addresses: each worker takes a part of one list at a time, slowly."""

import asyncio
from collections import Counter
from contextlib import suppress

import structlog

from postroad.model.address_check import AddressCheck
from postroad.model.list_check import ListPart
from postroad.net.clock import Clock
from postroad.storage import list_checks
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.outage import Outage
from postroad.suppressions.address_checks import AddressChecks
from postroad.suppressions.list_checks import PART

log = structlog.get_logger()

_AT_ONCE = 4
"""Addresses that a worker checks at a time for lists: forms wait for theirs."""
_LEAST_CLAIM_MS = 300_000
_MOST_TRIES = 10
"""How often a worker begins a part whose checks storage breaks off."""
_LOOK_S = 5.0


class ListChecking:
    """Checks the lists of the installation, beside other workers that do so too."""

    def __init__(self, database: Database, checks: AddressChecks, clock: Clock) -> None:
        self._database = database
        self._checks = checks
        self._clock = clock
        # Twice what a part takes when DNS answers nothing.
        self._claim_ms = max(_LEAST_CLAIM_MS, 2 * -(-PART // _AT_ONCE) * checks.dns_within_ms)
        self._broken_off: Counter[int] = Counter()
        """Tries of a list's part that storage broke off."""

    async def run(self) -> None:
        """Check what there is to check, part after part, until cancelled."""
        loop = asyncio.get_running_loop()
        outage = Outage("list_check_interrupted")
        while True:
            began = loop.time()
            try:
                has_worked = await self.work()
                outage.passed()
            except StorageError as error:
                outage.failed(error)
                has_worked = False
            # At most half the time, so that mail and people have the rest.
            await asyncio.sleep(loop.time() - began if has_worked else _LOOK_S)

    async def work(self) -> bool:
        """Check the part that has waited longest; false where there is none. Raises StorageError."""
        now = self._clock()
        if not await self._database.read(list_checks.has_due, now):
            return False
        part = await self._database.write(list_checks.claim, now, now + self._claim_ms)
        if part is None:
            return False
        list_id = part.list_check.id
        try:
            found = await self._checked(part)
            await self._database.write(list_checks.settle, part, found, self._clock())
        except asyncio.CancelledError:
            # This worker stops.
            await self._give_back(part)
            raise
        except StorageError:
            self._broken_off[list_id] += 1
            if self._broken_off[list_id] < _MOST_TRIES:
                await self._give_back(part)
                raise
            log.exception("list_check_failed", list_id=list_id, part=part.number, tries=_MOST_TRIES)
            await self._database.write(list_checks.fail, part, "the database broke it off each time", self._clock())
        except Exception:
            log.exception("list_check_failed", list_id=list_id, part=part.number)
            await self._database.write(list_checks.fail, part, "an internal error", self._clock())
        self._broken_off.pop(list_id, None)
        return True

    async def _give_back(self, part: ListPart) -> None:
        """Let the next one begin a part anew at once; without storage it waits for the end of the claim."""
        with suppress(StorageError):
            await self._database.write(list_checks.release, part)

    async def _checked(self, part: ListPart) -> tuple[AddressCheck, ...]:
        one, places = part.list_check, asyncio.Semaphore(_AT_ONCE)

        async def checked(text: str) -> AddressCheck:
            async with places:
                return await self._checks.check_of_list(text, one.account_id, one.domain_id)

        tasks = [asyncio.create_task(checked(text)) for text in part.addresses]
        try:
            return tuple(await asyncio.gather(*tasks))
        finally:
            # Where one fails, the others have no owner any longer.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
