"""How often each client may do something within a minute."""

from collections import OrderedDict

_MINUTE_MS = 60_000
_MOST_CLIENTS = 50_000


class Rates:
    """Counts by client in minutes that begin with its first time; those longest ago are forgotten first."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._minutes: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def take(self, client: str, now: int) -> bool:
        """Count one more; false where the client has had its share of this minute. 0 is no limit."""
        if not self._per_minute:
            return True
        begun_at, count = self._minutes.get(client, (now, 0))
        if now - begun_at >= _MINUTE_MS:
            begun_at, count = now, 0
        if count >= self._per_minute:
            return False
        self._minutes[client] = (begun_at, count + 1)
        self._minutes.move_to_end(client)
        if len(self._minutes) > _MOST_CLIENTS:
            self._minutes.popitem(last=False)
        return True
