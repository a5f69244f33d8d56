"""Two nodes take and deliver the mail of one PostgreSQL database."""

import asyncio
from pathlib import Path

import pytest

from tests.scenarios.crash import ENOUGH, LOAD_S, SETTLE_S, assert_promises_kept, database
from tests.scenarios.ledger import Ledger, Recorder, Submitter
from tests.scenarios.product import PASSWORD, USERNAME, Product
from tests.scenarios.world import prepare


def node_named(name: str, folder: Path, smarthost_port: int, database_url: str) -> Product:
    """Return a node that introduces itself to the receiver by a name of its own."""
    return Product(
        folder / name,
        smarthost_port=smarthost_port,
        database_url=database_url,
        workers=1,
        delivery_settings=f'hostname = "{name}.example"\n',
    )


@pytest.mark.slow
async def test_each_message_is_delivered_once_and_both_nodes_deliver(tmp_path: Path) -> None:
    ledger = Ledger()
    with database("postgres") as url:
        async with Recorder(ledger) as recorder:
            one = node_named("one", tmp_path, recorder.port, url)
            other = node_named("other", tmp_path, recorder.port, url)
            await asyncio.to_thread(prepare, one)
            other.join(one)
            try:
                await asyncio.to_thread(one.start)
                await asyncio.to_thread(other.start)
                ports = [one.submission_port, other.submission_port]
                async with Submitter(ledger, ports, USERNAME, PASSWORD):
                    await asyncio.sleep(LOAD_S)
                await ledger.settle(SETTLE_S)
            finally:
                await asyncio.to_thread(one.stop)
                await asyncio.to_thread(other.stop)

    assert ledger.repeated() == set()
    assert ledger.greetings() == {"one.example", "other.example"}
    assert_promises_kept(ledger)


@pytest.mark.slow
async def test_a_node_delivers_what_the_other_one_accepted_before_it_stopped(tmp_path: Path) -> None:
    ledger = Ledger()
    with database("postgres") as url:
        async with Recorder(ledger) as recorder:
            one = node_named("one", tmp_path, recorder.port, url)
            other = node_named("other", tmp_path, recorder.port, url)
            await asyncio.to_thread(prepare, one)
            other.join(one)
            try:
                await asyncio.to_thread(one.start)
                async with Submitter(ledger, [one.submission_port], USERNAME, PASSWORD):
                    await asyncio.sleep(LOAD_S / 2)
                    # A busy machine takes longer over as much.
                    async with asyncio.timeout(30):
                        while len(ledger.answered) < ENOUGH:
                            await asyncio.sleep(0.05)
                    # While mail still comes in: what it cannot deliver any more it gives back.
                    await asyncio.to_thread(one.stop)
                await asyncio.to_thread(other.start)
                await ledger.settle(SETTLE_S)
            finally:
                await asyncio.to_thread(one.stop)
                await asyncio.to_thread(other.stop)

    assert ledger.repeated() == set()
    assert_promises_kept(ledger)
