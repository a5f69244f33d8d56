import pytest

from postroad.policy.lockout import CLEAN, Standing, failed
from postroad.policy.sign_in import EMAIL, NETWORK, RULES, locked_until

NOW = 1_795_000_000_000
MINUTE = 60_000
LOCKED = Standing(failures=8, times_locked=1, last_failed_at=NOW, locked_until=NOW + MINUTE)
LONGER = Standing(failures=8, times_locked=1, last_failed_at=NOW, locked_until=NOW + 5 * MINUTE)


@pytest.mark.parametrize(
    ("email", "network", "is_at_home", "until"),
    [
        (CLEAN, CLEAN, False, None),
        (LOCKED, CLEAN, False, MINUTE),
        (LOCKED, CLEAN, True, None),
        (CLEAN, LOCKED, False, MINUTE),
        (CLEAN, LOCKED, True, MINUTE),
        (LOCKED, LONGER, False, 5 * MINUTE),
        (LONGER, LOCKED, True, MINUTE),
    ],
)
def test_the_longer_lock_counts_and_home_is_spared_the_address(
    email: Standing, network: Standing, is_at_home: bool, until: int | None
) -> None:
    expected = None if until is None else NOW + until
    assert locked_until(email, network, NOW, is_at_home=is_at_home) == expected


def test_a_lock_that_is_over_is_none() -> None:
    assert locked_until(LOCKED, LOCKED, NOW + MINUTE, is_at_home=False) is None


@pytest.mark.parametrize("scope", [EMAIL, NETWORK])
def test_locks_grow_and_have_an_end(scope: str) -> None:
    rule, standing, now, locks = RULES[scope], CLEAN, NOW, []
    for _ in range(6):
        while not standing.is_locked(now):
            standing = failed(standing, rule, now)
        assert standing.locked_until is not None
        locks.append((standing.locked_until - now) // MINUTE)
        now = standing.locked_until

    assert locks == sorted(locks)
    assert (locks[0], locks[-1]) == (1, 60)
