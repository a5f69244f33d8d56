"""Values that storage tests share."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy

from postroad.model.delivery import Delivery, DeliveryState, Lease, lane_of
from postroad.model.envelope import destination_of
from postroad.model.event import Event, EventType
from postroad.model.ids import IdSource
from postroad.model.message import Accepted, Message
from postroad.model.outcome import Settlement
from postroad.storage.database import Claim

NOW = 1_800_000_000_000
MINUTE = 60_000
DAY = 86_400_000
OWNER = 11
PARTITION = 7

_ids = IdSource(3)


class Place(NamedTuple):
    """Where a test's database is."""

    url: str
    data_dir: Path


def begin_ids_anew() -> None:
    """Go back to the first id, for a test with a database of its own: ids run ahead of their time when many are made."""
    global _ids
    _ids = IdSource(3)


def new_id(partition: int = PARTITION) -> int:
    return _ids.next(NOW, partition)


def accepted(
    *recipients: str,
    account_id: int = 1,
    domain_id: int = 1,
    content: bytes = b"Subject: hello\r\n\r\nhello\r\n",
    due_at: int = NOW,
    lease: Lease | None = None,
    partition: int = PARTITION,
    **facts: Any,
) -> Accepted:
    """Return a message with one delivery per recipient, as acceptance would hand it over."""
    recipients = recipients or ("user@example.net",)
    message_id = new_id(partition)
    pool, priority = facts.pop("pool", "default"), facts.pop("priority", 0)
    deliveries = tuple(
        Delivery(
            id=new_id(partition),
            message_id=message_id,
            account_id=account_id,
            domain_id=domain_id,
            recipient=recipient,
            destination=destination_of(recipient),
            pool=pool,
            lane=lane_of(domain_id, destination_of(recipient)),
            priority=priority,
            state=DeliveryState.LEASED if lease else DeliveryState.SCHEDULED,
            due_at=due_at,
            expires_at=NOW + 3 * DAY,
            accepted_at=NOW,
            lease=lease,
        )
        for recipient in recipients
    )
    message = Message(
        **{
            "id": message_id,
            "account_id": account_id,
            "domain_id": domain_id,
            "credential_id": 5,
            "reverse_path": "app@news.example.com",
            "header_from": "app@news.example.com",
            "subject": "hello",
            "message_id_header": "<1@news.example.com>",
            "size": len(content),
            "recipient_count": len(recipients),
            "accepted_at": NOW,
            "client_address": "192.0.2.1",
            "channel": "smtp",
            **facts,
        }
    )
    return Accepted(
        message=message,
        content=content,
        deliveries=deliveries,
        events=tuple(event_of(delivery, EventType.ACCEPTED) for delivery in deliveries),
    )


def event_of(delivery: Delivery, kind: EventType, at: int = NOW, **data: Any) -> Event:
    return Event(
        id=new_id(),
        type=kind,
        at=at,
        account_id=delivery.account_id,
        domain_id=delivery.domain_id,
        message_id=delivery.message_id,
        delivery_id=delivery.id,
        recipient=delivery.recipient,
        data=data,
    )


def rejected(domain_id: int = 1, at: int = NOW) -> Event:
    return Event(id=new_id(), type=EventType.REJECTED, at=at, account_id=1, domain_id=domain_id, data={"rule": "size"})


def settled(delivery: Delivery, state: DeliveryState = DeliveryState.DELIVERED, **facts: Any) -> Settlement:
    """Return a settlement by the holder of the delivery's lease."""
    assert delivery.lease is not None
    kinds = {DeliveryState.DELIVERED: EventType.DELIVERED, DeliveryState.BOUNCED: EventType.BOUNCED}
    return Settlement(
        **{
            "delivery_id": delivery.id,
            "message_id": delivery.message_id,
            "owner": delivery.lease.owner,
            "epoch": delivery.lease.epoch,
            "state": state,
            "due_at": NOW,
            "attempts": delivery.attempts + 1,
            "last_reply": "mx.example.net: 250 2.0.0 queued",
            "maybe_delivered": False,
            "events": (event_of(delivery, kinds.get(state, EventType.DEFERRED)),),
            **facts,
        }
    )


def claim(**wish: Any) -> Claim:
    """Return a claim of everything due now, where nothing else is said."""
    return Claim(
        **{
            "pools": ("default",),
            "owner": OWNER,
            "now": NOW,
            "lease_until": NOW + 5 * MINUTE,
            "limit": 100,
            "per_lane": 5,
            **wish,
        }
    )


def column(connection: sqlalchemy.Connection, statement: str) -> list[Any]:
    """Return the first column of what a statement finds."""
    return list(connection.execute(sqlalchemy.text(statement)).scalars())


def count_rows(connection: sqlalchemy.Connection, tables: Iterable[str]) -> dict[str, int]:
    """Return how many rows each table has."""
    return {table: column(connection, f"SELECT count(*) FROM {table}")[0] for table in tables}


DATA_TABLES = ("messages", "bodies", "body_chunks", "deliveries", "events", "counter_deltas")
