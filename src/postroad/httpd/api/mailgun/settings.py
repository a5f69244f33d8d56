"""``/v3/domains/{domain}/…``: what is demanded of connections, what is tracked, and the names of links and signatures."""

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.mailgun import domain_settings
from postroad.dialects.mailgun.domains import records_document
from postroad.httpd.api.mailgun.named import answered, domain_of, parameters_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import Served
from postroad.model.domain import KeyState
from postroad.model.refused import MissingError, RefusedError


async def connection(managing: Managing, request: Request) -> Response:
    """Say what is demanded of connections that mail leaves by."""
    document = domain_settings.connection_document((await domain_of(managing, request)).settings)
    # Mailgun's own libraries read the one or the other.
    return answered({"connection": document, **document})


async def change_connection(managing: Managing, request: Request) -> Response:
    """Change what is demanded of connections."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    settings = domain_settings.with_connection(domain.settings, parameters)
    domain = await managing.management.registration.change_settings(managing.actor, domain.name, settings)
    message = "Domain connection settings have been updated, may take 10 minutes to fully propagate"
    return answered({"message": message, **domain_settings.connection_document(domain.settings)})


async def tracking(managing: Managing, request: Request) -> Response:
    """Say what is tracked."""
    domain = await domain_of(managing, request)
    return answered({"tracking": domain_settings.tracking_document(domain.settings)})


async def change_tracking(managing: Managing, request: Request) -> Response:
    """Change whether opens or clicks are counted, or unsubscribing is offered."""
    parameters = await parameters_of(managing, request)
    what = request.path_params["what"]
    changing = domain_settings.TRACKING.get(what)
    if changing is None:
        raise MissingError(f"There is nothing to track by the name {what[:60]}: {', '.join(domain_settings.TRACKING)}.")
    domain = await domain_of(managing, request)
    settings = changing(domain.settings, parameters)
    domain = await managing.management.registration.change_settings(managing.actor, domain.name, settings)
    document = domain_settings.tracking_document(domain.settings)[what]
    return answered({"message": "Domain tracking settings have been updated", what: document})


async def change_web_prefix(managing: Managing, request: Request) -> Response:
    """Change the host that links lead over."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    prefix = parameters.needed("web_prefix")
    settings = domain_settings.with_web_prefix(domain.name, domain.settings, prefix)
    await managing.management.registration.change_settings(managing.actor, domain.name, settings)
    return answered({"message": "Domain web prefix updated"})


async def change_authority(managing: Managing, request: Request) -> Response:
    """Take that a domain signs in its own name, as it does anyway."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    if parameters.switch("self") is not True:
        raise RefusedError(
            "self must be true: a domain signs in its own name, and in that of its organisational domain as well where "
            "its key is published there",
            field="self",
        )
    keys = await managing.management.registration.keys_of(domain)
    records = await managing.management.verification.expected(domain)
    sending = records_document(domain, keys, records)["sending_dns_records"]
    message = "Domain DKIM authority has not been changed"
    return answered({"message": message, "changed": False, "sending_dns_records": sending})


async def change_selector(managing: Managing, request: Request) -> Response:
    """Take the selector that a domain signs with, which is the only one that it can have now."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    wanted = parameters.needed("dkim_selector")
    keys = await managing.management.registration.keys_of(domain)
    signing = [one.selector for one in keys if one.state is KeyState.ACTIVE] or [
        one.selector for one in keys if one.state is KeyState.PUBLISHED
    ]
    if wanted not in signing:
        raise RefusedError(
            f"dkim_selector cannot be {wanted[:60]}: {domain.name} signs with {' and '.join(signing)}. POST /v1/dkim/keys "
            "makes a new key under the other selector.",
            field="dkim_selector",
        )
    return answered({"message": "Domain DKIM selector updated"})


SERVED = (
    Served("GET", "/v3/domains/{domain}/connection", managed(connection)),
    Served("PUT", "/v3/domains/{domain}/connection", managed(change_connection)),
    Served("GET", "/v3/domains/{domain}/tracking", managed(tracking)),
    Served("PUT", "/v3/domains/{domain}/tracking/{what}", managed(change_tracking)),
    Served("PUT", "/v3/domains/{domain}/web_prefix", managed(change_web_prefix)),
    Served("PUT", "/v3/domains/{domain}/dkim_authority", managed(change_authority)),
    Served("PUT", "/v3/domains/{domain}/dkim_selector", managed(change_selector)),
)
