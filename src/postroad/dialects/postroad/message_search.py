"""Finding messages by our own API: what can be asked, and what a list tells."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from postroad.dialects.postroad.answers import instant
from postroad.dialects.postroad.operation import DomainName, Instant, Operation, PageQuery, RecipientName
from postroad.dialects.postroad.paging import QueryRefusedError
from postroad.model.delivery import Standing
from postroad.model.ids import range_of, text_of
from postroad.model.message import Message
from postroad.model.options import MAX_TAG_LENGTH
from postroad.model.search_words import address_term, message_id_term, tag_term, words_of
from postroad.protocol.smtp.address import with_a_labels


class MessagesQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages; what is not said leaves out none."""

    recipient: RecipientName | None = None
    id: (
        Annotated[
            str,
            Meta(min_length=1, max_length=20, description="An id, or how it begins.", examples=["06N1DHYH1R810"]),
        ]
        | None
    ) = None
    message_id: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=998,
                description="A Message-ID, with its brackets or without.",
                examples=["06n1dhyh1r810@news.example.com"],
            ),
        ]
        | None
    ) = None
    subject: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=998,
                description="Words that the subject has, all of them.",
                examples=["your order"],
            ),
        ]
        | None
    ) = None
    state: Annotated[
        Standing | None,
        Meta(description="How at least one of its deliveries stands; `deferred` waits for another try."),
    ] = None
    tag: (
        Annotated[
            str,
            Meta(min_length=1, max_length=MAX_TAG_LENGTH, description="One of its tags, whole.", examples=["orders"]),
        ]
        | None
    ) = None
    domain: Annotated[DomainName | None, Meta(description="The sending domain.")] = None
    from_: Annotated[Instant | None, Meta(description="Accepted at this time or later.")] = msgspec.field(
        default=None, name="from"
    )
    to: Annotated[Instant | None, Meta(description="Accepted before this time.")] = None

    @property
    def terms(self) -> tuple[str, ...]:
        """What the index of messages is asked for; raises QueryRefusedError."""
        found = words_of(self.subject) if self.subject is not None else []
        if self.subject is not None and not found:
            raise QueryRefusedError("There is no word in it to look for.", field="subject")
        if self.recipient is not None:
            found.append(address_term(with_a_labels(self.recipient)))
        if self.message_id is not None:
            found.append(message_id_term(self.message_id))
        if self.tag is not None:
            found.append(tag_term(self.tag))
        return tuple(found)

    @property
    def id_range(self) -> tuple[int, int] | None:
        """The lowest and the highest id that begin as asked; raises QueryRefusedError."""
        try:
            return None if self.id is None else range_of(self.id)
        except ValueError as error:
            raise QueryRefusedError(f"{error}.", field="id") from error


class ListedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message as a list has it."""

    id: str
    message_id: str
    domain: Annotated[str | None, Meta(description="The sending domain; null where it was removed.")]
    from_: str = msgspec.field(name="from")
    subject: str
    accepted_at: Instant
    tags: tuple[str, ...]
    recipient_count: int
    recipients: Annotated[tuple[str, ...], Meta(description="Some of them.")]
    states: Annotated[Mapping[str, int], Meta(description="How many deliveries stand how.")]


class MessagePage(msgspec.Struct, frozen=True, kw_only=True):
    """Messages, the newest first."""

    messages: tuple[ListedMessage, ...]
    next: Annotated[
        str | None,
        Meta(
            description="The `cursor` of the next page; null where there is none. A search that has looked at very many "
            "messages stops, and goes on from here: a page can be empty and yet lead on."
        ),
    ]


def listed(
    message: Message, domain: str | None, recipients: tuple[str, ...], standings: Mapping[Standing, int]
) -> ListedMessage:
    """Return a message as a list has it."""
    return ListedMessage(
        id=text_of(message.id),
        message_id=message.message_id_header,
        domain=domain,
        from_=message.header_from,
        subject=message.subject,
        accepted_at=instant(message.accepted_at),
        tags=message.options.tags,
        recipient_count=message.recipient_count,
        recipients=recipients,
        states={one.value: count for one, count in standings.items()},
    )


_AT = 1_795_775_400_000
LIST_MESSAGES = Operation(
    name="listMessages",
    method="GET",
    path="/messages",
    summary="Find messages, the newest first",
    query=MessagesQuery,
    answer=MessagePage,
    sample=MessagePage(
        messages=(
            ListedMessage(
                id="06N1DHYH1R810",
                message_id="<06n1dhyh1r810@news.example.com>",
                domain="news.example.com",
                from_="hello@news.example.com",
                subject="Your order",
                accepted_at=instant(_AT),
                tags=("orders",),
                recipient_count=1,
                recipients=("ada@example.net",),
                states={"delivered": 1},
            ),
        ),
        next="WyIwNk4xREhZSDFSODEwIl0",
    ),
)
OPERATIONS = (LIST_MESSAGES,)
