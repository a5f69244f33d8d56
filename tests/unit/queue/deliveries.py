"""Deliveries for the tests of the queue."""

from postroad.model.delivery import Delivery, Lease


def make_delivery(number: int, *, lane: int = 1, priority: int = 0) -> Delivery:
    """Make a leased delivery with little to tell it from others."""
    return Delivery(
        id=number,
        message_id=number,
        account_id=1,
        domain_id=1,
        recipient=f"{number}@dest.test",
        destination="dest.test",
        pool="default",
        lane=lane,
        priority=priority,
        due_at=0,
        expires_at=1_000_000,
        accepted_at=0,
        lease=Lease(owner=1, epoch=1, until=1_000_000),
    )
