"""When calls are tried again, and when their receivers are left alone."""

import itertools

import pytest

from postroad.model.webhook import WELL, Health
from postroad.policy.webhook_retry import (
    LIFETIME_MS,
    LONGEST_RETRY_AFTER_S,
    PAUSED_AFTER_FAILURES,
    TOLD_EVERY_MS,
    after_failure,
    after_giving_up,
    after_success,
    is_over,
    is_to_be_told,
    next_try_at,
)

NOW = 1_800_000_000_000
MINUTE, HOUR = 60_000, 3_600_000
EVEN = 0.5
"""No jitter."""


def tries(jitter: float = EVEN) -> list[int]:
    """Return when a call is tried that always fails, in milliseconds since it was made."""
    at, found = NOW, [0]
    for attempts in itertools.count(1):
        following = next_try_at(attempts, NOW, at, jitter)
        if following is None:
            return found
        at = following
        found.append(at - NOW)
    return found


def test_pauses_grow_to_six_hours_and_the_last_try_is_at_the_end_of_72_hours() -> None:
    times = tries()
    pauses = [later - one for one, later in itertools.pairwise(times)]

    assert pauses[:4] == [5_000, 30_000, 2 * MINUTE, 10 * MINUTE]
    assert pauses[:-1] == sorted(pauses[:-1])
    assert max(pauses) == 6 * HOUR
    assert times[-1] == LIFETIME_MS


def test_pauses_are_spread_by_a_fifth() -> None:
    assert next_try_at(4, NOW, NOW, 0.0) == NOW + 8 * MINUTE
    assert next_try_at(4, NOW, NOW, 1.0) == NOW + 12 * MINUTE


def test_a_call_is_over_after_72_hours() -> None:
    assert not is_over(NOW, NOW + LIFETIME_MS - 1)
    assert is_over(NOW, NOW + LIFETIME_MS)
    assert next_try_at(20, NOW, NOW + LIFETIME_MS, EVEN) is None


def test_what_the_receiver_asks_for_is_kept_to_within_bounds() -> None:
    assert next_try_at(1, NOW, NOW, EVEN, 90) == NOW + 90_000
    assert next_try_at(4, NOW, NOW, EVEN, 90) == NOW + 10 * MINUTE
    assert next_try_at(1, NOW, NOW, EVEN, 10**9) == NOW + LONGEST_RETRY_AFTER_S * 1000


def failing(times: int, every_ms: int, health: Health = WELL) -> Health:
    for number in range(times):
        health = after_failure(health, NOW + number * every_ms, EVEN, "it answered 500")
    return health


def test_two_failures_are_no_reason_to_spare_a_receiver() -> None:
    assert failing(2, 1_000).next_try_at is None


@pytest.mark.parametrize(("failures", "pause_s"), [(3, 1), (4, 2), (7, 16), (8, 30), (30, 30)])
def test_a_receiver_that_goes_on_failing_is_spared_for_moments(failures: int, pause_s: int) -> None:
    health = failing(failures, 100)

    assert health.paused_at is None
    assert health.next_try_at == NOW + (failures - 1) * 100 + pause_s * 1000


def test_a_receiver_is_paused_after_enough_failures_over_enough_time() -> None:
    few = failing(PAUSED_AFTER_FAILURES - 1, 10 * MINUTE)
    quick = failing(PAUSED_AFTER_FAILURES * 3, 1_000)
    dead = failing(PAUSED_AFTER_FAILURES, MINUTE)
    at = NOW + (PAUSED_AFTER_FAILURES - 1) * MINUTE

    assert (few.paused_at, quick.paused_at) == (None, None)
    assert (dead.paused_at, dead.failing_since, dead.last_error) == (at, NOW, "it answered 500")
    assert dead.next_try_at == at + MINUTE


def test_a_paused_receiver_is_tried_more_and_more_rarely() -> None:
    dead = failing(PAUSED_AFTER_FAILURES, MINUTE)
    assert dead.paused_at is not None
    later = after_failure(dead, dead.paused_at + 10 * MINUTE, EVEN, "still")
    much_later = after_failure(dead, dead.paused_at + 24 * HOUR, EVEN, "still")

    assert later.paused_at == dead.paused_at
    assert later.next_try_at == dead.paused_at + 15 * MINUTE
    assert much_later.next_try_at == dead.paused_at + 24 * HOUR + 30 * MINUTE


def test_a_receiver_that_asks_for_time_gets_it_from_the_first_failure_on() -> None:
    assert after_failure(WELL, NOW, EVEN, "it answered 429", 60).next_try_at == NOW + MINUTE


def test_a_call_that_gets_through_makes_a_receiver_well() -> None:
    assert after_success(failing(3, 1_000)) == WELL


def test_admins_are_told_of_calls_given_up_once_in_an_outage_and_once_a_day() -> None:
    lost = after_giving_up(failing(3, 1_000), 2, NOW)
    worse = after_giving_up(lost, 1, NOW + 2 * TOLD_EVERY_MS)
    well = after_success(worse)

    assert (is_to_be_told(WELL, NOW), lost.given_up, lost.told_at) == (True, 2, NOW)
    assert (is_to_be_told(lost, NOW + 2 * TOLD_EVERY_MS), worse.given_up, worse.told_at) == (False, 3, NOW)
    assert (well.given_up, well.told_at) == (0, NOW)
    assert not is_to_be_told(well, NOW + TOLD_EVERY_MS - 1)
    assert is_to_be_told(well, NOW + TOLD_EVERY_MS)
