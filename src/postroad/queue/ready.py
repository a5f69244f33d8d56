"""The ready queue of one site: deliveries that are due and wait for a session.

Lanes (sending domain × destination) take turns, one delivery each, so that a long lane delays a short one by no more
than a round. Within a lane the higher priority goes first, and among equals the one that came first.
"""

from collections import OrderedDict
from heapq import heappop, heappush

from postroad.model.delivery import Delivery

_Entry = tuple[int, int, Delivery]


class ReadyQueue:
    """Deliveries for one egress source and site."""

    __slots__ = ("_arrivals", "_lanes", "_size")

    def __init__(self) -> None:
        self._lanes: OrderedDict[int, list[_Entry]] = OrderedDict()
        self._arrivals = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, delivery: Delivery) -> None:
        """Put a delivery at the end of its lane; a new lane gets its turn last."""
        self._arrivals += 1
        entry = (-delivery.priority, self._arrivals, delivery)
        heappush(self._lanes.setdefault(delivery.lane, []), entry)
        self._size += 1

    def take(self, limit: int) -> list[Delivery]:
        """Take up to ``limit`` deliveries, lane by lane in turn."""
        taken: list[Delivery] = []
        lanes = self._lanes
        while lanes and len(taken) < limit:
            lane, entries = lanes.popitem(last=False)
            taken.append(heappop(entries)[2])
            if entries:
                lanes[lane] = entries
        self._size -= len(taken)
        return taken
