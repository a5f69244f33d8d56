"""Webhooks and calls of an account, as tests of pages need them."""

from typing import Any

from postroad.httpd.console.console import Console
from postroad.model.actor import SYSTEM
from postroad.model.domain import SendingDomain
from postroad.model.event import Event, EventType
from postroad.model.ids import from_text, partition_of
from postroad.model.options import CallbackFormat
from postroad.model.webhook import CallAttempt, CallResult, Webhook
from postroad.net.clock import now_ms
from postroad.storage import webhook_log
from postroad.storage.database import Database
from tests.storage.samples import new_id

URL = "https://app.acme.example/events"


async def webhook_of(console: Console, domain: SendingDomain, url: str = URL, **facts: Any) -> Webhook:
    """Add a webhook."""
    return await console.webhooks.addresses.add(SYSTEM, domain, url, **{"format": CallbackFormat.STANDARD} | facts)


async def event_of(database: Database, domain: SendingDomain, message_id: str, kind: EventType) -> Event:
    """Append an event of a message."""
    number = from_text(message_id)
    event = Event(
        id=new_id(partition_of(number)),
        type=kind,
        at=now_ms(),
        account_id=domain.account_id,
        domain_id=domain.id,
        message_id=number,
        delivery_id=None,
        recipient="ann@r.example",
        data={"code": 250, "reply": "250 2.0.0 Ok"},
    )
    await database.append_events([event])
    return event


async def call_of(database: Database, webhook: Webhook, *events: Event, **facts: Any) -> CallAttempt:
    """Write an attempt at a call into the log."""
    partition = partition_of(events[0].id) if events else 0
    values: dict[str, Any] = {
        "id": new_id(partition),
        "call_id": new_id(partition),
        "at": now_ms(),
        "account_id": webhook.account_id,
        "domain_id": webhook.domain_id,
        "receiver": webhook.id,
        "url": webhook.url,
        "format": webhook.format,
        "event_ids": tuple(one.id for one in events),
        "event_types": tuple(dict.fromkeys(one.type.value for one in events)),
        "message_ids": tuple({one.message_id for one in events if one.message_id is not None}),
        "attempt": 1,
        "result": CallResult.DELIVERED,
        "status": 200,
        "duration_ms": 12,
        "request_headers": {"webhook-id": "x"},
        "reply": "thanks",
    }
    attempt = CallAttempt(**values | facts)
    await database.write(webhook_log.append, [attempt])
    return attempt
