"""``/api/v1/sending-domains``: the account's sending domains."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.sparkpost import sending_domains as documents
from postroad.dialects.sparkpost.errors import Refusal
from postroad.dialects.sparkpost.values import part, text
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import Served
from postroad.httpd.api.sparkpost.answers import answered, conflict, nothing, object_of
from postroad.model.domain import DomainSettings, SendingDomain
from postroad.model.refused import RefusedError

_PAUSE_S = 10
"""Between two checks of a domain, as each asks the name servers."""


async def list_all(managing: Managing, _request: Request) -> Response:
    """List the domains."""
    found = await managing.management.registration.all(managing.actor, managing.account_id)
    return answered([documents.listed(one) for one in found])


async def add(managing: Managing, request: Request) -> Response | Refusal:
    """Add a domain with keys that are made here."""
    document = await object_of(managing, request)
    _refuse_own_key(document)
    name = text(document, "domain")
    if not name:
        raise RefusedError("domain is required", field="domain")
    own = {one.name for one in await managing.management.registration.all(managing.actor, managing.account_id)}
    if name.strip().rstrip(".").lower() in own:
        return conflict(f"{name[:253]} is a sending domain of this account already")
    settings = DomainSettings()
    registration = managing.management.registration
    domain = await registration.add(managing.actor, managing.account_id, name, settings)
    if host := text(document, "tracking_domain"):
        settings = msgspec.structs.replace(settings, tracking_host=host)
        try:
            domain = await registration.change_settings(managing.actor, domain.name, settings)
        except RefusedError:
            await registration.remove(managing.actor, domain.name)
            raise
    keys = documents.dkim(domain, await registration.keys_of(domain))
    return answered({"message": "Successfully Created domain.", "domain": domain.name, "dkim": keys})


async def show(managing: Managing, request: Request) -> Response:
    """Show a domain with the records that it is to publish."""
    domain = await _named(managing, request)
    keys = await managing.management.registration.keys_of(domain)
    return answered(documents.shown(domain, keys, await managing.management.verification.expected(domain)))


async def change(managing: Managing, request: Request) -> Response:
    """Change where a domain's links lead."""
    domain = await _named(managing, request)
    document = await object_of(managing, request)
    _refuse_own_key(document)
    if "tracking_domain" in document:
        settings = msgspec.structs.replace(domain.settings, tracking_host=text(document, "tracking_domain"))
        await managing.management.registration.change_settings(managing.actor, domain.name, settings)
    return answered({"message": "Successfully Updated Domain.", "domain": domain.name})


async def remove(managing: Managing, request: Request) -> Response | Refusal:
    """Remove a domain that nothing is bound to."""
    domain = await _named(managing, request)
    try:
        await managing.management.registration.remove(managing.actor, domain.name)
    except RefusedError as error:
        if type(error) is RefusedError:
            return conflict(str(error))
        raise
    return nothing()


async def verify(managing: Managing, request: Request) -> Response:
    """Look at all records of a domain, whatever was asked for; it goes on as they allow."""
    domain = await _named(managing, request)
    await object_of(managing, request)
    verdicts = await managing.management.verification.verify(managing.actor, domain.id, at_most_every_s=_PAUSE_S)
    return answered(documents.checked(await managing.domain(domain.name), verdicts))


async def _named(managing: Managing, request: Request) -> SendingDomain:
    return await managing.domain(request.path_params["domain"])


def _refuse_own_key(document: dict[str, object]) -> None:
    if part(document, "dkim"):
        raise RefusedError("dkim cannot be given: keys are made here, and the answer has the public half", field="dkim")


_ALL, _ONE = "/api/v1/sending-domains", "/api/v1/sending-domains/{domain}"
SERVED = (
    Served("GET", _ALL, managed(list_all)),
    Served("POST", _ALL, managed(add)),
    Served("GET", _ONE, managed(show)),
    Served("PUT", _ONE, managed(change)),
    Served("DELETE", _ONE, managed(remove)),
    Served("POST", f"{_ONE}/verify", managed(verify)),
)
