"""How many connections each client has open, so that one alone cannot take all that a door has."""

from collections import Counter


class ClientCounts:
    """Counts connections by client, as ``client_of`` tells clients apart."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: Counter[str] = Counter()

    def claim(self, client: str) -> bool:
        """Count one more for a client; False where that one has too many. ``release`` undoes it either way."""
        self._open[client] += 1
        return self._open[client] <= self._limit

    def release(self, client: str) -> None:
        """Count one of a client no longer."""
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]
