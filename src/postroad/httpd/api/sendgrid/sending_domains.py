"""``/v3/whitelabel/domains``: the account's sending domains."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.sendgrid.bodies import id_in
from postroad.dialects.sendgrid.sending_domains import read_new, read_page, told, validated
from postroad.httpd.api.json_upload import json_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.model.domain import DomainQuery, SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.storage import domains

_PAUSE_S = 10
"""Between two checks of a domain, as each asks the name servers."""


async def list_some(managing: Managing, request: Request) -> Response:
    """List domains by name, some at a time."""
    page = read_page(request.query_params)
    wanted = DomainQuery(part=page.part, limit=page.limit, skip=page.offset)
    found, _ = await managing.management.registration.page(managing.actor, managing.account_id, wanted)
    expected = managing.management.verification.expected
    return JSONResponse([told(one, await expected(one)) for one in found], headers=NO_STORE)


async def add(managing: Managing, request: Request) -> Response:
    """Add a domain with keys that are made here."""
    name = read_new(await json_of(managing.services, request))
    try:
        domain = await managing.management.registration.add(managing.actor, managing.account_id, name)
    except RefusedError as error:
        if error.field != "name":
            raise
        raise RefusedError(str(error), field="domain") from error
    return await _told(managing, domain, 201)


async def show(managing: Managing, request: Request) -> Response:
    """Show a domain with the records that it is to publish."""
    return await _told(managing, await _named(managing, request))


async def remove(managing: Managing, request: Request) -> Response:
    """Remove a domain that nothing is bound to."""
    await managing.management.registration.remove(managing.actor, (await _named(managing, request)).name)
    return Response(status_code=204, headers=NO_STORE)


async def validate(managing: Managing, request: Request) -> Response:
    """Look at all records of a domain; it goes on as they allow."""
    domain = await _named(managing, request)
    verdicts = await managing.management.verification.verify(managing.actor, domain.id, at_most_every_s=_PAUSE_S)
    return JSONResponse(validated(domain, verdicts), headers=NO_STORE)


async def _told(managing: Managing, domain: SendingDomain, status: int = 200) -> Response:
    return JSONResponse(told(domain, await managing.management.verification.expected(domain)), status, NO_STORE)


async def _named(managing: Managing, request: Request) -> SendingDomain:
    domain_id = id_in(request.path_params["id"], "domain")
    domain = await managing.services.database.read(domains.get, domain_id)
    if domain is None or not managing.actor.sees(domain.account_id):
        raise MissingError(f"there is no domain {domain_id}")
    return domain


_ALL, _ONE = "/v3/whitelabel/domains", "/v3/whitelabel/domains/{id}"
SERVED = (
    Served("GET", _ALL, managed(list_some)),
    Served("POST", _ALL, managed(add)),
    Served("GET", _ONE, managed(show)),
    Served("DELETE", _ONE, managed(remove)),
    Served("POST", f"{_ONE}/validate", managed(validate)),
)
