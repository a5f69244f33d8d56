"""``/api/postroad/v1/webhooks``: where the events of the account's sending domains are posted to."""

from typing import Any

from msgspec import UNSET

from postroad.dialects.postroad import webhooks as documents
from postroad.dialects.postroad.operation import PREFIX
from postroad.dialects.postroad.paging import page_of
from postroad.dialects.postroad.webhooks import (
    NewWebhook,
    ShownWebhook,
    TriedWebhook,
    WebhookChange,
    WebhookPage,
    WebhooksQuery,
    WebhookTrial,
)
from postroad.httpd.api.postroad.calls import Call, Created, served
from postroad.model.refused import RefusedError
from postroad.model.webhook import Webhook
from postroad.webhooks.webhooks import WebhookChange as Wanted


async def list_webhooks(call: Call[WebhooksQuery, None]) -> WebhookPage:
    """List the webhooks, in the order in which they were added."""
    query = call.query
    domain_id = await call.domain_id(query.domain)
    found = await call.management.webhooks.all(call.managing.actor)
    mine = [one for one in found if domain_id in {None, one.domain_id}]
    shown, following = page_of(mine, lambda one: one.id, int, query.cursor, query.limit)
    names = await call.names_of({one.domain_id for one in shown})
    health = await call.management.webhooks.health_of(shown)
    return WebhookPage(
        webhooks=tuple(documents.shown(one, names.get(one.domain_id), health.get(one.id)) for one in shown),
        next=following,
    )


async def add(call: Call[None, NewWebhook]) -> Created:
    """Add a webhook to a sending domain."""
    wanted, webhooks, actor = call.body, call.management.webhooks, call.managing.actor
    added = await webhooks.add(
        actor,
        await call.managing.domain(wanted.domain),
        wanted.url,
        format=wanted.format,
        event_types=wanted.event_types,
        token=wanted.token,
        note=wanted.note,
    )
    if wanted.is_paused:
        added = await webhooks.pause(actor, added.id)
    return Created(f"{PREFIX}/webhooks/{added.id}", await _shown(call, added))


async def show(call: Call[None, None]) -> ShownWebhook:
    """Show a webhook."""
    return await _shown(call, await _found(call))


async def change(call: Call[None, WebhookChange]) -> ShownWebhook:
    """Change of a webhook what the call says."""
    wanted, webhooks, actor = call.body, call.management.webhooks, call.managing.actor
    before = after = await _found(call)
    if any(one is not UNSET for one in (wanted.url, wanted.format, wanted.event_types, wanted.note, wanted.token)):
        whole = Wanted(
            url=before.url if wanted.url is UNSET else wanted.url,
            format=before.format if wanted.format is UNSET else wanted.format,
            event_types=before.event_types if wanted.event_types is UNSET else wanted.event_types,
            note=before.note if wanted.note is UNSET else wanted.note,
            token=None if wanted.token is UNSET else wanted.token,
        )
        try:
            after = await webhooks.edit(actor, before, whole)
        except RefusedError as error:
            if error.field != "event_types" or wanted.event_types is not UNSET:
                raise
            sentence = f"The webhook keeps its event types, and they do not fit: {error} Say `event_types` beside it."
            raise RefusedError(sentence, field="format") from error
    if wanted.is_paused is True and after.paused_at is None:
        after = await webhooks.pause(actor, after.id)
    elif wanted.is_paused is False:
        after = await webhooks.resume(actor, after.id)
    return await _shown(call, after)


async def remove(call: Call[None, None]) -> None:
    """Remove a webhook."""
    await call.management.webhooks.remove(call.managing.actor, (await _found(call)).id)


async def try_out(call: Call[None, WebhookTrial]) -> TriedWebhook:
    """Post samples the way that events go, and say what came of them."""
    webhook, kinds = await _found(call), call.body.event_types
    if foreign := [one.value for one in kinds if one not in webhook.event_types]:
        raise RefusedError(f"The webhook does not take {', '.join(foreign)} events.", field="event_types")
    attempts = await call.management.trial.run(call.managing.actor, webhook, kinds)
    return TriedWebhook(calls=tuple(documents.tried(one) for one in attempts))


async def _found(call: Call[Any, Any]) -> Webhook:
    return await call.management.webhooks.find(call.managing.actor, call.id("webhook_id", "webhook"))


async def _shown(call: Call[Any, Any], webhook: Webhook) -> ShownWebhook:
    names = await call.names_of({webhook.domain_id})
    health = await call.management.webhooks.health_of([webhook])
    return documents.shown(webhook, names.get(webhook.domain_id), health.get(webhook.id))


SERVED = (
    served(documents.LIST_WEBHOOKS, list_webhooks),
    served(documents.ADD_WEBHOOK, add),
    served(documents.SHOW_WEBHOOK, show),
    served(documents.CHANGE_WEBHOOK, change),
    served(documents.REMOVE_WEBHOOK, remove),
    served(documents.TRY_WEBHOOK, try_out),
)
