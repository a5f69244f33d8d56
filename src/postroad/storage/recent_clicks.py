"""Links that were followed a moment ago, as workers tell each other before they judge: one of them alone sees some only."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from postroad.model.tracking import Hit, HitKind, fingerprint
from postroad.storage.schema.control_plane import recent_clicks

_KEPT_MS = 120_000
_LOOKED_UP_AT_ONCE = 500


def note(connection: Connection, hits: Sequence[Hit], now: int) -> None:
    """Tell the other workers of links that were followed, and forget what was told minutes ago."""
    connection.execute(delete(recent_clicks).where(recent_clicks.c.noted_at < now - _KEPT_MS))
    rows = [
        {"delivery_id": hit.delivery_id, "link": fingerprint(hit.url), "at": hit.at, "noted_at": now} for hit in hits
    ]
    connection.execute(insert(recent_clicks), rows)


def around(connection: Connection, hits: Sequence[Hit], within_ms: int) -> list[frozenset[int]]:
    """Return for each hit the fingerprints of the links of its delivery that were followed that long before or after."""
    clicked = sorted({hit.delivery_id for hit in hits if hit.kind is not HitKind.OPEN})
    found: dict[int, list[tuple[int, int]]] = {}
    for start in range(0, len(clicked), _LOOKED_UP_AT_ONCE):
        part = clicked[start : start + _LOOKED_UP_AT_ONCE]
        query = select(recent_clicks.c.delivery_id, recent_clicks.c.link, recent_clicks.c.at)
        for row in connection.execute(query.where(recent_clicks.c.delivery_id.in_(part))):
            found.setdefault(row.delivery_id, []).append((row.link, row.at))
    return [
        frozenset(link for link, at in found.get(hit.delivery_id, ()) if abs(at - hit.at) <= within_ms)
        if hit.kind is not HitKind.OPEN
        else frozenset()
        for hit in hits
    ]
