"""How much content the sessions at work may hold together; what does not fit waits its turn."""

import asyncio
from collections import deque


class ContentBudget:
    """Lets sessions hold so many octets of content at a time, first come, first served."""

    def __init__(self, octets: int) -> None:
        self.limit = octets
        self._free = octets
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, octets: int) -> int:
        """Wait for room; what is larger than the whole budget takes all of it. Returns what to give back."""
        octets = min(octets, self.limit)
        if not self._waiting and octets <= self._free:
            self._free -= octets
            return octets
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((octets, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(octets)
            raise
        return octets

    def give_back(self, octets: int) -> None:
        """Make room for those who wait."""
        self._free += octets
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.cancelled():
                if wanted > self._free:
                    return
                self._free -= wanted
                turn.set_result(None)
            self._waiting.popleft()
