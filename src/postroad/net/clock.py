"""The only place that reads the clock; everything else gets the time, or one of these functions, as an argument."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns milliseconds since 1970-01-01 UTC."""


def now_ms() -> int:
    """Return the time of day in milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000
