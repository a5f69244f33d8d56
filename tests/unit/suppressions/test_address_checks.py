"""Checks of addresses beside other work: what they take of it."""

import asyncio
from typing import Any

from postroad.dns.answer import Answer, AnswerStatus, RecordType
from postroad.dns.settings import DnsSettings
from postroad.model.actor import SYSTEM
from postroad.model.address_check import AddressHistory, AddressResult
from postroad.suppressions.address_checks import AddressChecks
from postroad.suppressions.settings import AddressCheckSettings

NOW = 1_780_000_000_000


class Slow:
    """A database whose reads take a moment; it counts how many there are at a time."""

    def __init__(self) -> None:
        self.reading = self.most = 0

    async def read(self, *_: Any, **__: Any) -> AddressHistory:
        self.reading += 1
        self.most = max(self.most, self.reading)
        await asyncio.sleep(0.001)
        self.reading -= 1
        return AddressHistory()


class Nothing:
    """A resolver that knows of no domain."""

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        return Answer(status=AnswerStatus.NO_SUCH_DOMAIN, ttl_s=60, expires_at=NOW + 60_000)


async def test_many_checks_leave_connections_to_read_by_to_others() -> None:
    database: Any = Slow()
    checks = AddressChecks(
        database,
        Nothing(),
        lambda: NOW,
        settings=AddressCheckSettings(),
        dns=DnsSettings(),
        allow_private_addresses=False,
    )
    found = await asyncio.gather(*(checks.check(SYSTEM, f"a{number}@r.example") for number in range(50)))

    assert {one.result for one in found} == {AddressResult.UNDELIVERABLE}
    assert database.most == 2
