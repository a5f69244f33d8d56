"""Times that are asked for, as storage counts them."""

from datetime import datetime

_LAST = 2_840_140_800_000
"""2060-01-01T00:00:00Z: ids end in that year."""


def milliseconds(at: datetime | None) -> int | None:
    """Return an instant that is asked for in milliseconds since 1970, within the time that ids can tell of."""
    return None if at is None else max(0, min(int(at.timestamp() * 1000), _LAST))
