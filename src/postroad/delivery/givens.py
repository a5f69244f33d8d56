"""What comes into delivery from outside and is different each time: time, ids, randomness."""

from collections.abc import Callable

import msgspec

from postroad.net.clock import Clock

MakeId = Callable[[int, int], int]
"""Makes a new id of now and a partition."""
Jitter = Callable[[], float]
"""Returns a random number from 0 up to 1."""


class Givens(msgspec.Struct, frozen=True):
    """The clock, the source of ids, and chance."""

    clock: Clock
    make_id: MakeId
    jitter: Jitter
