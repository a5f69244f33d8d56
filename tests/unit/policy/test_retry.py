"""When deferred deliveries are tried again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.policy.retry import (
    DEFAULT_SCHEDULE,
    DEFAULT_SCHEDULE_TEXT,
    JITTER,
    RetrySchedule,
    next_due_at,
    parse_schedule,
    retry_at,
)

MIN, HOUR = 60_000, 3_600_000


def test_the_default_reads_as_it_is_written() -> None:
    assert parse_schedule(DEFAULT_SCHEDULE_TEXT) == DEFAULT_SCHEDULE


@pytest.mark.parametrize(
    ("attempts", "pause"),
    [(1, MIN), (2, 5 * MIN), (3, 15 * MIN), (4, 30 * MIN), (5, HOUR), (6, 2 * HOUR), (7, 4 * HOUR), (8, 4 * HOUR)],
)
def test_pauses_grow_and_the_last_one_repeats(attempts: int, pause: int) -> None:
    assert 1000 + pause == next_due_at(DEFAULT_SCHEDULE, attempts, 1000, 0.5)


@given(st.integers(1, 40), st.floats(0, 1, exclude_max=True))
def test_jitter_stays_within_its_part(attempts: int, jitter: float) -> None:
    exact = next_due_at(DEFAULT_SCHEDULE, attempts, 0, 0.5)
    assert abs(next_due_at(DEFAULT_SCHEDULE, attempts, 0, jitter) - exact) <= JITTER * exact + 1


def test_jitter_spreads_both_ways() -> None:
    schedule = RetrySchedule((100,))
    assert (next_due_at(schedule, 1, 0, 0.0), next_due_at(schedule, 1, 0, 1.0)) == (90_000, 110_000)


def test_the_last_try_is_at_the_end_itself() -> None:
    assert retry_at(DEFAULT_SCHEDULE, 5, 0, 50 * MIN, 0.5) == 50 * MIN


def test_nothing_is_tried_after_the_end() -> None:
    assert retry_at(DEFAULT_SCHEDULE, 5, 50 * MIN, 50 * MIN, 0.5) is None


@pytest.mark.parametrize("text", ["", "5", "m", "5m,,10m", "0m", "5 m", "-5m", "5w"])
def test_a_schedule_that_is_not_understood_is_refused_with_the_word(text: str) -> None:
    with pytest.raises(ValueError, match="is not a pause"):
        parse_schedule(text)


def test_all_units_are_read() -> None:
    assert RetrySchedule((30, 300, 7200, 86_400)) == parse_schedule("30s, 5m,2h , 1d")


def test_a_delivery_is_tried_twenty_five_times_in_seventy_two_hours() -> None:
    now, attempts, expires_at = 0, 0, 72 * HOUR
    due: int | None = 0
    while due is not None:
        now, attempts = due, attempts + 1
        due = retry_at(DEFAULT_SCHEDULE, attempts, now, expires_at, 0.5)
    assert (25, expires_at) == (attempts, now)
