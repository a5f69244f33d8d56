"""Times what the delivery engine itself costs: from hand-over to written settlement, without storage, signing or SMTP.

python -m bench.micro.engine [deliveries]
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Any, cast

import uvloop
from tests.integration.test_engine import Rig, make_settings

from postroad.model.message import Accepted
from postroad.model.outcome import Settlement
from postroad.storage.database import Database


class _NoDatabase:
    """Takes everything and stores nothing."""

    def __init__(self) -> None:
        self.settled = 0

    async def settle(self, settlements: Sequence[Settlement], reports: object) -> frozenset[int]:
        self.settled += len(settlements)
        await asyncio.sleep(0)
        return frozenset(settlement.delivery_id for settlement in settlements)

    async def claim(self, claim: object) -> list[Any]:
        return []

    async def read(self, *_: object) -> list[Any]:
        return []

    async def listen(self, callback: object) -> None:
        await asyncio.Event().wait()


async def run(deliveries: int) -> float:
    """Return the CPU microseconds of one delivery."""
    database = _NoDatabase()
    rig = Rig(cast("Database", database), make_settings(first_sessions=20))
    rig.domains.keys = ()
    await rig.finder.mail_hosts("dest.test")
    await rig.start()
    lease = rig.engine.reserve(rig.offer("a@dest.test").deliveries)
    offers: list[Accepted] = [rig.offer("a@dest.test", lease=lease) for _ in range(deliveries)]
    started = time.process_time()
    for number, offer in enumerate(offers):
        rig.engine.reserve(offer.deliveries)
        rig.engine.hand_over(offer)
        while number % 50 == 0 and rig.engine.held > 500:
            await asyncio.sleep(0)
    while database.settled < deliveries:
        await asyncio.sleep(0)
    spent = time.process_time() - started
    await rig.stop()
    return spent / deliveries * 1e6


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(f"{min(uvloop.run(run(count)) for _ in range(3)):10.2f} µs  engine: hand-over to settlement")
