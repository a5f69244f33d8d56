"""What a worker holds, and that nothing of it is lost for want of a database."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest

from postroad.delivery.leases import LeaseLedger
from postroad.model.delivery import DeliveryState, Lease
from postroad.model.outcome import Settlement
from postroad.storage.database import Database
from postroad.storage.errors import StorageUnavailable
from tests.unit.queue.deliveries import make_delivery


class LeaseTable:
    """Leases as a database would keep them."""

    def __init__(self) -> None:
        self.is_down = False
        self.held: set[int] = {1, 2, 3}
        self.released: list[tuple[list[int], int | None]] = []

    async def renew(self, owner: int, delivery_ids: Sequence[int], until: int) -> frozenset[int]:
        self._must_be_up()
        return frozenset(self.held.intersection(delivery_ids))

    async def release(self, owner: int, delivery_ids: Sequence[int], due_at: int | None) -> None:
        self._must_be_up()
        self.released.append((list(delivery_ids), due_at))

    def _must_be_up(self) -> None:
        if self.is_down:
            raise StorageUnavailable("down")


@pytest.fixture
def table() -> LeaseTable:
    return LeaseTable()


@pytest.fixture
def ledger(table: LeaseTable) -> LeaseLedger:
    made = LeaseLedger(cast("Database", table), lambda: 5_000, owner=1, lease_s=100)
    made.take([make_delivery(1), make_delivery(2), make_delivery(3)])
    return made


def test_what_is_taken_is_held_until_its_lease_ends(ledger: LeaseLedger) -> None:
    assert (len(ledger), 1 in ledger, 9 in ledger) == (3, True, False)
    assert ledger.left_ms(1, 400_000) == 600_000
    assert ledger.left_ms(9, 400_000) == 0


def test_only_leased_deliveries_can_be_taken(ledger: LeaseLedger) -> None:
    with pytest.raises(ValueError, match="not leased"):
        ledger.take([msgspec.structs.replace(make_delivery(4), lease=None)])


async def test_renewal_lengthens_what_is_ours_and_drops_what_is_not(ledger: LeaseLedger, table: LeaseTable) -> None:
    table.held = {1, 3}
    await ledger.renew()
    assert (2 in ledger, ledger.left_ms(1, 5_000)) == (False, 100_000)


async def test_a_renewal_that_fails_changes_nothing(ledger: LeaseLedger, table: LeaseTable) -> None:
    table.is_down = True
    await ledger.renew()
    assert (len(ledger), ledger.left_ms(1, 0)) == (3, 1_000_000)


async def test_what_is_given_back_leaves_the_ledger_once_it_is_written(ledger: LeaseLedger, table: LeaseTable) -> None:
    ledger.give_back([1], None)
    ledger.give_back([2, 3], 9_000)
    ledger.give_back([], 10_000)
    table.is_down = True
    assert not await ledger.write_returns()
    assert len(ledger) == 3
    table.is_down = False
    assert await ledger.write_returns()
    assert sorted(table.released, key=str) == [([1], None), ([2, 3], 9_000)]
    assert len(ledger) == 0


async def test_what_was_settled_during_a_renewal_is_not_taken_up_again(ledger: LeaseLedger, table: LeaseTable) -> None:
    renew = table.renew

    async def settle_meanwhile(*arguments: Any) -> frozenset[int]:
        ledger.drop([2])
        return await renew(*arguments)

    table.renew = settle_meanwhile  # type: ignore[method-assign, assignment]
    await ledger.renew()
    assert (len(ledger), 2 in ledger) == (2, False)


def test_a_delivery_is_held_under_the_lease_of_its_last_claim_only(ledger: LeaseLedger) -> None:
    earlier = make_delivery(1)
    later = msgspec.structs.replace(earlier, lease=Lease(owner=1, epoch=2, until=2_000_000))
    ledger.take([later])
    assert (ledger.holds(earlier), ledger.holds(later)) == (False, True)
    ledger.drop_settled([settlement_under(1)])
    assert 1 in ledger
    ledger.drop_settled([settlement_under(2)])
    assert 1 not in ledger


def test_leases_are_overdue_once_the_longest_held_has_ended(ledger: LeaseLedger) -> None:
    assert (ledger.is_overdue(999_999), ledger.is_overdue(1_000_000)) == (False, True)
    ledger.drop([1, 2, 3])
    assert not ledger.is_overdue(2_000_000)


def settlement_under(epoch: int) -> Settlement:
    return Settlement(
        delivery_id=1,
        message_id=1,
        owner=1,
        epoch=epoch,
        state=DeliveryState.DELIVERED,
        due_at=0,
        attempts=1,
        last_reply="",
        maybe_delivered=False,
        events=(),
    )
