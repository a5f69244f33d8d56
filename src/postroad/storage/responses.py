"""What recipients' programs asked for: one event for each request, and the lists of who unsubscribed."""

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from postroad.model.delivery import Delivery, DeliveryState
from postroad.model.event import Event, EventType
from postroad.model.ids import partition_of
from postroad.model.tracking import Hit, HitKind, Unsubscribing, fingerprint
from postroad.policy.suppression import of_unsubscribing
from postroad.storage import deliveries as delivery_rows
from postroad.storage import domains as domain_rows
from postroad.storage import events as event_rows
from postroad.storage import rows, suppressions
from postroad.storage.deliveries import NewId
from postroad.storage.schema.data_plane import deliveries, events
from postroad.tracking.client import client_of
from postroad.tracking.verdict import AT_ONCE_MS, LINKS_AT_ONCE, Network, verdict

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
    known = _with_links_elsewhere(connection, known)
    event_rows.append(connection, [_event(hit, delivery, new_id, networks) for hit, delivery in known])
    return len(hits) - len(known)


def unsubscribe(connection: Connection, asked: Unsubscribing, *, new_id: NewId) -> Unsubscribed:
    """Put an address on its sending domain's list and tell of it, once; also where its message is no longer kept."""
    domain = domain_rows.get(connection, asked.domain_id)
    if domain is None:
        return Unsubscribed.NO_DOMAIN
    account_id = domain.account_id
    delivery = delivery_rows.get(connection, asked.delivery_id)
    message_id = None if delivery is None else delivery.message_id
    entries = of_unsubscribing(delivery, asked, account_id, message_id=message_id)
    is_known = not suppressions.add(connection, entries) if entries else _is_told_of(connection, asked, message_id)
    if is_known:
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


def _is_told_of(connection: Connection, asked: Unsubscribing, message_id: int | None) -> bool:
    """Whether somebody of a test message, which puts nobody on a list, has unsubscribed from the same already."""
    told = [] if message_id is None else event_rows.of_message(connection, message_id)
    return any(
        one.type is EventType.UNSUBSCRIBED
        and one.delivery_id == asked.delivery_id
        and one.data.get("scope", []) == list(asked.tags)
        for one in told
    )


def _deliveries(connection: Connection, ids: Iterable[int]) -> dict[int, Delivery]:
    columns = [deliveries.c[name] for name in rows.DELIVERY_COLUMNS]
    found: dict[int, Delivery] = {}
    for part in _parts(sorted(ids)):
        # The partitions are named as well, so that a distributed table asks only those that may know.
        partitions = sorted({partition_of(one) for one in part})
        query = select(*columns).where(deliveries.c.id.in_(part), deliveries.c.partition.in_(partitions))
        found |= {row.id: rows.delivery_from(row) for row in connection.execute(query)}
    return found


def _with_links_elsewhere(connection: Connection, known: Sequence[tuple[Hit, Delivery]]) -> list[tuple[Hit, Delivery]]:
    """Add to hits the links that were followed around them by way of other workers, as far as these have told of them."""
    few = {
        hit.delivery_id: delivery.message_id
        for hit, delivery in known
        if hit.kind is not HitKind.OPEN and len(hit.links_lately) < LINKS_AT_ONCE
    }
    if not few:
        return list(known)
    times = [hit.at for hit, _ in known if hit.delivery_id in few]
    clicks = _clicks(connection, few, min(times) - AT_ONCE_MS, max(times) + AT_ONCE_MS)
    return [
        (msgspec.structs.replace(hit, links_lately=hit.links_lately | _around(hit, clicks[hit.delivery_id])), delivery)
        if hit.delivery_id in clicks
        else (hit, delivery)
        for hit, delivery in known
    ]


def _clicks(
    connection: Connection, message_ids: Mapping[int, int], since: int, until: int
) -> dict[int, list[tuple[int, int]]]:
    """Return when links of deliveries were followed in that time, with their fingerprints; by delivery."""
    found: dict[int, list[tuple[int, int]]] = {}
    for part in _parts(sorted(set(message_ids.values()))):
        query = select(events.c.delivery_id, events.c.at, events.c.data).where(
            events.c.message_id.in_(part),
            events.c.partition.in_(sorted({partition_of(one) for one in part})),
            events.c.type == EventType.CLICKED.value,
            events.c.at.between(since, until),
        )
        for row in connection.execute(query):
            if row.delivery_id in message_ids:
                link = fingerprint(msgspec.json.decode(row.data).get("url", ""))
                found.setdefault(row.delivery_id, []).append((row.at, link))
    return found


def _around(hit: Hit, clicks: Sequence[tuple[int, int]]) -> frozenset[int]:
    return frozenset(link for at, link in clicks if abs(at - hit.at) <= AT_ONCE_MS)


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
