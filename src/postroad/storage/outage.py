"""What the log says while storage is away: a few lines of each task that waits for it, not one of every try."""

import time
from collections.abc import Callable
from typing import Any

import structlog

from postroad.storage.errors import StorageError, StorageUnavailable

log = structlog.get_logger()

_FIRST_SILENCE_S = 10.0
_LONGEST_SILENCE_S = 600.0
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0


class Outage:
    """Tells of a task that is tried again and again: when it begins to fail, at growing pauses, and when it works again."""

    def __init__(self, event: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._event = event
        self._clock = clock
        self._failures = 0
        self._began = 0.0
        self._silent_until = 0.0
        self._silence_s = _FIRST_SILENCE_S

    @property
    def pause_s(self) -> float:
        """How long to wait before the next try: longer after each failure, and never so long that a return is missed."""
        return min(_FIRST_PAUSE_S * 2.0 ** min(self._failures, 16), _LONGEST_PAUSE_S)

    def failed(self, error: Exception, **facts: Any) -> None:
        """Note a failure; what is no fault of storage is told each time."""
        now = self._clock()
        if not self._failures:
            self._began, self._silent_until, self._silence_s = now, now, _FIRST_SILENCE_S
        self._failures += 1
        if not isinstance(error, StorageError):
            log_fault(self._event, error, **facts)
        elif now >= self._silent_until:
            log_fault(self._event, error, failures=self._failures, **facts)
            self._silent_until = now + self._silence_s
            self._silence_s = min(self._silence_s * 2, _LONGEST_SILENCE_S)

    def passed(self) -> None:
        """Note that it worked."""
        if self._failures:
            log.info("storage_works_again", after=self._event, failures=self._failures, for_s=self._lasted_s())
            self._failures = 0

    def _lasted_s(self) -> int:
        return round(self._clock() - self._began)


def log_fault(event: str, error: Exception, **facts: Any) -> None:
    """Log what kept something from being done: that storage is away in a sentence, all else with its traceback."""
    if isinstance(error, StorageUnavailable):
        log.warning(event, why=str(error), **facts)
    else:
        log.error(event, exc_info=error, **facts)
