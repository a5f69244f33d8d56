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
from postroad.storage import recent_clicks, rows, suppressions, unsubscribe_groups
from postroad.storage.deliveries import NewId
from postroad.storage.dialect import take_turns
from postroad.storage.schema.data_plane import deliveries, events
from postroad.tracking.client import client_of
from postroad.tracking.verdict import AT_ONCE_MS, Network, verdict

_LOOKED_UP_AT_ONCE = 500
_ENDED = frozenset({DeliveryState.DELIVERED, DeliveryState.BOUNCED})
"""What was delivered and bounced late keeps the instant at which it was delivered."""


class Unsubscribed(enum.Enum):
    """What became of it."""

    ADDED = "added"
    KNOWN = "known"
    """The address was on the list already."""
    NO_DOMAIN = "no_domain"
    """The sending domain is gone, and sends nothing any more."""


def record(connection: Connection, hits: Sequence[Hit], *, new_id: NewId, networks: Sequence[Network] = ()) -> int:
    """Write the events of hits and count them; returns how many were about deliveries that are no longer kept.

    Who led to them is judged by all links that workers noted.
    """
    found = _deliveries(connection, {hit.delivery_id for hit in hits})
    known = [
        (msgspec.structs.replace(hit, links_lately=links), found[hit.delivery_id])
        for hit, links in zip(hits, recent_clicks.around(connection, hits, AT_ONCE_MS), strict=True)
        if hit.delivery_id in found
    ]
    happened = [_event(hit, delivery, new_id, networks) for hit, delivery in known]
    event_rows.append(connection, _with_firsts(connection, happened), new_id)
    return len(hits) - len(known)


def unsubscribe(connection: Connection, asked: Unsubscribing, *, new_id: NewId) -> Unsubscribed:
    """Put an address on its sending domain's list and tell of it, once; also where its message is no longer kept."""
    domain = domain_rows.get(connection, asked.domain_id)
    if domain is None:
        return Unsubscribed.NO_DOMAIN
    account_id = domain.account_id
    if asked.group_id is not None and not unsubscribe_groups.has(connection, domain.id, asked.group_id):
        # There is no such mail any more. Who wants less mail is not left with what comes under other names.
        asked = msgspec.structs.replace(asked, tags=())
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
        callback=None if delivery is None else delivery.options.callback,
    )
    event_rows.append(connection, [event], new_id)
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


def _with_firsts(connection: Connection, happened: Sequence[Event]) -> list[Event]:
    """Mark the first open and the first click of each delivery by a human, so that it is counted once, whoever writes."""
    by_humans = [one for one in happened if one.data["verdict"] == "human"]
    if not by_humans:
        return list(happened)
    take_turns(connection, {partition_of(one.message_id or 0) for one in by_humans})
    told = _told_by_humans(connection, by_humans)
    marked: list[Event] = []
    for event in happened:
        what = (event.delivery_id, event.type.value)
        if event.data["verdict"] == "human" and what not in told:
            told.add(what)
            marked.append(msgspec.structs.replace(event, data=event.data | {"is_first": True}))
        else:
            marked.append(event)
    return marked


def _told_by_humans(connection: Connection, about: Sequence[Event]) -> set[tuple[int | None, str]]:
    """Return which deliveries have been opened and clicked by humans before, of those that events are about."""
    told: set[tuple[int | None, str]] = set()
    deliveries_ = {one.delivery_id for one in about}
    for part in _parts(sorted({one.message_id for one in about if one.message_id is not None})):
        query = select(events.c.delivery_id, events.c.type).where(
            events.c.message_id.in_(part),
            events.c.partition.in_(sorted({partition_of(one) for one in part})),
            events.c.type.in_([EventType.OPENED.value, EventType.CLICKED.value]),
            events.c.data.contains('"verdict":"human"'),
        )
        told.update((row[0], row[1]) for row in connection.execute(query.distinct()) if row[0] in deliveries_)
    return told


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + _LOOKED_UP_AT_ONCE] for start in range(0, len(ids), _LOOKED_UP_AT_ONCE))


def _event(hit: Hit, delivery: Delivery, new_id: NewId, networks: Sequence[Network]) -> Event:
    # A delivery that has ended was due for the last time when it did.
    found = verdict(hit, delivery.due_at if delivery.state in _ENDED else None, networks)
    facts: dict[str, Any] = {
        "url": hit.url,
        "verdict": found.who.value,
        "evidence": list(found.evidence),
        "proxy": found.proxy,
        # Of the reader the place of a proxy says nothing.
        **_told_of(hit, is_proxied=bool(found.proxy)),
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
        callback=delivery.options.callback,
    )


def _told_of(asked: Hit | Unsubscribing, *, is_proxied: bool = False) -> dict[str, Any]:
    agent = rows.storable(asked.agent)
    place = {} if is_proxied else msgspec.structs.asdict(asked.place)
    client = msgspec.structs.asdict(client_of(agent))
    return {"client_address": asked.client_address, **place, "agent": agent, **client}
