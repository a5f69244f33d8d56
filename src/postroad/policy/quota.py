"""Limits on recipients in a clock hour and in a day, both in UTC: which periods count now, and what their end frees."""

import enum
from datetime import UTC, datetime

import msgspec

from postroad.model.credential import Principal, SmtpUser
from postroad.model.domain import SendingDomain
from postroad.model.submission import Rejected

RULES: dict[str, tuple[str, str]] = {
    "recipients_over_limit": ("5.7.1", "the message has more recipients than its SMTP user may have in an hour or day"),
    "hourly_limit": ("4.7.1", "the SMTP user has had as many recipients as it may have this hour (UTC)"),
    "daily_limit": ("4.7.1", "the SMTP user has had as many recipients as it may have this day (UTC)"),
    "recipients_over_quota": ("5.7.1", "the message has more recipients than its domain may have in an hour or day"),
    "hourly_quota": ("4.7.1", "the sending domain has had as many recipients as it may have this hour (UTC)"),
    "daily_quota": ("4.7.1", "the sending domain has had as many recipients as it may have this day (UTC)"),
}
"""The rules of quotas: each one's enhanced status code, and what it refuses."""


_USER, _DOMAIN = "smtp_user:", "domain:"


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
    """Whose limit it is: ``smtp_user:`` or ``domain:``, and an id."""
    period: Period
    starts_at: int
    limit: int

    @property
    def ends_at(self) -> int:
        """When the limit begins anew."""
        return self.starts_at + self.period.length_ms


def demands_of(principal: Principal, domain: SendingDomain, now: int) -> tuple[Demand, ...]:
    """Return the limits of whoever submits and of the domain: in one order, so that no two wait for each other."""
    settings = domain.settings
    if not (settings.hourly_quota or settings.daily_quota):
        return _demands(_USER, principal.credential_id, principal.hourly_limit, principal.daily_limit, now)
    return (
        *_demands(_USER, principal.credential_id, principal.hourly_limit, principal.daily_limit, now),
        *demands_of_domain(domain, now),
    )


def demands_of_user(user: SmtpUser, now: int) -> tuple[Demand, ...]:
    """Return the limits of an SMTP user."""
    return _demands(_USER, user.id, user.hourly_limit, user.daily_limit, now)


def demands_of_domain(domain: SendingDomain, now: int) -> tuple[Demand, ...]:
    """Return the quotas of a sending domain."""
    settings = domain.settings
    return _demands(_DOMAIN, domain.id, settings.hourly_quota or None, settings.daily_quota or None, now)


def _demands(whose: str, number: int, hourly: int | None, daily: int | None, now: int) -> tuple[Demand, ...]:
    if hourly is None and daily is None:
        # Asked for every message, and true of most senders.
        return ()
    return tuple(
        Demand(f"{whose}{number}", period, now - now % period.length_ms, limit)
        for period, limit in ((Period.HOUR, hourly), (Period.DAY, daily))
        if limit is not None
    )


def over_quota(demand: Demand, count: int) -> Rejected:
    """Return the refusal of a message with ``count`` recipients, which a limit has no room for."""
    recipients = "recipient" if demand.limit == 1 else "recipients"
    limit = f"{demand.limit} {recipients} {'an hour' if demand.period is Period.HOUR else 'a day'}"
    is_domain = demand.subject.startswith(_DOMAIN)
    whose, word = ("sending domain", "quota") if is_domain else ("SMTP user", "limit")
    if count > demand.limit:
        # No waiting helps, and a client that tries again would do so until it gives up.
        text = f"The message has {count} recipients and this {whose} may have {limit}; send it in smaller parts."
        return _rejected(f"recipients_over_{word}", text)
    more = "1 more is" if count == 1 else f"{count} more are"
    frees_at = datetime.fromtimestamp(demand.ends_at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    text = f"This {whose} may have {limit}, and {more} too many now; try again after {frees_at} UTC."
    return _rejected(f"hourly_{word}" if demand.period is Period.HOUR else f"daily_{word}", text)


def _rejected(rule: str, text: str) -> Rejected:
    return Rejected(rule, RULES[rule][0], text)
