"""``/api/v1/webhooks``: where events are posted to in SparkPost's format."""

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.sparkpost.errors import Fault, Refusal
from postroad.dialects.sparkpost.values import words
from postroad.dialects.sparkpost.webhooks import documentation, outcome, read_webhook, samples, shown
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import Served
from postroad.httpd.api.sparkpost.answers import answered, domains_of, nothing, object_of, one_domain
from postroad.model.options import CallbackFormat
from postroad.model.refused import MissingError
from postroad.model.webhook import Webhook
from postroad.webhooks.webhooks import WebhookChange

_HIGHEST_ID = (1 << 63) - 1
_DIGITS = 19


async def list_all(managing: Managing, request: Request) -> Response:
    """List the webhooks in this format."""
    names = {one.id: one.name for one in await domains_of(managing, request.query_params.get("domain"))}
    webhooks = managing.management.webhooks
    found = [
        one
        for one in await webhooks.all(managing.actor)
        if one.format is CallbackFormat.SPARKPOST and one.domain_id in names
    ]
    health = await webhooks.health_of(found)
    return answered([shown(one, health.get(one.id), names[one.domain_id]) for one in found])


async def add(managing: Managing, request: Request) -> Response:
    """Add a webhook to a sending domain."""
    wanted = read_webhook(await object_of(managing, request))
    domain = await one_domain(managing, request.query_params.get("domain") or wanted.domain)
    webhooks = managing.management.webhooks
    added = await webhooks.add(
        managing.actor,
        domain,
        wanted.url(),
        format=CallbackFormat.SPARKPOST,
        event_types=wanted.types or (),
        token=wanted.token or "",
        note=wanted.name or "",
    )
    if wanted.is_active is False:
        added = await webhooks.pause(managing.actor, added.id)
    return answered(shown(added, None, domain.name))


async def show(managing: Managing, request: Request) -> Response:
    """Show a webhook."""
    return answered(await _shown(managing, await _named(managing, request)))


async def change(managing: Managing, request: Request) -> Response:
    """Change of a webhook what the call says."""
    before = await _named(managing, request)
    wanted = read_webhook(await object_of(managing, request))
    webhooks = managing.management.webhooks
    after = await webhooks.edit(
        managing.actor,
        before,
        WebhookChange(
            url=wanted.url(before),
            format=CallbackFormat.SPARKPOST,
            event_types=before.event_types if wanted.types is None else wanted.types,
            note=before.note if wanted.name is None else wanted.name,
            token=wanted.token,
        ),
    )
    if wanted.is_active is False and after.paused_at is None:
        after = await webhooks.pause(managing.actor, after.id)
    elif wanted.is_active is True and after.paused_at is not None:
        after = await webhooks.resume(managing.actor, after.id)
    return answered(await _shown(managing, after))


async def remove(managing: Managing, request: Request) -> Response:
    """Remove a webhook."""
    await managing.management.webhooks.remove(managing.actor, (await _named(managing, request)).id)
    return nothing()


async def validate(managing: Managing, request: Request) -> Response | Refusal:
    """Post a sample the way that events go, and say what came of it."""
    webhook = await _named(managing, request)
    await object_of(managing, request)
    [attempt] = await managing.management.trial.run(managing.actor, webhook, webhook.event_types[:1])
    is_done, told = outcome(attempt)
    if not is_done:
        why = attempt.error or f"the receiver answered {attempt.status}"
        return Refusal(400, (Fault(told["msg"], why),))
    return answered(told)


async def document(_managing: Managing, _request: Request) -> Response:
    """Say what the words for events mean."""
    return answered(documentation())


async def sample(_managing: Managing, request: Request) -> Response:
    """Show made-up events."""
    return answered(samples(words(request.query_params, "events")))


async def _named(managing: Managing, request: Request) -> Webhook:
    text = request.path_params["webhook_id"]
    if text.isascii() and text.isdecimal() and len(text) <= _DIGITS and int(text) <= _HIGHEST_ID:
        found = await managing.management.webhooks.find(managing.actor, int(text))
        if found.format is CallbackFormat.SPARKPOST:
            return found
    raise MissingError(f"There is no webhook {text[:40]}.")


async def _shown(managing: Managing, webhook: Webhook) -> dict[str, object]:
    health = await managing.management.webhooks.health_of([webhook])
    names = {one.id: one.name for one in await domains_of(managing, None)}
    return shown(webhook, health.get(webhook.id), names.get(webhook.domain_id, ""))


_ALL, _ONE = "/api/v1/webhooks", "/api/v1/webhooks/{webhook_id}"
SERVED = (
    Served("GET", _ALL, managed(list_all)),
    Served("POST", _ALL, managed(add)),
    Served("GET", f"{_ALL}/events/documentation", managed(document)),
    Served("GET", f"{_ALL}/events/samples", managed(sample)),
    Served("GET", _ONE, managed(show)),
    Served("PUT", _ONE, managed(change)),
    Served("DELETE", _ONE, managed(remove)),
    Served("POST", f"{_ONE}/validate", managed(validate)),
)
