"""Settlements are written in batches, and kept while they cannot be."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from postroad.delivery.leases import LeaseLedger
from postroad.delivery.settling import SettlementWriter
from postroad.model.delivery import DeliveryState
from postroad.model.message import Accepted
from postroad.model.outcome import Settlement
from postroad.storage.database import Database
from postroad.storage.errors import StorageUnavailable
from tests.unit.queue.deliveries import make_delivery


class SettlementTable:
    """Writes settlements, but never a bad one."""

    def __init__(self) -> None:
        self.bad: set[int] = set()
        self.batches: list[list[int]] = []
        self.written: set[int] = set()

    async def settle(self, settlements: Sequence[Settlement], reports: Mapping[int, Accepted]) -> frozenset[int]:
        ids = [settlement.delivery_id for settlement in settlements]
        self.batches.append(ids)
        await asyncio.sleep(0)
        if self.bad.intersection(ids):
            raise StorageUnavailable("no")
        self.written.update(ids)
        return frozenset(ids)


def make_settlement(number: int) -> Settlement:
    return Settlement(
        delivery_id=number,
        message_id=number,
        owner=1,
        epoch=1,
        state=DeliveryState.DELIVERED,
        due_at=0,
        attempts=1,
        last_reply="",
        maybe_delivered=False,
        events=(),
    )


@pytest.fixture
def table() -> SettlementTable:
    return SettlementTable()


@pytest.fixture
def ledger(table: SettlementTable) -> LeaseLedger:
    return LeaseLedger(cast("Database", table), lambda: 0, owner=1, lease_s=100)


@pytest.fixture
def writer(table: SettlementTable, ledger: LeaseLedger) -> SettlementWriter:
    return SettlementWriter(cast("Database", table), ledger)


def fill(writer: SettlementWriter, ledger: LeaseLedger, count: int) -> None:
    ledger.take(make_delivery(number) for number in range(count))
    for number in range(count):
        writer.add(make_settlement(number))


async def test_what_gathers_is_one_transaction_and_leaves_the_ledger(
    writer: SettlementWriter, ledger: LeaseLedger, table: SettlementTable
) -> None:
    fill(writer, ledger, 600)
    await writer.flush()
    assert [len(batch) for batch in table.batches] == [500, 100]
    assert (len(writer), len(ledger)) == (0, 0)


async def test_a_batch_that_fails_keeps_its_leases(
    writer: SettlementWriter, ledger: LeaseLedger, table: SettlementTable
) -> None:
    fill(writer, ledger, 3)
    table.bad = {1}
    assert not await writer.write_batch()
    assert (len(writer), len(ledger)) == (3, 3)


async def test_one_bad_settlement_holds_up_nobody_else(
    writer: SettlementWriter, ledger: LeaseLedger, table: SettlementTable
) -> None:
    fill(writer, ledger, 40)
    table.bad = {7}
    for _ in range(60):
        await writer.write_batch()
    assert table.written == set(range(40)) - {7}
    assert (len(writer), list(ledger._leases)) == (1, [7])
    table.bad = set()
    await writer.flush()
    assert len(ledger) == 0


async def test_flushing_waits_for_a_batch_under_way(
    writer: SettlementWriter, ledger: LeaseLedger, table: SettlementTable
) -> None:
    fill(writer, ledger, 5)
    under_way = asyncio.create_task(writer.write_batch())
    await asyncio.sleep(0)
    assert len(writer) == 0
    await writer.flush()
    assert under_way.done()
    assert table.written == set(range(5))


async def test_a_write_that_is_cancelled_is_not_lost(
    writer: SettlementWriter, ledger: LeaseLedger, table: SettlementTable
) -> None:
    fill(writer, ledger, 5)
    under_way = asyncio.create_task(writer.write_batch())
    await asyncio.sleep(0)
    under_way.cancel()
    with pytest.raises(asyncio.CancelledError):
        await under_way
    assert len(writer) == 5


async def test_much_that_waits_is_a_reason_to_begin_nothing_new(writer: SettlementWriter, ledger: LeaseLedger) -> None:
    fill(writer, ledger, 4_999)
    assert not writer.is_behind
    writer.add(make_settlement(5_000))
    assert writer.is_behind
