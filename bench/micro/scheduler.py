"""The ready set: in, its turn, out; alone, among many lanes, and among many sites."""

from collections.abc import Callable
from itertools import count

from postroad.model.delivery import Delivery, Lease
from postroad.model.route import EgressSource
from postroad.policy.egress import Pool, WeightedSource, choose_source
from postroad.queue.scheduler import LotKey, Scheduler, SchedulerLimits

_LEASE = Lease(1, 1, 2_000_000_000_000)


def make_delivery(number: int, lane: int = 1) -> Delivery:
    """Make a leased delivery."""
    return Delivery(
        id=number,
        message_id=number,
        account_id=1,
        domain_id=1,
        recipient="someone@destination.example",
        destination="destination.example",
        pool="default",
        lane=lane,
        due_at=0,
        expires_at=2_000_000_000_000,
        accepted_at=0,
        lease=_LEASE,
    )


def cases() -> dict[str, Callable[[], object]]:
    """Return the operations to time; those through the ready set carry twenty deliveries each."""
    sources = [EgressSource(name=f"s{number}", ehlo_name="mail.example") for number in range(4)]
    pool = Pool("default", tuple(WeightedSource(source, 2) for source in sources))
    numbers = count(1)
    return {
        "20 deliveries of one lane in and out": _through(numbers, lanes=1, sites=1),
        "20 deliveries of 20 lanes in and out": _through(numbers, lanes=20, sites=1),
        "20 deliveries in and out, among 1,000 waiting sites": _through(numbers, lanes=1, sites=1_000),
        "choosing among four sources": lambda: choose_source(pool, 12345),
        "why a delivery waits": _asking(numbers),
    }


def _through(numbers: "count[int]", lanes: int, sites: int) -> Callable[[], object]:
    scheduler = Scheduler(SchedulerLimits(ready=1_000_000), 1)
    keys = [LotKey("default", f"mx{number}.example") for number in range(sites)]
    for key in keys[1:]:
        scheduler.add(key, make_delivery(next(numbers)), 0)
        scheduler.pause(key, 10**15, "closed", 0)

    def operation() -> None:
        for index in range(20):
            scheduler.add(keys[0], make_delivery(next(numbers), index % lanes), 0)
        while (batch := scheduler.next_batch(0)) is not None:
            scheduler.worked(batch.key, 0)
            scheduler.ended(batch.key, 0)

    return operation


def _asking(numbers: "count[int]") -> Callable[[], object]:
    scheduler = Scheduler(SchedulerLimits(), 1)
    delivery = make_delivery(next(numbers))
    scheduler.add(LotKey("default", "mx.example"), delivery, 0)
    return lambda: scheduler.why(delivery.id, 0)
