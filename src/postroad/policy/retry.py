"""When a deferred delivery is tried again, and when it is given up."""

import re

import msgspec

JITTER = 0.1
"""An interval is stretched or shortened by up to this part, so that deliveries deferred together come apart."""

_INTERVAL = re.compile(r"(\d+)([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class RetrySchedule(msgspec.Struct, frozen=True):
    """The pauses after the first, second, … attempt; the last one repeats until the delivery expires."""

    intervals_s: tuple[int, ...]


DEFAULT_SCHEDULE_TEXT = "1m,5m,15m,30m,1h,2h,4h"
# RFC 5321 §4.5.4.1: the pause should in general be at least 30 minutes, and shorter ones serve where the reason is
# known to pass soon; the first ones here are for greylisting, which commonly ends after one to five minutes.
DEFAULT_SCHEDULE = RetrySchedule((60, 300, 900, 1800, 3600, 7200, 14_400))


def parse_schedule(text: str) -> RetrySchedule:
    """Read a schedule such as ``1m,5m,1h``; raises ValueError with the word that is not understood."""
    words = [word.strip() for word in text.split(",")]
    intervals: list[int] = []
    for word in words:
        match = _INTERVAL.fullmatch(word)
        if match is None or int(match[1]) == 0:
            raise ValueError(f"{word!r} is not a pause: write a number and s, m, h or d, such as 15m")
        intervals.append(int(match[1]) * _UNIT_S[match[2]])
    return RetrySchedule(tuple(intervals))


def next_due_at(schedule: RetrySchedule, attempts: int, now: int, jitter: float) -> int:
    """Return when to try again after ``attempts`` ended attempts.

    Args:
        schedule: The pauses to keep.
        attempts: Attempts that have ended, this one included.
        now: When the last one ended.
        jitter: A random number from 0 up to 1.
    """
    interval_s = schedule.intervals_s[min(max(attempts, 1), len(schedule.intervals_s)) - 1]
    return now + round(interval_s * 1000 * (1 + JITTER * (2 * jitter - 1)))


def retry_at(schedule: RetrySchedule, attempts: int, now: int, expires_at: int, jitter: float) -> int | None:
    """Return when to try again, or null when the delivery's time is over.

    A pause that would pass the end is cut short, so that one last attempt is made at the end itself.
    """
    if now >= expires_at:
        return None
    return min(next_due_at(schedule, attempts, now, jitter), expires_at)
