"""How many wrong passwords the console takes: by the email address that is tried, and by the network that tries.

The counting itself is ``policy.lockout``'s; here are the numbers for people, and whom a lock spares.
"""

from postroad.policy.lockout import LockoutRule, Standing

EMAIL = "console_email"
NETWORK = "console_network"
SESSION = "console_session"
"""Passwords that somebody gives who is signed in, by the person: whoever took a session over guesses from where the
person is at home, so nothing is spared here."""

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS

RULES = {
    # Ten a quarter of an hour cannot find a password of twelve characters, nor six digits in a year.
    EMAIL: LockoutRule(
        failures=8,
        locks_ms=(_MINUTE_MS, 5 * _MINUTE_MS, 15 * _MINUTE_MS, _HOUR_MS),
        failures_forgotten_after_ms=_HOUR_MS,
        locks_forgotten_after_ms=_DAY_MS,
    ),
    # Whoever guesses within a session has all the time that the session holds: some twenty tries a day.
    SESSION: LockoutRule(
        failures=5,
        locks_ms=(15 * _MINUTE_MS, _HOUR_MS, 8 * _HOUR_MS),
        failures_forgotten_after_ms=_DAY_MS,
        locks_forgotten_after_ms=_DAY_MS,
    ),
    # An office behind one address has many people who mistype.
    NETWORK: LockoutRule(
        failures=40,
        locks_ms=(_MINUTE_MS, 10 * _MINUTE_MS, _HOUR_MS),
        failures_forgotten_after_ms=_HOUR_MS,
        locks_forgotten_after_ms=_DAY_MS,
    ),
}
"""When each kind of subject is locked, and for how long."""


def locked_until(email: Standing, network: Standing, now: int, *, is_at_home: bool) -> int | None:
    """Return until when nobody may try this address from this network, or None where it may be tried.

    ``is_at_home``: the person is signed in from that client already; a stranger who keeps guessing the address
    elsewhere does not lock the person out there.
    """
    locks = [network.locked_until if network.is_locked(now) else None]
    if not is_at_home:
        locks.append(email.locked_until if email.is_locked(now) else None)
    return max((lock for lock in locks if lock is not None), default=None)
