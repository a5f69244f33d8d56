"""The whole node, supervisor and workers at the same instant, is killed while mail comes in and goes out."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.scenarios.crash import LOAD_S, SETTLE_S, assert_promises_kept, database, on_each_engine
from tests.scenarios.ledger import Ledger, Recorder, Submitter
from tests.scenarios.product import PASSWORD, USERNAME, Product
from tests.scenarios.world import prepare

EVERY_S = 2.5
KILLS_AT_LEAST = 2


@on_each_engine
@pytest.mark.slow
async def test_no_accepted_message_is_lost_and_repeats_are_explained(engine: str, tmp_path: Path) -> None:
    ledger = Ledger()
    with database(engine) as url:
        async with Recorder(ledger) as recorder:
            node = Product(tmp_path / "node", smarthost_port=recorder.port, database_url=url)
            await asyncio.to_thread(prepare, node)
            await asyncio.to_thread(node.start)
            try:
                async with Submitter(ledger, [node.submission_port], USERNAME, PASSWORD):
                    await kill_and_restart(node, ledger)
                await ledger.settle(SETTLE_S)
            finally:
                await asyncio.to_thread(node.stop)

    assert_promises_kept(ledger)


async def kill_and_restart(node: Product, ledger: Ledger) -> None:
    """Kill the node every few seconds of load, and start it again on the same ports and data."""
    deadline = time.monotonic() + LOAD_S
    while time.monotonic() < deadline or len(ledger.kills) < KILLS_AT_LEAST:
        await asyncio.sleep(EVERY_S)
        await ledger.kill(node.kill)
        await asyncio.to_thread(node.start)
