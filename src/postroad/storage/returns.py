"""Mail that came back: a report's whole effect on its delivery, in one transaction and once."""

import msgspec
from sqlalchemy import Connection, select, update

from postroad.model.delivery import Delivery, DeliveryState
from postroad.model.event import Event, EventType
from postroad.model.ids import partition_of
from postroad.model.returned import Returned, ReturnResult
from postroad.policy.late_bounce import late_bounce
from postroad.storage import events as event_rows
from postroad.storage import rows, suppressions
from postroad.storage.deliveries import NewId
from postroad.storage.schema.data_plane import deliveries, events


class Recorded(msgspec.Struct, frozen=True):
    """What became of a report."""

    result: ReturnResult
    event: Event | None = None


def record(connection: Connection, returned: Returned, *, at: int, new_id: NewId) -> Recorded:
    """Settle a delivery that bounced after all: its state, event, counters and suppression."""
    delivery = _locked(connection, returned.delivery_id)
    if delivery is None:
        return Recorded(ReturnResult.UNKNOWN)
    event_id = new_id(partition_of(delivery.message_id))
    bounce = late_bounce(delivery, returned, event_id, at)
    if bounce is None:
        is_told = any(one.action == "failed" for one in returned.statuses) and _is_told(connection, delivery)
        return Recorded(ReturnResult.REPEATED if is_told else ReturnResult.NOTED)
    connection.execute(
        update(deliveries)
        .where(deliveries.c.partition == partition_of(delivery.id), deliveries.c.id == delivery.id)
        .values(state=DeliveryState.BOUNCED.value, last_reply=rows.storable(bounce.last_reply))
    )
    event_rows.append(connection, [bounce.event], new_id)
    suppressions.add(connection, bounce.suppressions)
    return Recorded(ReturnResult.BOUNCED, bounce.event)


def _locked(connection: Connection, delivery_id: int) -> Delivery | None:
    """Return a delivery of which nobody else records anything until this transaction ends."""
    columns = [deliveries.c[name] for name in rows.DELIVERY_COLUMNS]
    query = select(*columns).where(deliveries.c.partition == partition_of(delivery_id), deliveries.c.id == delivery_id)
    row = connection.execute(query.with_for_update()).one_or_none()
    return None if row is None else rows.delivery_from(row)


def _is_told(connection: Connection, delivery: Delivery) -> bool:
    # By the index over the message's events; a large mailing has very many.
    query = select(events.c.id).where(
        events.c.partition == partition_of(delivery.message_id),
        events.c.message_id == delivery.message_id,
        events.c.delivery_id == delivery.id,
        events.c.type == EventType.BOUNCED.value,
    )
    return connection.execute(query.limit(1)).first() is not None
