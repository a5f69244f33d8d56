"""``/v3/api_keys`` and ``/v3/scopes``: the keys of the account and of its sending domains, and what a key may."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.sendgrid.api_keys import MOST_SHOWN, listed, read_name, read_wish, scopes_of, shown
from postroad.dialects.sendgrid.bodies import id_in, number_in
from postroad.httpd.api.json_upload import json_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.httpd.api.sendgrid.chosen import named_domain, single_domain
from postroad.httpd.api.services import ApiServices
from postroad.model.credential import ApiKey, KeyPrincipal
from postroad.model.refused import RefusedError


async def scopes(_services: ApiServices, _request: Request, key: KeyPrincipal) -> Response:
    """Say what the key that calls may."""
    return JSONResponse({"scopes": scopes_of(sends=key.sending_domain is not None)}, headers=NO_STORE)


async def list_all(managing: Managing, request: Request) -> Response:
    """List the keys, of one domain where it is named."""
    limit = number_in(request.query_params, "limit", MOST_SHOWN, least=1) or MOST_SHOWN
    domain = await named_domain(managing, request)
    found = await managing.management.api_keys.all(
        managing.actor, account_id=managing.account_id, domain_id=None if domain is None else domain.id
    )
    return JSONResponse({"result": [listed(one) for one in found[:limit]]}, headers=NO_STORE)


async def add(managing: Managing, request: Request) -> Response:
    """Make a key; its text is in this answer only."""
    wish = read_wish(await json_of(managing.services, request))
    api_keys, domain = managing.management.api_keys, await named_domain(managing, request)
    if domain is not None and wish.sends is False:
        raise RefusedError("a key that manages is one of the whole account: name no domain", field="domain")
    if wish.sends or domain is not None:
        domain = domain or await single_domain(managing, request)
        added = await api_keys.add_for_domain(managing.actor, domain.name, note=wish.name)
    else:
        added = await api_keys.add_for_account(
            managing.actor, managing.account_id, note=wish.name, networks=managing.networks
        )
    return JSONResponse({"api_key": str(added.text), **shown(added.key)}, 201, NO_STORE)


async def show(managing: Managing, request: Request) -> Response:
    """Show a key with its scopes."""
    told = shown(await _named(managing, request))
    # The vendor documents a list, and has answered with the object by itself.
    return JSONResponse({**told, "result": [told]}, headers=NO_STORE)


async def rename(managing: Managing, request: Request) -> Response:
    """Give a key another name."""
    key = await _named(managing, request)
    name = read_name(await json_of(managing.services, request))
    return JSONResponse(listed(await managing.management.api_keys.edit(managing.actor, key.id, name)), headers=NO_STORE)


async def change(managing: Managing, request: Request) -> Response:
    """Give a key another name; what it may stays as it is."""
    key = await _named(managing, request)
    wish = read_wish(await json_of(managing.services, request))
    if wish.sends is not None and wish.sends is not (key.domain_id is not None):
        raise RefusedError(
            "a key that sends cannot become one that manages, nor the reverse: make another", field="scopes"
        )
    return JSONResponse(
        shown(await managing.management.api_keys.edit(managing.actor, key.id, wish.name)), headers=NO_STORE
    )


async def remove(managing: Managing, request: Request) -> Response:
    """Remove a key; it is refused within five seconds."""
    await managing.management.api_keys.remove(managing.actor, (await _named(managing, request)).id)
    return Response(status_code=204, headers=NO_STORE)


async def _named(managing: Managing, request: Request) -> ApiKey:
    return await managing.management.api_keys.get(managing.actor, id_in(request.path_params["id"], "API key"))


_ALL, _ONE = "/v3/api_keys", "/v3/api_keys/{id}"
SERVED = (
    Served("GET", "/v3/scopes", scopes),
    Served("GET", _ALL, managed(list_all)),
    Served("POST", _ALL, managed(add)),
    Served("GET", _ONE, managed(show)),
    Served("PATCH", _ONE, managed(rename)),
    Served("PUT", _ONE, managed(change)),
    Served("DELETE", _ONE, managed(remove)),
)
