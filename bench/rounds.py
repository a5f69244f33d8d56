"""Timing what somebody waits for, again and again."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def timed(action: Callable[[], Awaitable[T]], rounds: int) -> tuple[T, tuple[float, float, float]]:
    """Return what an action gave the last time, and its best, median and 99th percentile in milliseconds.

    The first time counts like the others.
    """
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        found = await action()
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    return found, (taken[0], taken[rounds // 2], taken[max(0, -(-rounds * 99 // 100) - 1)])
