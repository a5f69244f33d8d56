"""Webhooks by our own API: where events are posted to, and how the receivers are doing."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from postroad.dialects.postroad.answers import instant
from postroad.dialects.postroad.operation import DomainName, Instant, Next, Operation, PageQuery
from postroad.model.event import EventType
from postroad.model.options import CallbackFormat
from postroad.model.webhook import WELL, CallAttempt, CallResult, Health, Webhook

_Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2048,
        description="Where to; user and password in it go along by HTTP Basic, and the password is not shown again.",
        examples=["https://hooks.example.com/mail"],
    ),
]
_Types = Annotated[
    tuple[EventType, ...], Meta(description="None for all that the format has words for.", examples=[["bounced"]])
]
_Note = Annotated[str, Meta(max_length=500, description="What it is for.")]
_Token = Annotated[
    str, Meta(max_length=1024, description="What a format sends that authenticates by a fixed token; not shown again.")
]


class WebhooksQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which webhooks."""

    domain: Annotated[DomainName | None, Meta(description="The sending domain.")] = None


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A webhook to add."""

    domain: DomainName
    url: _Url
    format: CallbackFormat = CallbackFormat.STANDARD
    event_types: _Types = ()
    note: _Note = ""
    token: _Token = ""
    is_paused: bool = False


class WebhookChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be otherwise with a webhook; what is not said stays as it is."""

    url: _Url | UnsetType = UNSET
    format: CallbackFormat | UnsetType = UNSET
    event_types: _Types | UnsetType = UNSET
    note: _Note | UnsetType = UNSET
    token: _Token | UnsetType = UNSET
    is_paused: Annotated[
        bool | UnsetType, Meta(description="Calls wait while it is; false tries a failing receiver at once.")
    ] = UNSET


class WebhookHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How a receiver has been doing."""

    failures: Annotated[int, Meta(description="In a row.")]
    failing_since: Instant | None
    is_stopped: Annotated[bool, Meta(description="It has failed for so long that it is tried now and then only.")]
    next_try_at: Instant | None
    last_error: str


class ShownWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook."""

    id: str
    domain: Annotated[str | None, Meta(description="The sending domain.")]
    url: Annotated[str, Meta(description="Without its password.")]
    format: CallbackFormat
    event_types: tuple[EventType, ...]
    note: str
    has_password: bool
    has_token: bool
    is_paused: bool
    created_at: Instant
    created_by: str
    health: WebhookHealth


class WebhookPage(msgspec.Struct, frozen=True, kw_only=True):
    """Webhooks in the order in which they were added."""

    webhooks: tuple[ShownWebhook, ...]
    next: Next


class WebhookTrial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is tried."""

    event_types: Annotated[
        tuple[EventType, ...],
        Meta(description="Of those that the webhook takes; none for all.", examples=[["bounced"]]),
    ] = ()


class TriedCall(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one sample."""

    event_type: str
    is_taken: bool
    status: Annotated[int | None, Meta(description="Of HTTP; null where there was no answer.")]
    error: Annotated[str, Meta(description="Why there is no answer, or what is wrong with it.")]
    duration_ms: int


class TriedWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the samples."""

    calls: tuple[TriedCall, ...]


def shown(webhook: Webhook, domain: str | None, health: Health | None) -> ShownWebhook:
    """Return a webhook as the API tells it."""
    doing = health or WELL
    return ShownWebhook(
        id=str(webhook.id),
        domain=domain,
        url=webhook.url,
        format=webhook.format,
        event_types=webhook.event_types,
        note=webhook.note,
        has_password=webhook.has_password,
        has_token=webhook.has_token,
        is_paused=webhook.paused_at is not None,
        created_at=instant(webhook.created_at),
        created_by=webhook.created_by,
        health=WebhookHealth(
            failures=doing.failures,
            failing_since=None if doing.failing_since is None else instant(doing.failing_since),
            is_stopped=doing.paused_at is not None,
            next_try_at=None if doing.next_try_at is None else instant(doing.next_try_at),
            last_error=doing.last_error,
        ),
    )


def tried(attempt: CallAttempt) -> TriedCall:
    """Return what came of a sample."""
    return TriedCall(
        event_type=attempt.event_types[0],
        is_taken=attempt.result is CallResult.DELIVERED,
        status=attempt.status,
        error=attempt.error,
        duration_ms=attempt.duration_ms,
    )


_SAMPLE = shown(
    Webhook(
        id=17,
        account_id=1,
        domain_id=1,
        url="https://hooks.example.com/mail",
        format=CallbackFormat.STANDARD,
        event_types=(EventType.BOUNCED, EventType.COMPLAINED),
        note="the shop",
        created_at=1_795_775_400_000,
        created_by="pr_acc_1a2",
    ),
    "news.example.com",
    None,
)
_ALL, _ONE = "/webhooks", "/webhooks/{webhook_id}"
LIST_WEBHOOKS = Operation(
    name="listWebhooks",
    method="GET",
    path=_ALL,
    summary="List the webhooks",
    query=WebhooksQuery,
    answer=WebhookPage,
    sample=WebhookPage(webhooks=(_SAMPLE,), next=None),
)
ADD_WEBHOOK = Operation(
    name="addWebhook",
    method="POST",
    path=_ALL,
    summary="Have a sending domain's events posted to an address",
    body=NewWebhook,
    answer=ShownWebhook,
    status=201,
    sample=_SAMPLE,
    sample_body={
        "domain": "news.example.com",
        "url": "https://hooks.example.com/mail",
        "event_types": ["bounced", "complained"],
        "note": "the shop",
    },
)
SHOW_WEBHOOK = Operation(
    name="showWebhook", method="GET", path=_ONE, summary="See a webhook", answer=ShownWebhook, sample=_SAMPLE
)
CHANGE_WEBHOOK = Operation(
    name="changeWebhook",
    method="PATCH",
    path=_ONE,
    summary="Change a webhook, pause it, or let it go on",
    body=WebhookChange,
    answer=ShownWebhook,
    sample=_SAMPLE,
    sample_body={"event_types": ["bounced"], "is_paused": False},
)
REMOVE_WEBHOOK = Operation(
    name="removeWebhook",
    method="DELETE",
    path=_ONE,
    summary="Remove a webhook; calls that wait for it are not made any more",
    status=204,
)
TRY_WEBHOOK = Operation(
    name="tryWebhook",
    method="POST",
    path=f"{_ONE}/test",
    summary="Post a sample of each type of event, and see what comes of it",
    body=WebhookTrial,
    answer=TriedWebhook,
    sample=TriedWebhook(calls=(TriedCall(event_type="bounced", is_taken=True, status=200, error="", duration_ms=84),)),
    sample_body={"event_types": ["bounced"]},
)
OPERATIONS = (LIST_WEBHOOKS, ADD_WEBHOOK, SHOW_WEBHOOK, CHANGE_WEBHOOK, REMOVE_WEBHOOK, TRY_WEBHOOK)
