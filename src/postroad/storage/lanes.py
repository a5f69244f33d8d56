"""Taking turns among lanes: a few deliveries of each, from where the last claim stopped."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from postroad.storage.database import Claim

_BEFORE_ALL = -1
_VISITS_PER_DELIVERY = 4
_FEWEST_VISITS = 256


class Visit(NamedTuple):
    """One scheduled delivery met on the way round the lanes; it may not be due yet."""

    id: int
    lane: int
    due_at: int


class LaneRounds:
    """Remembers, pool by pool, which lane had its turn last."""

    def __init__(self) -> None:
        self._last_lanes: dict[str, int] = {}

    def next(self, pool: str, claim: Claim, room: int, walk: Callable[[int, int], Iterable[Visit]]) -> list[int]:
        """Return due deliveries for up to half of ``room``, with a bounded number of visits.

        The other half belongs to what has been due longest, so that many lanes with nothing due hide nothing.
        ``walk(after, visits)`` visits the lanes beyond ``after`` in order.
        """
        wanted = (room + 1) // 2
        visits = max(_FEWEST_VISITS, _VISITS_PER_DELIVERY * room)
        start = self._last_lanes.get(pool, _BEFORE_ALL)
        chosen, seen = self._take(pool, claim.now, wanted, walk(start, visits))
        if len(chosen) < wanted and seen < visits and start != _BEFORE_ALL:
            first_half = set(chosen)
            wrapped = [visit for visit in walk(_BEFORE_ALL, visits - seen) if visit.lane <= start]
            more, _ = self._take(pool, claim.now, wanted - len(chosen), wrapped)
            chosen += [identifier for identifier in more if identifier not in first_half]
        return chosen

    def _take(self, pool: str, now: int, wanted: int, visits: Iterable[Visit]) -> tuple[list[int], int]:
        chosen: list[int] = []
        seen = 0
        for visit in visits:
            seen += 1
            self._last_lanes[pool] = visit.lane
            if visit.due_at <= now:
                chosen.append(visit.id)
                if len(chosen) == wanted:
                    break
        return chosen, seen
