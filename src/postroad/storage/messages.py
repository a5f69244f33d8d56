"""Accepted messages: their facts and their story."""

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, delete, exists, select

from postroad.model.delivery import Delivery
from postroad.model.event import Event
from postroad.model.ids import lowest_at, partition_of
from postroad.model.message import Message
from postroad.storage import bodies, events, rows, search_index, send_batches
from postroad.storage.dialect import claimed_rows
from postroad.storage.schema.data_plane import deliveries, messages, webhook_attempt_messages

_COLUMNS = [messages.c[name] for name in rows.MESSAGE_COLUMNS]
_DELIVERY_COLUMNS = [deliveries.c[name] for name in rows.DELIVERY_COLUMNS]


class MessageSelector(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages; what is not said selects all."""

    account_id: int | None = None
    domain_id: int | None = None
    recipient: str | None = None
    destination: str | None = None
    reverse_path: str | None = None
    header_from: str | None = None
    message_id_header: str | None = None
    subject_contains: str | None = None
    since: int | None = None
    until: int | None = None
    """Up to, but not at, this instant."""


class Story(msgspec.Struct, frozen=True):
    """A message with all that happened to it, in time order."""

    message: Message
    deliveries: tuple[Delivery, ...]
    events: tuple[Event, ...]


def get_many(connection: Connection, message_ids: Collection[int]) -> dict[int, Message]:
    """Return messages by their ids, without those that have gone."""
    partitions = {partition_of(message_id) for message_id in message_ids}
    query = select(*_COLUMNS).where(messages.c.partition.in_(partitions), messages.c.id.in_(message_ids))
    found = (rows.message_from(row) for row in connection.execute(query))
    return {message.id: message for message in found}


def show(connection: Connection, message_id: int) -> Story | None:
    """Return a message's whole story, or None where there is no such message."""
    message = get_many(connection, [message_id]).get(message_id)
    if message is None:
        return None
    query = select(*_DELIVERY_COLUMNS).where(
        deliveries.c.partition == partition_of(message_id), deliveries.c.message_id == message_id
    )
    found = connection.execute(query.order_by(deliveries.c.id))
    return Story(
        message,
        tuple(rows.delivery_from(row) for row in found),
        tuple(events.of_message(connection, message_id)),
    )


def search(connection: Connection, selector: MessageSelector, limit: int, before: int | None = None) -> list[Message]:
    """Return the newest messages first; of those older than the id ``before`` where it is given."""
    query = select(*_COLUMNS).order_by(messages.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(messages.c.id < before)
    for name in ("account_id", "domain_id", "reverse_path", "header_from", "message_id_header"):
        wanted = getattr(selector, name)
        if wanted is not None:
            query = query.where(messages.c[name] == wanted)
    if selector.subject_contains is not None:
        query = query.where(messages.c.subject.icontains(selector.subject_contains, autoescape=True))
    for name in ("recipient", "destination"):
        wanted = getattr(selector, name)
        if wanted is not None:
            query = query.where(exists().where(deliveries.c.message_id == messages.c.id, deliveries.c[name] == wanted))
    if selector.since is not None:
        query = query.where(messages.c.id >= lowest_at(selector.since))
    if selector.until is not None:
        query = query.where(messages.c.id < lowest_at(selector.until))
    return [rows.message_from(row) for row in connection.execute(query)]


def delete_finished_before(connection: Connection, instant: int, limit: int) -> int:
    """Remove at most ``limit`` messages, with their deliveries, that ended before ``instant``; returns how many."""
    # A message ends after it was accepted, so the bound on ids keeps the search to what is older than is kept.
    old = (
        select(messages.c.id)
        .where(messages.c.id < lowest_at(instant), messages.c.finished_at < instant)
        .order_by(messages.c.id)
        .limit(limit)
    )
    message_ids = [row.id for row in connection.execute(claimed_rows(old))]
    if message_ids:
        bodies.delete_of(connection, message_ids)
        search_index.delete_of(connection, message_ids)
        calls = webhook_attempt_messages.c.message_id.in_(message_ids)
        connection.execute(delete(webhook_attempt_messages).where(calls))
        send_batches.delete_messages(connection, message_ids)
        connection.execute(delete(deliveries).where(deliveries.c.message_id.in_(message_ids)))
        connection.execute(delete(messages).where(messages.c.id.in_(message_ids)))
    return len(message_ids)
