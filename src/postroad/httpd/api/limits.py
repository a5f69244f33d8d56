"""How many calls a key may make, and how many wrong keys an address may try; in the memory of one worker."""

from collections import OrderedDict
from collections.abc import Hashable

from postroad.net.clock import Clock
from postroad.policy.lockout import client_subject

_MINUTE_MS = 60_000
_MOST_REMEMBERED = 50_000


class CallLimits:
    """Counts the calls of keys, and the wrong keys of addresses."""

    def __init__(self, clock: Clock, *, calls_per_minute: int, failures_per_minute: int) -> None:
        self._calls = _Rate(clock, calls_per_minute)
        self._failures = _Rate(clock, failures_per_minute)

    def take_call(self, key_id: int) -> int | None:
        """Count a call; returns the seconds until the next one is possible where this one is too many."""
        return self._calls.take(key_id)

    def note_failure(self, client_address: str) -> None:
        """Count a wrong key."""
        self._failures.take(client_subject(client_address))

    def blocked_for(self, client_address: str) -> int | None:
        """Return the seconds until an address may try another key, or None where it may now."""
        return self._failures.wait(client_subject(client_address))


class _Rate:
    """So many per minute, all of which may come at once; each is regained evenly (the generic cell rate algorithm)."""

    def __init__(self, clock: Clock, per_minute: int) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._free_at: OrderedDict[Hashable, float] = OrderedDict()
        """When all that a subject took is regained, those that took last at the end."""

    def take(self, subject: Hashable) -> int | None:
        """Take one; returns the seconds to wait where there is none."""
        if not self._per_minute:
            return None
        wait = self.wait(subject)
        if wait is not None:
            return wait
        now = self._clock()
        self._free_at[subject] = max(self._free_at.get(subject, now), now) + _MINUTE_MS / self._per_minute
        self._free_at.move_to_end(subject)
        if len(self._free_at) > _MOST_REMEMBERED:
            self._free_at.popitem(last=False)
        return None

    def wait(self, subject: Hashable) -> int | None:
        """Return the seconds to wait, at least one; None where there is one to take."""
        free_at = self._free_at.get(subject)
        if free_at is None:
            return None
        over = free_at + _MINUTE_MS / self._per_minute - self._clock() - _MINUTE_MS
        # Rounded off for the error of adding fractions of a millisecond.
        return max(1, -int(-over // 1000)) if over > 0.001 else None
