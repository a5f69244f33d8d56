"""Deliveries in test mode: everything is done in earnest but the last step, and what would have left is kept.

They go through the ready set in a lot of their own, for which no route is looked up, so that they neither wait for a site
nor tell anything about one.
"""

from collections.abc import Sequence

from postroad.delivery.transmission import Transmission
from postroad.model.outcome import AttemptFacts, Delivered, Phase
from postroad.queue.scheduler import LotKey
from postroad.storage import rendered
from postroad.storage.database import Database

TEST_LOT = LotKey("test-mode", "test-mode")
NOTHING_LEFT = "test mode: the message was rendered and signed, and nothing was sent"


async def keep(database: Database, made: Sequence[tuple[int, Transmission]]) -> None:
    """Keep what would have left, each with the id of its message; raises StorageError."""
    rows = [rendered.Rendered(one.delivery_id, message_id, one.content) for message_id, one in made]
    await database.write(rendered.store, rows)


def outcome(now: int) -> Delivered:
    """Return the outcome of a delivery that went as far as it goes."""
    return Delivered(AttemptFacts(phase=Phase.QUEUE, text=NOTHING_LEFT, started_at=now, duration_ms=0))
