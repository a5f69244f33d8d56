"""How steadily a worker's own signs of life are written: only then does the silence of others say anything."""

_LONGEST_GAP_MS = 15_000
"""A worker gives a sign every five seconds; where it could not for longer, others may not have been able to either."""


class Pulse:
    """Kept by what writes a worker's signs of life, and asked by what judges those of others."""

    def __init__(self, now: int) -> None:
        self._began = now
        self._last: int | None = now

    def beat(self, now: int) -> None:
        """Note that a sign of life was written."""
        if self._is_broken(now):
            self._began = now
        self._last = now

    def miss(self) -> None:
        """Note that one could not be written."""
        self._last = None

    def steady_ms(self, now: int) -> int:
        """Return for how long signs of life have been written without a break; nothing while there is one."""
        return 0 if self._is_broken(now) else max(0, now - self._began)

    def _is_broken(self, now: int) -> bool:
        # The last one may be long ago as well because storage does not answer, or this machine stood still.
        return self._last is None or now - self._last > _LONGEST_GAP_MS
