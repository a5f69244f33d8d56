"""Which source of a pool serves a delivery."""

from collections import Counter

from postroad.model.route import EgressSource
from postroad.policy.egress import Pool, WeightedSource, choose_source, make_pools

A = EgressSource(name="a", ehlo_name="a.test")
B = EgressSource(name="b", ehlo_name="b.test")


def test_a_delivery_keeps_its_source_on_every_attempt() -> None:
    pool = Pool("default", (WeightedSource(A, 1), WeightedSource(B, 1)))
    assert all(choose_source(pool, number) is choose_source(pool, number) for number in range(100))


def test_traffic_follows_the_weights() -> None:
    pool = Pool("default", (WeightedSource(A, 3), WeightedSource(B, 1)))
    counts = Counter(choose_source(pool, number).name for number in range(8000))
    assert 5800 < counts["a"] < 6200


def test_the_only_source_serves_all() -> None:
    assert A is choose_source(Pool("default", (WeightedSource(A, 7),)), 1)


def test_a_node_serves_the_pools_whose_sources_it_has() -> None:
    pools = make_pools(
        {"mine": {"a": 2, "elsewhere": 1}, "theirs": {"elsewhere": 1}, "off": {"a": 0}}, {"a": A, "b": B}
    )
    assert {"mine": Pool("mine", (WeightedSource(A, 2),))} == pools
