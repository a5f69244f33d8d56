"""What our own API answers with: the types are what is written and what OpenAPI describes."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from postroad.dialects.postroad.message import Instant
from postroad.model.delivery import Delivery
from postroad.model.ids import text_of
from postroad.model.message import Message

MOST_SHOWN = 100
"""Deliveries of one message that an answer lists."""


class AcceptedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is on disk."""

    id: str
    message_id: Annotated[str, Meta(description="Its Message-ID, with brackets.")]


class AcceptedMessages(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that are on disk, in the order in which they were given."""

    messages: tuple[AcceptedMessage, ...]


class ShownDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient of a message."""

    recipient: str
    state: str
    due_at: Instant | None


class ShownMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it stands."""

    id: str
    message_id: str
    from_: str = msgspec.field(name="from")
    subject: str
    accepted_at: Instant
    tags: tuple[str, ...]
    recipient_count: int
    deliveries: Annotated[tuple[ShownDelivery, ...], Meta(description=f"The first {MOST_SHOWN} of them.")]


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken back."""

    cancelled: Annotated[int, Meta(description="Recipients who will not get the message; 0 where it had left already.")]


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a key is for."""

    prefix: str
    kind: str
    account: str
    domain: str | None
    note: str
    networks: tuple[str, ...]
    created_at: str
    client_address: str


def instant(at: int) -> datetime:
    """Return an instant of milliseconds since 1970."""
    return datetime.fromtimestamp(at / 1000, UTC)


def shown(message: Message, deliveries: tuple[Delivery, ...]) -> ShownMessage:
    """Return how a message stands."""
    return ShownMessage(
        id=text_of(message.id),
        message_id=message.message_id_header,
        from_=message.header_from,
        subject=message.subject,
        accepted_at=instant(message.accepted_at),
        tags=message.options.tags,
        recipient_count=message.recipient_count,
        deliveries=tuple(
            ShownDelivery(
                recipient=one.recipient,
                state=one.state.value,
                due_at=None if one.state.is_final else instant(one.due_at),
            )
            for one in deliveries[:MOST_SHOWN]
        ),
    )
