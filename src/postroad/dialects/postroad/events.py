"""Events by our own API: which can be asked for, and how they are told."""

import enum
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from postroad.dialects.postroad.answers import instant
from postroad.dialects.postroad.operation import DomainName, Instant, Operation, PageQuery, RecipientName
from postroad.dialects.samples import AT, RECIPIENT
from postroad.model.event import Event, EventType
from postroad.model.ids import text_of
from postroad.model.options import MAX_TAG_LENGTH


class EventOrder(enum.Enum):
    """Which events come first."""

    NEWEST = "newest"
    OLDEST = "oldest"


_Order = Annotated[
    EventOrder,
    Meta(
        description="`oldest` is for following events: it ends two seconds ago, and `next` is always there, to be asked again "
        "later for what happened since; nothing is left out or told twice."
    ),
]


class EventsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events; what is not said leaves out none."""

    type: Annotated[tuple[EventType, ...], Meta(description="Of these types: can be given several times.")] = ()
    domain: Annotated[DomainName | None, Meta(description="The sending domain.")] = None
    recipient: RecipientName | None = None
    tag: (
        Annotated[
            str,
            Meta(
                min_length=1, max_length=MAX_TAG_LENGTH, description="A tag of the message, whole.", examples=["orders"]
            ),
        ]
        | None
    ) = None
    from_: Annotated[Instant | None, Meta(description="Happened at this time or later.")] = msgspec.field(
        default=None, name="from"
    )
    to: Annotated[Instant | None, Meta(description="Happened before this time.")] = None
    order: _Order = EventOrder.NEWEST


class MessageEventsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events of a message."""

    type: Annotated[tuple[EventType, ...], Meta(description="Of these types: can be given several times.")] = ()
    order: _Order = EventOrder.NEWEST


class ShownEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a message or a delivery."""

    id: str
    type: EventType
    at: Instant
    domain: Annotated[str | None, Meta(description="The sending domain; null where it was removed.")]
    message_id: Annotated[str | None, Meta(description="The message's `id`; null where it was rejected.")]
    delivery_id: str | None
    recipient: str | None
    data: Annotated[Mapping[str, Any], Meta(description="What is known of it; see the reference of events.")]
    variables: Annotated[Mapping[str, Any], Meta(description="Your own data, which the message was sent with.")]


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Events in the order that was asked for."""

    events: tuple[ShownEvent, ...]
    has_more: Annotated[
        bool,
        Meta(
            description="Whether more may be there now. A search that has looked at very many events stops, and goes on "
            "from `next`: a page can be empty and yet lead on."
        ),
    ]
    next: Annotated[
        str | None,
        Meta(
            description="The `cursor` of the next page; null where there is none, which is never so by `order=oldest`."
        ),
    ]


def told(event: Event, domain: str | None, variables: Mapping[str, Any]) -> ShownEvent:
    """Return an event as the API tells it."""
    return ShownEvent(
        id=text_of(event.id),
        type=event.type,
        at=instant(event.at),
        domain=domain,
        message_id=None if event.message_id is None else text_of(event.message_id),
        delivery_id=None if event.delivery_id is None else text_of(event.delivery_id),
        recipient=event.recipient,
        data=event.data,
        variables=variables,
    )


_SAMPLE = EventPage(
    events=(
        ShownEvent(
            id="06N1DHYKWG02R",
            type=EventType.DELIVERED,
            at=instant(AT),
            domain="news.example.com",
            message_id="06N1DHYH1R810",
            delivery_id="06N1DHYH1R811",
            recipient=RECIPIENT,
            data={"attempt": 1, "code": 250, "reply": "250 2.0.0 Ok", "tags": ["orders"]},
            variables={"order": 17},
        ),
    ),
    has_more=False,
    next="WyIwNk4xREhZS1dHMDJSIl0",
)
LIST_EVENTS = Operation(
    name="listEvents",
    method="GET",
    path="/events",
    summary="Find events, or follow them",
    query=EventsQuery,
    answer=EventPage,
    sample=_SAMPLE,
)
LIST_MESSAGE_EVENTS = Operation(
    name="listMessageEvents",
    method="GET",
    path="/messages/{message_id}/events",
    summary="See what happened to a message",
    query=MessageEventsQuery,
    answer=EventPage,
    sample=_SAMPLE,
)
OPERATIONS = (LIST_EVENTS, LIST_MESSAGE_EVENTS)
