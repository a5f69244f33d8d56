from postroad.events.counters import Totals, summed
from postroad.storage.counters import Count


def _count(domain_id: int, period: int, kind: str, count: int) -> Count:
    return Count(domain_id=domain_id, period=period, dimension="all", key="", type=kind, count=count)


def test_counts_of_domains_are_added_up_by_period_and_type() -> None:
    counts = [
        _count(1, 11, "accepted", 2),
        _count(2, 10, "accepted", 5),
        _count(2, 11, "accepted", 1),
        _count(2, 11, "bounced", 1),
    ]

    assert summed(counts, 3_600_000) == [
        Totals(36_000_000, {"accepted": 5}),
        Totals(39_600_000, {"accepted": 3, "bounced": 1}),
    ]
