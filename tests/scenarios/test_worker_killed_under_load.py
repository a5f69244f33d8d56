"""Workers are killed, one after the other, while mail comes in and goes out."""

import asyncio
import functools
import random
import time
from pathlib import Path

import pytest

from tests.peers.processes import kill_tree
from tests.scenarios.crash import LOAD_S, SETTLE_S, assert_promises_kept, database, on_each_engine
from tests.scenarios.ledger import Ledger, Recorder, Submitter
from tests.scenarios.product import PASSWORD, USERNAME, Product
from tests.scenarios.world import prepare

EVERY_S = 2.0
KILLS_AT_LEAST = 2
RESTART_S = 20.0


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
                    await kill_workers(node, ledger)
                await ledger.settle(SETTLE_S)
            finally:
                await asyncio.to_thread(node.stop)

    assert_promises_kept(ledger)


async def kill_workers(node: Product, ledger: Ledger) -> None:
    """Kill a worker every few seconds, never the same supervisor's last one without waiting for its successor."""
    choice = random.Random(2)
    deadline = time.monotonic() + LOAD_S
    while time.monotonic() < deadline or len(ledger.kills) < KILLS_AT_LEAST:
        await asyncio.sleep(EVERY_S)
        pids = await asyncio.to_thread(node.worker_pids)
        victim = choice.choice(pids)
        await ledger.kill(functools.partial(kill_tree, victim))
        await wait_for_successor(node, pids, victim)


async def wait_for_successor(node: Product, before: list[int], victim: int) -> None:
    """Wait until there are as many workers as before, and the killed one is none of them."""
    deadline = time.monotonic() + RESTART_S
    while time.monotonic() < deadline:
        pids = await asyncio.to_thread(node.worker_pids)
        if victim not in pids and len(pids) == len(before):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"no worker took the place of {victim} within {RESTART_S} s")
