"""Waiting for what a running node does soon, and within what it promises."""

import time
from collections.abc import Callable
from typing import TypeVar

PROMISED_S = 5.0
"""Within this every worker of every node follows what was changed."""

_NEW_CONNECTIONS = 20

Found = TypeVar("Found")


def within(seconds: float, ask: Callable[[], Found], pause_s: float = 0.05) -> Found:
    """Ask until the answer is true, and return it; fails where it is not after a while."""
    deadline = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < deadline, f"it does not hold after {seconds} seconds"
        time.sleep(pause_s)
    return found


def within_promise(ask: Callable[[], Found]) -> Found:
    """Ask until the answer is true; more seconds than promised are too many."""
    return within(PROMISED_S, ask)


def on_every_worker(holds: Callable[[], bool]) -> bool:
    """Tell whether something holds over many new connections, which the kernel spreads over the workers' sockets.

    That all of them come to one of two workers is a chance of one in 500,000.
    """
    return all(holds() for _ in range(_NEW_CONNECTIONS))
