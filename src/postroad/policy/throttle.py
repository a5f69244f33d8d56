"""How many sessions a site gets at a time, and when it is left alone.

A window opens small and grows with every session that does its work: by one each until it reaches the size at which
it last met resistance (slow start), then by one per full round (additive increase). A host that says 421 or drops us
halves it. A site that refuses connections is paused, twice as long each time in a row; after a pause a single session
tries whether it is back.

===========  ====================================  ==============================
what         size                                  pause
===========  ====================================  ==============================
worked       grows                                 failures are forgotten
throttled    halves, and that is the new threshold none at first, then as refused
refused      1                                     30 s, doubled each time in a row
===========  ====================================  ==============================
"""

import msgspec


class WindowLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of every window."""

    initial: int = 4
    maximum: int = 20
    first_pause_s: int = 30
    longest_pause_s: int = 1800


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """How a site has behaved towards one egress source."""

    size: float
    threshold: float
    """Below it the window grows by one per success, above it by one per round."""
    failures: int = 0
    """Times in a row that the site pushed back."""
    paused_until: int = 0
    reason: str = ""
    """What the site said when it was last paused."""

    @property
    def sessions(self) -> int:
        """How many sessions may work at a time."""
        return int(self.size)

    def is_paused(self, now: int) -> bool:
        """Whether the site is left alone."""
        return now < self.paused_until


def open_window(limits: WindowLimits) -> Window:
    """Return the window of a site that nothing is known of."""
    return Window(size=float(limits.initial), threshold=float(limits.maximum))


def worked(window: Window, limits: WindowLimits) -> Window:
    """Return the window after a session did its work."""
    if window.size >= limits.maximum and not window.failures:
        return window
    growth = 1.0 if window.size < window.threshold else 1.0 / window.size
    size = min(window.size + growth, float(limits.maximum))
    return Window(size=size, threshold=window.threshold)


def throttled(window: Window, limits: WindowLimits, now: int, jitter: float, reason: str) -> Window:
    """Return the window after the site asked for less: a 421, or a connection that it dropped."""
    half = max(window.size / 2, 1.0)
    is_repeated = window.failures > 0 and window.size < 2
    pause_ms = _pause_ms(limits, window.failures, jitter) if is_repeated else 0
    return Window(
        size=half,
        threshold=half,
        failures=window.failures + 1,
        paused_until=max(window.paused_until, now + pause_ms) if pause_ms else window.paused_until,
        reason=reason,
    )


def refused(window: Window, limits: WindowLimits, now: int, jitter: float, reason: str) -> Window:
    """Return the window after no host of the site let us in; what others report while it is paused adds nothing."""
    if window.is_paused(now):
        return window
    return Window(
        size=1.0,
        threshold=max(window.size / 2, 1.0),
        failures=window.failures + 1,
        paused_until=now + _pause_ms(limits, window.failures, jitter),
        reason=reason,
    )


def paused_elsewhere(window: Window, until: int, reason: str) -> Window:
    """Return the window after another worker was refused: the pause holds for all."""
    if until <= window.paused_until:
        return window
    failures = max(window.failures, 1)
    return Window(size=1.0, threshold=window.threshold, failures=failures, paused_until=until, reason=reason)


def _pause_ms(limits: WindowLimits, failures: int, jitter: float) -> int:
    """Return a pause that doubles with each failure in a row, stretched by up to a fifth so that sites come apart."""
    pause_s = min(limits.first_pause_s << min(failures, 16), limits.longest_pause_s)
    return round(pause_s * 1000 * (1 + jitter / 5))
