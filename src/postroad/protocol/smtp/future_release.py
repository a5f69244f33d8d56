"""FUTURERELEASE: a client says with MAIL when its message is to be sent (RFC 4865)."""

import datetime as dt
import re

import msgspec

from postroad.protocol.smtp.reply import Reply

# RFC 4865 §8: one to nine digits, the first not 0; a date-time of RFC 3339 in UTC.
_INTERVAL = re.compile(r"[1-9][0-9]{0,8}")
_INSTANT = re.compile(r"(?i)\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})")


class Release(msgspec.Struct, frozen=True):
    """When a message is to be sent: one of both."""

    hold_for_s: int | None = None
    hold_until: int | None = None
    """Milliseconds since 1970."""

    def at(self, now: int) -> int:
        """Return the instant for a message that is taken now."""
        return self.hold_until if self.hold_until is not None else now + (self.hold_for_s or 0) * 1000


def read_interval(value: str | None) -> int:
    """Read HOLDFOR; raises ValueError with what is expected."""
    if value is None or not _INTERVAL.fullmatch(value):
        raise ValueError("HOLDFOR needs a number of seconds such as 3600")
    return int(value)


def read_instant(value: str | None) -> int:
    """Read HOLDUNTIL as milliseconds since 1970; raises ValueError with what is expected."""
    expected = "HOLDUNTIL needs a date and time such as 2026-11-27T08:30:00Z"
    if value is None or not _INSTANT.fullmatch(value):
        raise ValueError(expected)
    try:
        moment = dt.datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError(expected) from None
    return int(moment.timestamp() * 1000)


def offer(max_hold_s: int, now: int) -> str:
    """Return what stands behind the keyword: the longest interval, and the furthest instant (RFC 4865 §4)."""
    furthest = dt.datetime.fromtimestamp(now // 1000 + max_hold_s, dt.UTC)
    return f"{max_hold_s} {furthest:%Y-%m-%dT%H:%M:%SZ}"


def refusal(release: Release | None, max_hold_s: int, now: int) -> Reply | None:
    """Return why a message cannot be put off so far; null where it can. An instant that is over means at once."""
    if release is None:
        return None
    if not max_hold_s:
        # RFC 5321 §4.1.1.11
        return Reply(555, "5.5.4", "HOLDFOR and HOLDUNTIL are not offered here; leave them out")
    if release.at(now) <= now + max_hold_s * 1000:
        return None
    name = "HOLDUNTIL" if release.hold_for_s is None else "HOLDFOR"
    return Reply(501, "5.5.4", f"{name} is too far ahead; at most {max_hold_s} seconds are possible")
