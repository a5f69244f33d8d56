"""When a webhook call is tried again, and when its receiver is left alone for a while (the circuit breaker)."""

import msgspec

from postroad.model.webhook import WELL, Health

LIFETIME_MS = 72 * 3_600_000
"""How long a call is tried."""
JITTER = 0.2
"""An interval is stretched or shortened by up to this part, so that calls that failed together come apart."""
PAUSED_AFTER_FAILURES = 10
PAUSED_AFTER_MS = 5 * 60_000
"""A receiver is paused that failed so many times in a row, for so long."""
SPARED_AFTER_FAILURES = 3
"""A receiver that failed so many times in a row is left alone for moments that grow, until the breaker pauses it."""
TOLD_EVERY_MS = 24 * 3_600_000
"""Admins are not told more often of calls given up: a receiver may take all but some events."""
LONGEST_RETRY_AFTER_S = 6 * 3600
"""What a receiver may ask for: a mistake must not cost a day."""

_INTERVALS_S = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 21_600)
_SPARED_S = (1, 2, 4, 8, 16, 30)
_SHORTEST_TRIAL_S, _LONGEST_TRIAL_S = 60, 1800


def is_over(created_at: int, now: int) -> bool:
    """Tell whether a call's time is over."""
    return now >= created_at + LIFETIME_MS


def next_try_at(attempts: int, created_at: int, now: int, jitter: float, retry_after_s: int = 0) -> int | None:
    """Return when to try a call again; None where its time is over.

    A pause that would pass the end is cut short, so that one last attempt is made at the end itself.

    Args:
        attempts: Attempts that have ended, this one included.
        created_at: When the call was made.
        now: When the last attempt ended.
        jitter: A random number from 0 up to 1.
        retry_after_s: What the receiver asked for.
    """
    if is_over(created_at, now):
        return None
    pause_s = _at(_INTERVALS_S, attempts) * _stretched(jitter)
    pause_s = max(pause_s, min(retry_after_s, LONGEST_RETRY_AFTER_S))
    return min(now + round(pause_s * 1000), created_at + LIFETIME_MS)


def after_failure(
    health: Health, now: int, jitter: float, error: str, retry_after_s: int = 0, *, is_gone: bool = False
) -> Health:
    """Return how a receiver is doing that has failed once more, or says that it is gone: then it is paused at once."""
    since = now if health.failing_since is None else health.failing_since
    failures = health.failures + 1
    is_dead = is_gone or (failures >= PAUSED_AFTER_FAILURES and now - since >= PAUSED_AFTER_MS)
    paused_at = health.paused_at or (now if is_dead else None)
    pause_s = 0.0
    if paused_at is not None:
        pause_s = _trial_pause_s(now - paused_at) * _stretched(jitter)
    elif failures >= SPARED_AFTER_FAILURES:
        pause_s = _at(_SPARED_S, failures - SPARED_AFTER_FAILURES + 1) * _stretched(jitter)
    pause_s = max(pause_s, min(retry_after_s, LONGEST_RETRY_AFTER_S))
    return msgspec.structs.replace(
        health,
        failures=failures,
        failing_since=since,
        paused_at=paused_at,
        next_try_at=now + round(pause_s * 1000) if pause_s else None,
        last_error=error,
    )


def after_success(health: Health) -> Health:
    """Return how a receiver is doing that took a call."""
    return WELL if health.told_at is None else msgspec.structs.replace(WELL, told_at=health.told_at)


def is_to_be_told(health: Health, now: int) -> bool:
    """Whether admins are to be told that calls to a receiver are given up: once in an outage, and once a day at most."""
    return not health.given_up and (health.told_at is None or now - health.told_at >= TOLD_EVERY_MS)


def after_giving_up(health: Health, calls: int, now: int) -> Health:
    """Return how a receiver is doing when calls to it have been given up."""
    told_at = now if is_to_be_told(health, now) else health.told_at
    return msgspec.structs.replace(health, given_up=health.given_up + calls, told_at=told_at)


def _trial_pause_s(paused_ms: int) -> float:
    """Return how long a paused receiver is left alone: half as long again as it has been paused, within bounds."""
    return min(max(_SHORTEST_TRIAL_S, paused_ms / 2000), _LONGEST_TRIAL_S)


def _at(steps_s: tuple[int, ...], number: int) -> int:
    return steps_s[min(max(number, 1), len(steps_s)) - 1]


def _stretched(jitter: float) -> float:
    return 1 + JITTER * (2 * jitter - 1)
