"""Taking turns among lanes: a few deliveries of each, from where the last claim stopped."""

from collections.abc import Generator, Iterable, Sequence
from typing import NamedTuple

_BEFORE_ALL = -1
_VISITS_PER_DELIVERY = 4
_FEWEST_VISITS = 256


class Visit(NamedTuple):
    """One scheduled delivery met on the way round the lanes; it may not be due yet."""

    id: int
    lane: int
    due_at: int


class Walk(NamedTuple):
    """A request to visit the lanes beyond ``after`` in order, ``visits`` rows at most."""

    after: int
    visits: int


class LaneRounds:
    """Remembers, pool by pool, which lane had its turn last."""

    def __init__(self) -> None:
        self._last_lanes: dict[str, int] = {}

    def next(self, pool: str, now: int, room: int) -> Generator[Walk, Sequence[Visit], list[int]]:
        """Choose due deliveries for up to half of ``room``, with a bounded number of visits; the engine does the walks.

        The other half belongs to what has been due longest, so that many lanes with nothing due hide nothing
        (decision 0005).
        """
        wanted = (room + 1) // 2
        visits = max(_FEWEST_VISITS, _VISITS_PER_DELIVERY * room)
        start = self._last_lanes.get(pool, _BEFORE_ALL)
        ahead = yield Walk(start, visits)
        chosen = self._take(pool, now, wanted, ahead)
        if len(chosen) < wanted and len(ahead) < visits and start != _BEFORE_ALL:
            behind = yield Walk(_BEFORE_ALL, visits - len(ahead))
            again = [visit for visit in behind if visit.lane <= start]
            chosen += self._take(pool, now, wanted - len(chosen), again)
        return chosen

    def _take(self, pool: str, now: int, wanted: int, visits: Iterable[Visit]) -> list[int]:
        chosen: list[int] = []
        for visit in visits:
            self._last_lanes[pool] = visit.lane
            if visit.due_at <= now:
                chosen.append(visit.id)
                if len(chosen) == wanted:
                    break
        return chosen
