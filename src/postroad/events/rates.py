"""Rates: what came of the mail, in percent of what it could have come of."""

from collections.abc import Mapping

import msgspec

from postroad.model.event import EventType
from postroad.storage.rows import RETURNED, unique


class Rate(msgspec.Struct, frozen=True):
    """A part of a whole, both by what they are counted as."""

    name: str
    part: str
    whole: tuple[str, ...]
    of: str
    """The whole in words."""
    twice: str | None = None
    """Those of the whole that are counted as the part too."""

    def whole_of(self, counts: Mapping[str, int]) -> int:
        """Return how many there could have been."""
        whole = sum(counts.get(name, 0) for name in self.whole)
        if self.twice is None:
            return whole
        return max(counts.get(self.part, 0), whole - counts.get(self.twice, 0))

    def percent(self, counts: Mapping[str, int]) -> float | None:
        """Return the rate; None where there could have been none.

        It can be more than a hundred: what is opened in a span may have been delivered before it.
        """
        whole = self.whole_of(counts)
        return round(100 * counts.get(self.part, 0) / whole, 2) if whole else None


_DELIVERED = EventType.DELIVERED.value
_OF_DELIVERED = "delivered"
RATES = (
    Rate("bounce", EventType.BOUNCED.value, (_DELIVERED, EventType.BOUNCED.value), "delivered or bounced", RETURNED),
    Rate("open", unique(EventType.OPENED), (_DELIVERED,), _OF_DELIVERED),
    Rate("click", unique(EventType.CLICKED), (_DELIVERED,), _OF_DELIVERED),
    Rate("unsubscribe", EventType.UNSUBSCRIBED.value, (_DELIVERED,), _OF_DELIVERED),
    Rate("complaint", EventType.COMPLAINED.value, (_DELIVERED,), _OF_DELIVERED),
)


def rates_in(counts: Mapping[str, int]) -> tuple[Rate, ...]:
    """Return the rates that are shown: that of bounces, and those of which there was any."""
    return tuple(one for one in RATES if one.name == "bounce" or counts.get(one.part, 0))


def percents(counts: Mapping[str, int]) -> dict[str, float]:
    """Return each rate that there is by its name."""
    found = ((one.name, one.percent(counts)) for one in RATES)
    return {name: percent for name, percent in found if percent is not None}
