"""What recipients' programs asked for: one event for each request, and the lists of who unsubscribed."""

import enum
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from postroad.model.delivery import Delivery, DeliveryState
from postroad.model.event import Event, EventType
from postroad.model.ids import partition_of
from postroad.model.tracking import Hit, HitKind, Unsubscribing
from postroad.policy.suppression import of_unsubscribing
from postroad.storage import deliveries as delivery_rows
from postroad.storage import domains as domain_rows
from postroad.storage import events as event_rows
from postroad.storage import rows, suppressions
from postroad.storage.deliveries import NewId
from postroad.storage.schema.data_plane import deliveries
from postroad.tracking.client import client_of
from postroad.tracking.verdict import Network, verdict

_LOOKED_UP_AT_ONCE = 500
_ENDED = frozenset({DeliveryState.DELIVERED})


class Unsubscribed(enum.Enum):
    """What became of it."""

    ADDED = "added"
    KNOWN = "known"
    """The address was on the list already."""
    NO_DOMAIN = "no_domain"
    """The sending domain is gone, and sends nothing any more."""


def record(connection: Connection, hits: Sequence[Hit], *, new_id: NewId, networks: Sequence[Network] = ()) -> int:
    """Write the events of hits and count them; returns how many were about deliveries that are no longer kept."""
    found = _deliveries(connection, {hit.delivery_id for hit in hits})
    known = [(hit, found[hit.delivery_id]) for hit in hits if hit.delivery_id in found]
    event_rows.append(connection, [_event(hit, delivery, new_id, networks) for hit, delivery in known])
    return len(hits) - len(known)


def unsubscribe(connection: Connection, asked: Unsubscribing, *, new_id: NewId) -> Unsubscribed:
    """Put an address on its sending domain's list and tell of it, once; also where its message is no longer kept."""
    delivery = delivery_rows.get(connection, asked.delivery_id)
    domain = domain_rows.get(connection, asked.domain_id)
    account_id = delivery.account_id if delivery is not None else None if domain is None else domain.account_id
    if account_id is None:
        return Unsubscribed.NO_DOMAIN
    message_id = None if delivery is None else delivery.message_id
    entries = of_unsubscribing(delivery, asked, account_id, message_id=message_id)
    is_test = not entries
    if not is_test and not suppressions.add(connection, entries):
        return Unsubscribed.KNOWN
    marks = {} if delivery is None else delivery.event_marks
    facts = {"way": asked.way.value, "scope": list(asked.tags), **_told_of(asked)}
    event = Event(
        id=new_id(partition_of(asked.delivery_id)),
        type=EventType.UNSUBSCRIBED,
        at=asked.at,
        account_id=account_id,
        domain_id=asked.domain_id,
        message_id=message_id,
        delivery_id=None if delivery is None else delivery.id,
        recipient=asked.address if delivery is None else delivery.recipient,
        data={name: value for name, value in facts.items() if value} | marks,
    )
    event_rows.append(connection, [event])
    return Unsubscribed.ADDED


def _deliveries(connection: Connection, ids: Iterable[int]) -> dict[int, Delivery]:
    columns = [deliveries.c[name] for name in rows.DELIVERY_COLUMNS]
    found: dict[int, Delivery] = {}
    for part in _parts(sorted(ids)):
        # The partitions are named as well, so that a distributed table asks only those that may know.
        partitions = sorted({partition_of(one) for one in part})
        query = select(*columns).where(deliveries.c.id.in_(part), deliveries.c.partition.in_(partitions))
        found |= {row.id: rows.delivery_from(row) for row in connection.execute(query)}
    return found


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + _LOOKED_UP_AT_ONCE] for start in range(0, len(ids), _LOOKED_UP_AT_ONCE))


def _event(hit: Hit, delivery: Delivery, new_id: NewId, networks: Sequence[Network]) -> Event:
    # A delivery that has ended was due for the last time when it did.
    found = verdict(hit, delivery.due_at if delivery.state in _ENDED else None, networks)
    facts: dict[str, Any] = {
        "url": hit.url,
        "verdict": "machine" if found.is_machine else "human",
        "evidence": list(found.evidence),
        "proxy": found.proxy,
        **_told_of(hit),
    }
    return Event(
        id=new_id(partition_of(delivery.message_id)),
        type=EventType.OPENED if hit.kind is HitKind.OPEN else EventType.CLICKED,
        at=hit.at,
        account_id=delivery.account_id,
        domain_id=delivery.domain_id,
        message_id=delivery.message_id,
        delivery_id=delivery.id,
        recipient=delivery.recipient,
        data={name: value for name, value in facts.items() if value} | delivery.event_marks,
    )


def _told_of(asked: Hit | Unsubscribing) -> dict[str, Any]:
    agent = rows.storable(asked.agent)
    return {"client_address": asked.client_address, "agent": agent} | msgspec.structs.asdict(client_of(agent))
