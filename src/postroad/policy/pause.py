"""Whether a sending domain should be paused for the mail of its that bounced."""

from collections.abc import Mapping

import msgspec

from postroad.model.domain import SendingDomain

HOURS = 24
_HOUR_MS = 3_600_000


class Ended(msgspec.Struct, frozen=True):
    """Deliveries that ended in some time."""

    delivered: int = 0
    bounced: int = 0

    @property
    def all(self) -> int:
        """How many ended, either way."""
        return self.delivered + self.bounced


def ended_lately(domain: SendingDomain, by_hour: Mapping[int, Ended], now: int) -> Ended:
    """Add up what ended in the last 24 clock hours, the present one last; after a pause, what ended since it.

    Args:
        domain: The domain, which remembers the end of its last pause.
        by_hour: What ended in each hour since 1970; hours in which nothing did may lack.
        now: The present instant.
    """
    last = now // _HOUR_MS
    first = last - HOURS + 1
    resumed_in = None if domain.resumed_at is None else domain.resumed_at // _HOUR_MS
    before = Ended()
    if resumed_in is not None and resumed_in >= first:
        first = resumed_in
        before = Ended(domain.delivered_before_resume, domain.bounced_before_resume)
    counted = [by_hour.get(hour, Ended()) for hour in range(first, last + 1)]
    return Ended(
        max(0, sum(one.delivered for one in counted) - before.delivered),
        max(0, sum(one.bounced for one in counted) - before.bounced),
    )


def why_pause(domain: SendingDomain, ended: Ended) -> str | None:
    """Return why a domain should be paused now, as a sentence for its people; None where it should not."""
    allowed, fewest = domain.settings.pause_bounce_percent, domain.settings.pause_after_messages
    if not allowed or domain.paused_at is not None or ended.all < fewest:
        return None
    if ended.bounced * 100 <= allowed * ended.all:
        return None
    share = f"{ended.bounced / ended.all:.1%}"
    return (
        f"{share} of the deliveries of the last {HOURS} hours bounced: {ended.bounced:,} of {ended.all:,}, "
        f"more than the {allowed}% that the domain allows."
    )
