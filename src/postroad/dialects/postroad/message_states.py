"""One message by our own API, how it stands and what can be done to it; and what a key is."""

from typing import Annotated

import msgspec
from msgspec import Meta

from postroad.dialects.postroad.answers import Cancelled, KeyFacts, ShownDelivery, ShownMessage, instant
from postroad.dialects.postroad.operation import Operation


class SteeredMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to a message."""

    deliveries: Annotated[int, Meta(description="How many were changed; 0 where none waited for that.")]


_AT = 1_795_775_400_000
_ONE = "/messages/{message_id}"
SHOW_MESSAGE = Operation(
    name="showMessage",
    method="GET",
    path=_ONE,
    summary="See how a message stands",
    answer=ShownMessage,
    sample=ShownMessage(
        id="06N1DHYH1R810",
        message_id="<06n1dhyh1r810@news.example.com>",
        from_="hello@news.example.com",
        subject="Your order",
        accepted_at=instant(_AT),
        tags=("orders",),
        recipient_count=1,
        deliveries=(ShownDelivery(recipient="ada@example.net", state="scheduled", due_at=instant(_AT)),),
    ),
)
CANCEL_MESSAGE = Operation(
    name="cancelMessage",
    method="POST",
    path=f"{_ONE}/cancel",
    summary="Take back what of a message has not left",
    answer=Cancelled,
    sample=Cancelled(cancelled=1),
)
HOLD_MESSAGE = Operation(
    name="holdMessage",
    method="POST",
    path=f"{_ONE}/hold",
    summary="Stop what waits of a message until it is released",
    answer=SteeredMessage,
    sample=SteeredMessage(deliveries=1),
)
RELEASE_MESSAGE = Operation(
    name="releaseMessage",
    method="POST",
    path=f"{_ONE}/release",
    summary="Let go what is held of a message",
    answer=SteeredMessage,
    sample=SteeredMessage(deliveries=1),
)
RETRY_MESSAGE = Operation(
    name="retryMessage",
    method="POST",
    path=f"{_ONE}/retry",
    summary="Try now what of a message waits for a later time",
    answer=SteeredMessage,
    sample=SteeredMessage(deliveries=1),
)
SHOW_KEY = Operation(
    name="showKey",
    method="GET",
    path="/key",
    summary="See what a key is for",
    answer=KeyFacts,
    sample=KeyFacts(
        prefix="pr_dom_1a2",
        kind="domain",
        account="acme",
        domain="news.example.com",
        note="the shop",
        networks=(),
        created_at="2026-11-28T09:30:00Z",
        client_address="192.0.2.9",
    ),
)
OPERATIONS = (SHOW_MESSAGE, CANCEL_MESSAGE, HOLD_MESSAGE, RELEASE_MESSAGE, RETRY_MESSAGE, SHOW_KEY)
