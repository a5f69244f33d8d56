"""When a certificate is asked of its authority: at first, in good time before it ends, and more rarely after failures."""

from collections.abc import Collection

from postroad.model.certificate import ObtainedCertificate

_MINUTE_MS = 60_000
_FIRST_PAUSE_MS = 5 * _MINUTE_MS
"""Authorities bound failures per hour and name: Let's Encrypt takes five, the first hour here has four."""
_LONGEST_PAUSE_MS = 12 * 60 * _MINUTE_MS


def renewal_at(not_before: int, not_after: int) -> int:
    """Return when a certificate is to be renewed: when a third of its lifetime is left."""
    return not_after - (not_after - not_before) // 3


def pause_after(attempts: int) -> int:
    """Return the milliseconds to wait after so many failures in a row: 5 minutes, doubled each time, up to 12 hours."""
    # The exponent is bounded so that a failure of years stays a small number.
    return min(_FIRST_PAUSE_MS << min(max(attempts - 1, 0), 10), _LONGEST_PAUSE_MS)


def is_due(
    obtained: ObtainedCertificate | None,
    covered: Collection[str],
    *,
    names: Collection[str],
    directory: str,
    now: int,
) -> bool:
    """Tell whether a certificate is to be asked for now.

    Other names or another authority than it was issued for, and lost time after a failure, count as well as its age.

    Args:
        obtained: The certificate there is, or None where none was asked for yet.
        covered: The names that it holds.
        names: The names that are wanted.
        directory: The authority that is wanted.
        now: The time.
    """
    if obtained is None or obtained.next_attempt_at <= now:
        return True
    is_other = obtained.directory != directory or not set(names) <= set(covered)
    return is_other and obtained.attempts == 0
