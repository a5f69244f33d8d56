"""``/v3/domains/{domain}/webhooks`` and ``/v4/…``: where a domain's events are posted."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects import formats
from postroad.dialects.mailgun import webhooks as words
from postroad.dialects.mailgun.parameters import Parameters
from postroad.httpd.api.mailgun.named import answered, domain_of, parameters_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import Served
from postroad.model.domain import SendingDomain
from postroad.model.event import EventType
from postroad.model.options import CallbackFormat
from postroad.model.refused import MissingError, RefusedError
from postroad.model.webhook import Arrangement, CallResult, Webhook


async def listed(managing: Managing, request: Request) -> Response:
    """List where events are posted, by their ids."""
    return answered({"webhooks": words.documents_of(await _found(managing, await domain_of(managing, request)))})


async def show(managing: Managing, request: Request) -> Response:
    """Show where the events of one id are posted."""
    document = words.document_of(await _found(managing, await domain_of(managing, request)), _id(request))
    if not document["urls"]:
        raise MissingError("Webhook not found")
    return answered({"webhook": document})


async def add(managing: Managing, request: Request) -> Response:
    """Have the events of an id posted to further addresses."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    if parameters.has("event_types") and not parameters.has("id"):
        # Mailgun's library for Python sends this here, too.
        return await _add_kinds(managing, domain, parameters)
    identifier = words.read_id(parameters.needed("id"))
    urls, chosen = words.read_urls(parameters), words.read_format(parameters)
    found = await _found(managing, domain)
    after = await _arrange(managing, domain, words.added(found, [identifier], urls, chosen, _speaks))
    return answered({"message": "Webhook has been created", "webhook": words.document_of(after, identifier)})


async def change(managing: Managing, request: Request) -> Response:
    """Have the events of an id posted to other addresses."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    identifier = _id(request)
    urls, chosen = words.read_urls(parameters), words.read_format(parameters)
    found = await _found(managing, domain)
    if not words.document_of(found, identifier)["urls"]:
        raise MissingError("Webhook not found")
    after = await _arrange(managing, domain, words.replaced(found, identifier, urls, chosen, _speaks))
    return answered({"message": "Webhook has been updated", "webhook": words.document_of(after, identifier)})


async def remove(managing: Managing, request: Request) -> Response:
    """Post the events of an id nowhere any more."""
    domain = await domain_of(managing, request)
    identifier = _id(request)
    found = await _found(managing, domain)
    document = words.document_of(found, identifier)
    await _arrange(managing, domain, words.removed(found, identifier))
    return answered({"message": "Webhook has been deleted", "webhook": document})


async def test(managing: Managing, request: Request) -> Response:
    """Post a sample to an address of an id, and say what it answered."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    identifier = _id(request)
    webhook = words.at_address(await _found(managing, domain), identifier, parameters.needed("url"))
    attempts = await managing.management.trial.run(managing.actor, webhook, words.IDS[identifier])
    # Of several samples, one that went wrong says more.
    told = next((one for one in attempts if one.result is not CallResult.DELIVERED), attempts[0])
    return answered({"code": told.status or 0, "message": told.error or told.reply or "OK"})


async def add_kinds(managing: Managing, request: Request) -> Response:
    """Have the events of several ids posted to addresses."""
    parameters = await parameters_of(managing, request)
    return await _add_kinds(managing, await domain_of(managing, request), parameters)


async def _add_kinds(managing: Managing, domain: SendingDomain, parameters: Parameters) -> Response:
    ids, urls, chosen = words.read_ids(parameters), words.read_urls(parameters), words.read_format(parameters)
    found = await _found(managing, domain)
    after = await _arrange(managing, domain, words.added(found, ids, urls, chosen, _speaks))
    return answered({"message": "Webhook has been created", "webhooks": words.documents_of(after)})


async def set_kinds(managing: Managing, request: Request) -> Response:
    """Change which events are posted to an address."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    ids, url, chosen = words.read_ids(parameters), parameters.needed("url"), words.read_format(parameters)
    after = await _arrange(managing, domain, words.set_to(await _found(managing, domain), ids, url, chosen, _speaks))
    return answered({"message": "Webhook has been updated", "webhooks": words.documents_of(after)})


async def remove_urls(managing: Managing, request: Request) -> Response:
    """Post nothing to some addresses any more."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    parameters.needed("url")
    found = await _found(managing, domain)
    named = parameters.texts("url")
    # Mailgun takes a list with commas; an address may have some itself.
    known = {one.url for one in found}
    urls = [part for one in named for part in ([one] if one in known else one.split(","))]
    after = await _arrange(managing, domain, words.gone(found, urls))
    return answered({"message": "Webhook has been deleted", "webhooks": words.documents_of(after)})


async def of_account(_managing: Managing, _request: Request) -> Response:
    """Say that an account has no webhooks beside those of its domains."""
    return answered({"webhooks": []})


async def refuse_of_account(_managing: Managing, _request: Request) -> Response:
    """Say where webhooks are added."""
    raise RefusedError("Webhooks are of a sending domain here: call /v3/domains/DOMAIN/webhooks.")


async def _found(managing: Managing, domain: SendingDomain) -> list[Webhook]:
    return await managing.management.webhooks.all(managing.actor, domain)


async def _arrange(managing: Managing, domain: SendingDomain, wanted: Sequence[Arrangement]) -> list[Webhook]:
    return await managing.management.webhooks.arrange(managing.actor, domain, wanted)


def _id(request: Request) -> str:
    try:
        return words.read_id(request.path_params["webhook"])
    except RefusedError as error:
        raise MissingError(f"Webhook not found: {error}") from error


def _speaks(chosen: CallbackFormat, kind: EventType) -> bool:
    return formats.of(chosen).speaks_of(kind)


SERVED = (
    Served("GET", "/v3/domains/{domain}/webhooks", managed(listed)),
    Served("POST", "/v3/domains/{domain}/webhooks", managed(add)),
    Served("PUT", "/v3/domains/{domain}/webhooks", managed(set_kinds)),
    Served("DELETE", "/v3/domains/{domain}/webhooks", managed(remove_urls)),
    Served("GET", "/v3/domains/{domain}/webhooks/{webhook}", managed(show)),
    Served("PUT", "/v3/domains/{domain}/webhooks/{webhook}", managed(change)),
    Served("DELETE", "/v3/domains/{domain}/webhooks/{webhook}", managed(remove)),
    Served("PUT", "/v3/domains/{domain}/webhooks/{webhook}/test", managed(test)),
    Served("GET", "/v4/domains/{domain}/webhooks", managed(listed)),
    Served("POST", "/v4/domains/{domain}/webhooks", managed(add_kinds)),
    Served("PUT", "/v4/domains/{domain}/webhooks", managed(set_kinds)),
    Served("DELETE", "/v4/domains/{domain}/webhooks", managed(remove_urls)),
    Served("GET", "/v1/webhooks", managed(of_account)),
    Served("POST", "/v1/webhooks", managed(refuse_of_account)),
)
