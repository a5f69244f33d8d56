"""``/v3/user/webhooks/event``: the sending domains' webhooks in SendGrid's format."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.sendgrid.errors import Refusal, refusal
from postroad.dialects.sendgrid.event_settings import Wish, read_test, read_wish, settings, unset
from postroad.httpd.api.json_upload import json_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.httpd.api.sendgrid.chosen import chosen_domains, single_domain
from postroad.model.options import CallbackFormat
from postroad.model.refused import MissingError, RefusedError
from postroad.model.webhook import Webhook
from postroad.webhooks.webhooks import WebhookChange

MOST_WEBHOOKS = 1_000
_DIGITS = 18


async def all_settings(managing: Managing, request: Request) -> Response:
    """List the webhooks."""
    found = await _webhooks(managing, request)
    key = await _public_key(managing)
    listed = {"max_allowed": MOST_WEBHOOKS, "webhooks": [settings(one, key) for one in found[:MOST_WEBHOOKS]]}
    return JSONResponse(listed, headers=NO_STORE)


async def only_settings(managing: Managing, request: Request) -> Response:
    """Show the oldest webhook, as calls do that know of one only."""
    found = await _webhooks(managing, request)
    told = settings(found[0], await _public_key(managing)) if found else unset()
    return JSONResponse(told, headers=NO_STORE)


async def show(managing: Managing, request: Request) -> Response:
    """Show a webhook."""
    return await _told(managing, await _named(managing, request.path_params["id"]))


async def add(managing: Managing, request: Request) -> Response:
    """Add a webhook to a sending domain."""
    wish = read_wish(await json_of(managing.services, request))
    return await _told(managing, await _add(managing, request, wish), 201)


async def change(managing: Managing, request: Request) -> Response:
    """Change what a call says of a webhook."""
    before = await _named(managing, request.path_params["id"])
    wish = read_wish(await json_of(managing.services, request))
    return await _told(managing, await _change(managing, before, wish))


async def change_only(managing: Managing, request: Request) -> Response:
    """Change the oldest webhook, or add the first one, as calls do that know of one only."""
    wish = read_wish(await json_of(managing.services, request))
    found = await _webhooks(managing, request)
    after = await _change(managing, found[0], wish) if found else await _add(managing, request, wish)
    return await _told(managing, after)


async def remove(managing: Managing, request: Request) -> Response:
    """Remove a webhook."""
    webhook = await _named(managing, request.path_params["id"])
    await managing.management.webhooks.remove(managing.actor, webhook.id)
    return Response(status_code=204, headers=NO_STORE)


async def public_key(managing: Managing, request: Request) -> Response:
    """Tell the key that calls are verified with; they are always signed."""
    webhook_id = request.path_params.get("id")
    if webhook_id is not None:
        await _named(managing, webhook_id)
    return JSONResponse({"id": webhook_id, "public_key": await _public_key(managing)}, headers=NO_STORE)


async def sign(managing: Managing, request: Request) -> Response:
    """Answer whoever switches signing on; off it cannot be."""
    document = await json_of(managing.services, request)
    if not isinstance(document, dict) or document.get("enabled") is not True:
        raise RefusedError("calls are always signed: enabled must be true", field="enabled")
    return await public_key(managing, request)


async def test(managing: Managing, request: Request) -> Response | Refusal:
    """Post a sample of each event that a webhook takes."""
    webhook_id, url = read_test(await json_of(managing.services, request))
    if webhook_id:
        webhook = await _named(managing, webhook_id)
    else:
        same = [one for one in await _webhooks(managing, request) if not url or one.url == url]
        if not same:
            return refusal(404, "there is no such webhook; samples go to webhooks that are set up only", "url")
        webhook = same[0]
    attempts = await managing.management.trial.run(managing.actor, webhook)
    failed = next((one for one in attempts if one.error), None)
    if failed is not None:
        return refusal(400, f"{failed.url}: {failed.error}", "url")
    return Response(status_code=204, headers=NO_STORE)


async def _add(managing: Managing, request: Request, wish: Wish) -> Webhook:
    if not wish.url:
        raise RefusedError("url is required", field="url")
    webhooks = managing.management.webhooks
    webhook = await webhooks.add(
        managing.actor,
        await single_domain(managing, request),
        wish.url,
        format=CallbackFormat.SENDGRID,
        event_types=wish.event_types(),
        note=wish.note or "",
    )
    return await webhooks.pause(managing.actor, webhook.id) if wish.is_enabled is False else webhook


async def _change(managing: Managing, before: Webhook, wish: Wish) -> Webhook:
    webhooks = managing.management.webhooks
    wanted = WebhookChange(
        url=before.url if wish.url is None else wish.url,
        format=before.format,
        event_types=wish.event_types(before),
        note=before.note if wish.note is None else wish.note,
    )
    after = await webhooks.edit(managing.actor, before, wanted)
    if wish.is_enabled is None or wish.is_enabled is (after.paused_at is None):
        return after
    set_paused = webhooks.resume if wish.is_enabled else webhooks.pause
    return await set_paused(managing.actor, before.id)


async def _webhooks(managing: Managing, request: Request) -> list[Webhook]:
    chosen = {one.id for one in await chosen_domains(managing, request)}
    found = await managing.management.webhooks.all(managing.actor)
    mine = [one for one in found if one.format is CallbackFormat.SENDGRID and one.domain_id in chosen]
    return sorted(mine, key=lambda one: one.id)


async def _named(managing: Managing, text: str) -> Webhook:
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS:
        found = await managing.management.webhooks.find(managing.actor, int(text))
        if found.format is CallbackFormat.SENDGRID:
            return found
    raise MissingError(f"There is no webhook {text[:_DIGITS]} in this format.", field="id")


async def _public_key(managing: Managing) -> str:
    return await managing.management.call_log.public_key(managing.account_id)


async def _told(managing: Managing, webhook: Webhook, status: int = 200) -> Response:
    return JSONResponse(settings(webhook, await _public_key(managing)), status, NO_STORE)


_ALL = "/v3/user/webhooks/event/settings"
SERVED = (
    Served("GET", _ALL, managed(only_settings)),
    Served("PATCH", _ALL, managed(change_only)),
    Served("POST", _ALL, managed(add)),
    Served("GET", f"{_ALL}/all", managed(all_settings)),
    Served("GET", f"{_ALL}/signed", managed(public_key)),
    Served("PATCH", f"{_ALL}/signed", managed(sign)),
    Served("GET", f"{_ALL}/signed/{{id}}", managed(public_key)),
    Served("PATCH", f"{_ALL}/signed/{{id}}", managed(sign)),
    Served("GET", f"{_ALL}/{{id}}", managed(show)),
    Served("PATCH", f"{_ALL}/{{id}}", managed(change)),
    Served("DELETE", f"{_ALL}/{{id}}", managed(remove)),
    Served("POST", "/v3/user/webhooks/event/test", managed(test)),
)
