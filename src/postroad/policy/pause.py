"""Whether a sending domain should be paused for the mail of its that bounced, or that its recipients complained of."""

import enum
from collections.abc import Mapping
from fractions import Fraction

import msgspec

from postroad.model.domain import SendingDomain

HOURS = 24
_HOUR_MS = 3_600_000


class Tally(msgspec.Struct, frozen=True):
    """What became of deliveries in some time."""

    delivered: int = 0
    """And did not bounce later: no delivery ends twice."""
    bounced: int = 0
    complained: int = 0
    """Complaints of that time, whenever the mail was delivered: providers count them so too."""

    @property
    def ended(self) -> int:
        """How many deliveries ended, either way."""
        return self.delivered + self.bounced


class Cause(enum.Enum):
    """What there is too much of."""

    BOUNCES = "bounces"
    COMPLAINTS = "complaints"


class PauseReason(msgspec.Struct, frozen=True):
    """Why a domain should be paused."""

    cause: Cause
    sentence: str
    """For its people, with the numbers."""


def asks_for_pauses(domain: SendingDomain) -> bool:
    """Whether anything may pause a domain by itself."""
    return bool(domain.settings.pause_bounce_percent or domain.settings.pause_complaint_percent)


def tally_lately(domain: SendingDomain, by_hour: Mapping[int, Tally], now: int) -> Tally:
    """Add up what happened in the last 24 clock hours, the present one last; after a pause, what happened since it.

    Args:
        domain: The domain, which remembers the end of its last pause.
        by_hour: What happened in each hour since 1970; hours in which nothing did may lack.
        now: The present instant.
    """
    last = now // _HOUR_MS
    first = last - HOURS + 1
    resumed_in = None if domain.resumed_at is None else domain.resumed_at // _HOUR_MS
    before = Tally()
    if resumed_in is not None and resumed_in >= first:
        first = resumed_in
        before = Tally(domain.delivered_before_resume, domain.bounced_before_resume, domain.complained_before_resume)
    counted = [by_hour.get(hour, Tally()) for hour in range(first, last + 1)]
    return Tally(
        max(0, sum(one.delivered for one in counted) - before.delivered),
        max(0, sum(one.bounced for one in counted) - before.bounced),
        max(0, sum(one.complained for one in counted) - before.complained),
    )


def why_pause(domain: SendingDomain, tally: Tally) -> PauseReason | None:
    """Return why a domain should be paused now; None where it should not."""
    settings, fewest = domain.settings, domain.settings.pause_after_messages
    if domain.paused_at is not None:
        return None
    if tally.ended >= fewest and _is_more(tally.bounced, tally.ended, settings.pause_bounce_percent):
        return PauseReason(
            Cause.BOUNCES,
            f"{tally.bounced / tally.ended:.1%} of the deliveries of the last {HOURS} hours bounced: {tally.bounced:,} of "
            f"{tally.ended:,}, more than the {settings.pause_bounce_percent}% that the domain allows.",
        )
    # Who never got the message complains of nothing: what bounced does not make the share smaller.
    if tally.delivered >= fewest and _is_more(tally.complained, tally.delivered, settings.pause_complaint_percent):
        return PauseReason(
            Cause.COMPLAINTS,
            f"Recipients complained {tally.complained:,} times in the last {HOURS} hours, in which {tally.delivered:,} "
            f"messages were delivered: {tally.complained / tally.delivered:.2%}, more than the "
            f"{settings.pause_complaint_percent:g}% that the domain allows.",
        )
    return None


def _is_more(part: int, whole: int, allowed_percent: float) -> bool:
    # The decimal number that people wrote, not the binary one next to it: 0.3 % of 1,000 is 3, and no more than that.
    return allowed_percent > 0 and part * 100 > Fraction(repr(allowed_percent)) * whole
