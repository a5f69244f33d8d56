"""Limits on recipients in a clock hour and in a day, both in UTC: which periods count now, and what their end frees."""

import enum
from datetime import UTC, datetime

import msgspec

from postroad.model.credential import Principal, SmtpUser
from postroad.model.submission import Rejected

RULES: dict[str, tuple[str, str]] = {
    "recipients_over_limit": ("5.7.1", "the message has more recipients than its SMTP user may have in an hour or day"),
    "hourly_limit": ("4.7.1", "the SMTP user has had as many recipients as it may have this hour (UTC)"),
    "daily_limit": ("4.7.1", "the SMTP user has had as many recipients as it may have this day (UTC)"),
}
"""The rules of quotas: each one's enhanced status code, and what it refuses."""


class Period(enum.Enum):
    """How long a limit counts before it begins anew."""

    HOUR = "hour"
    DAY = "day"

    @property
    def length_ms(self) -> int:
        """The length in milliseconds."""
        return 3_600_000 if self is Period.HOUR else 86_400_000


class Demand(msgspec.Struct, frozen=True):
    """One limit that a message is counted against."""

    subject: str
    """Whose limit it is: ``smtp_user:`` and an id."""
    period: Period
    starts_at: int
    limit: int

    @property
    def ends_at(self) -> int:
        """When the limit begins anew."""
        return self.starts_at + self.period.length_ms


def demands_of(principal: Principal, now: int) -> tuple[Demand, ...]:
    """Return the limits of whoever submits, in one order for everybody so that no two wait for each other."""
    return _demands(principal.credential_id, principal.hourly_limit, principal.daily_limit, now)


def demands_of_user(user: SmtpUser, now: int) -> tuple[Demand, ...]:
    """Return the limits of an SMTP user."""
    return _demands(user.id, user.hourly_limit, user.daily_limit, now)


def _demands(user_id: int, hourly: int | None, daily: int | None, now: int) -> tuple[Demand, ...]:
    if hourly is None and daily is None:
        # Asked for every message, and true of most senders.
        return ()
    return tuple(
        Demand(f"smtp_user:{user_id}", period, now - now % period.length_ms, limit)
        for period, limit in ((Period.HOUR, hourly), (Period.DAY, daily))
        if limit is not None
    )


def over_quota(demand: Demand, count: int) -> Rejected:
    """Return the refusal of a message with ``count`` recipients, which a limit has no room for."""
    limit = f"{demand.limit} recipients {'an hour' if demand.period is Period.HOUR else 'a day'}"
    if count > demand.limit:
        # No waiting helps, and a client that tries again would do so until it gives up.
        text = f"The message has {count} recipients and this SMTP user may have {limit}; send it in smaller parts."
        return _rejected("recipients_over_limit", text)
    frees_at = datetime.fromtimestamp(demand.ends_at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    text = f"This SMTP user may have {limit}, and {count} more are too many now; try again after {frees_at} UTC."
    return _rejected("hourly_limit" if demand.period is Period.HOUR else "daily_limit", text)


def _rejected(rule: str, text: str) -> Rejected:
    return Rejected(rule, RULES[rule][0], text)
