"""Concurrency windows."""

from hypothesis import given
from hypothesis import strategies as st

from postroad.policy.throttle import (
    Window,
    WindowLimits,
    open_window,
    paused_elsewhere,
    refused,
    throttled,
    worked,
)

LIMITS = WindowLimits(initial=2, maximum=10, first_pause_s=30, longest_pause_s=600)


def test_a_new_window_is_small() -> None:
    assert open_window(LIMITS).sessions == 2


def test_slow_start_grows_by_one_per_success_up_to_the_maximum() -> None:
    window = open_window(LIMITS)
    sizes = []
    for _ in range(10):
        window = worked(window, LIMITS)
        sizes.append(window.sessions)
    assert sizes == [3, 4, 5, 6, 7, 8, 9, 10, 10, 10]


def test_a_421_halves_and_growth_is_slow_from_there() -> None:
    window = throttled(Window(size=8.0, threshold=10.0), LIMITS, 0, 0.0, "421 busy")
    assert (window.sessions, window.threshold, window.reason, window.is_paused(0)) == (4, 4.0, "421 busy", False)
    rounds = 0
    while window.sessions < 5:
        window, rounds = worked(window, LIMITS), rounds + 1
    assert rounds in (4, 5)


def test_a_site_that_throttles_a_single_session_again_is_paused() -> None:
    window = Window(size=1.0, threshold=1.0)
    window = throttled(window, LIMITS, 0, 0.0, "421")
    assert not window.is_paused(0)
    window = throttled(window, LIMITS, 0, 0.0, "421")
    assert window.is_paused(59_999)
    assert not window.is_paused(60_000)


def test_pauses_of_a_refusing_site_double_up_to_the_longest() -> None:
    window, now, pauses = open_window(LIMITS), 0, []
    for _ in range(7):
        window = refused(window, LIMITS, now, 0.0, "connection refused")
        pauses.append((window.paused_until - now) // 1000)
        now = window.paused_until
    assert pauses == [30, 60, 120, 240, 480, 600, 600]


def test_reports_during_a_pause_do_not_lengthen_it() -> None:
    window = refused(open_window(LIMITS), LIMITS, 0, 0.0, "refused")
    assert window is refused(window, LIMITS, 10, 0.0, "refused")


def test_after_a_pause_one_session_tries_and_success_forgets_the_failures() -> None:
    window = refused(Window(size=8.0, threshold=10.0), LIMITS, 0, 0.0, "refused")
    assert window.sessions == 1
    window = worked(window, LIMITS)
    assert (window.sessions, window.failures, window.paused_until, window.reason) == (2, 0, 0, "")


def test_a_pause_found_elsewhere_holds_here_and_never_shortens_ours() -> None:
    window = paused_elsewhere(open_window(LIMITS), 5_000, "refused")
    assert (window.sessions, window.is_paused(4_999), window.reason) == (1, True, "refused")
    assert window is paused_elsewhere(window, 4_000, "other")


@given(st.lists(st.tuples(st.sampled_from("wtrp"), st.integers(0, 100_000), st.floats(0, 0.99)), max_size=60))
def test_a_window_stays_between_one_and_the_maximum(steps: list[tuple[str, int, float]]) -> None:
    window, now = open_window(LIMITS), 0
    for kind, pause, jitter in steps:
        now += pause
        match kind:
            case "w":
                window = worked(window, LIMITS)
            case "t":
                window = throttled(window, LIMITS, now, jitter, "t")
            case "r":
                window = refused(window, LIMITS, now, jitter, "r")
            case "p":
                window = paused_elsewhere(window, now + pause, "p")
        assert 1 <= window.sessions <= LIMITS.maximum
        assert window.paused_until - now <= LIMITS.longest_pause_s * 1200
