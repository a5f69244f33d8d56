"""Shares of an installation's limit."""

from hypothesis import given
from hypothesis import strategies as st

from postroad.policy.share import share_of

WORKERS = st.sets(st.integers(1, 1000), min_size=1, max_size=12)


@given(st.integers(0, 60), st.text(max_size=8), WORKERS)
def test_shares_add_up_to_the_limit_and_differ_by_one_at_most(limit: int, key: str, workers: set[int]) -> None:
    shares = [share_of(limit, key, worker, workers) for worker in workers]
    assert limit == sum(shares)
    assert max(shares) - min(shares) <= 1


@given(WORKERS.filter(lambda workers: len(workers) > 3))
def test_a_limit_below_the_number_of_workers_has_that_many_owners(workers: set[int]) -> None:
    assert sum(share_of(3, "site", worker, workers) for worker in workers) == 3


def test_a_worker_that_is_not_live_has_no_share() -> None:
    assert share_of(20, "site", 9, [1, 2]) == 0


def test_different_keys_favour_different_workers() -> None:
    owners = {next(w for w in (1, 2, 3) if share_of(1, f"site{n}", w, (1, 2, 3))) for n in range(50)}
    assert {1, 2, 3} == owners


@given(st.text(max_size=8), WORKERS.filter(lambda workers: len(workers) > 1))
def test_the_owner_of_a_single_place_moves_only_when_it_leaves(key: str, workers: set[int]) -> None:
    owner = next(worker for worker in workers if share_of(1, key, worker, workers))
    for gone in workers - {owner}:
        assert share_of(1, key, owner, workers - {gone}) == 1
