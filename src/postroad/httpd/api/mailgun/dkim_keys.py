"""``/v4/domains/{domain}/keys`` and ``/v1/dkim/keys``: the keys that sending domains sign with."""

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.mailgun.domains import key_document
from postroad.dialects.mailgun.parameters import Parameters
from postroad.httpd.api.mailgun.named import answered, domain_named, domain_of, parameters_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import Served
from postroad.model.domain import DkimKey, KeyAlgorithm, KeyState, SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.policy.records import SELECTORS

_LAST = 10**9


async def of_domain(managing: Managing, request: Request) -> Response:
    """List a domain's keys that are in use."""
    domain = await domain_of(managing, request)
    return answered({"items": [key_document(domain.name, one) for one in await _in_use(managing, domain)]})


async def activate(managing: Managing, request: Request) -> Response:
    """Say that a key signs already; one that waits begins when its record is seen."""
    domain, key = await _named(managing, request)
    if key.state is not KeyState.ACTIVE:
        raise RefusedError(
            f"{key.selector} of {domain.name} signs as soon as its record is seen in DNS: publish it, then PUT "
            f"/v3/domains/{domain.name}/verify"
        )
    return answered(_standing(domain, key, "domain key activated"))


async def deactivate(managing: Managing, request: Request) -> Response:
    """Say that a key does not sign; one that does is replaced, not stopped."""
    domain, key = await _named(managing, request)
    if key.state is KeyState.ACTIVE:
        raise RefusedError(
            f"{key.selector} of {domain.name} signs its mail and cannot be stopped: POST /v1/dkim/keys makes a new key, "
            "which replaces it"
        )
    return answered(_standing(domain, key, "domain key deactivated"))


async def listed(managing: Managing, request: Request) -> Response:
    """List the keys of the account's domains that are in use."""
    parameters = await parameters_of(managing, request)
    limit, skip = parameters.limit, parameters.number("page", 0, most=_LAST)
    name, selector = parameters.text("signing_domain"), parameters.text("selector")
    found = await managing.management.registration.keys_in_use(
        managing.actor,
        managing.account_id,
        name=name.lower().rstrip("."),
        selector=selector,
        limit=limit + 1,
        skip=skip,
    )
    items = [key_document(domain, key) for domain, key in found[:limit]]
    pages = {"first": 0, "previous": max(0, skip - limit), "next": skip + len(items), "last": skip}
    paging = {word: _page(request, parameters, at) for word, at in pages.items()}
    return answered({"items": items, "paging": paging})


async def make(managing: Managing, request: Request) -> Response:
    """Make a domain's next key, which takes over when its record is seen in DNS."""
    parameters = await parameters_of(managing, request)
    domain = await domain_named(managing, parameters.needed("signing_domain"))
    selector = parameters.needed("selector")
    if parameters.text("pem"):
        raise RefusedError("pem cannot be taken: keys are made here, and never leave; leave it out", field="pem")
    if parameters.number("bits", 2048) != 2048:
        raise RefusedError("bits must be 2048", field="bits")
    in_use = {one.selector for one in await _in_use(managing, domain)}
    algorithms = (KeyAlgorithm.RSA, KeyAlgorithm.ED25519) if domain.settings.ed25519 else (KeyAlgorithm.RSA,)
    free = [one for algorithm in algorithms for one in SELECTORS[algorithm] if one not in in_use]
    if free and selector not in free:
        raise RefusedError(
            f"selector cannot be {selector[:60]}: free ones of {domain.name} are {', '.join(free)}", field="selector"
        )
    # Where none is free a key waits to be seen in DNS, and this says so.
    keys = await managing.management.registration.rotate_dkim(managing.actor, domain.name)
    made = next(one for one in keys if one.selector == selector and one.state is not KeyState.RETIRED)
    return answered(key_document(domain.name, made))


async def remove(managing: Managing, request: Request) -> Response:
    """Say why a key stays."""
    parameters = await parameters_of(managing, request)
    domain = await domain_named(managing, parameters.needed("signing_domain"))
    key = await _key(managing, domain, parameters.needed("selector"))
    raise RefusedError(
        f"{key.selector} of {domain.name} cannot be deleted: POST /v1/dkim/keys makes a new key, which replaces it; its record "
        "may go once no mail signed with it is under way",
        field="selector",
    )


async def _named(managing: Managing, request: Request) -> tuple[SendingDomain, DkimKey]:
    domain = await domain_of(managing, request)
    return domain, await _key(managing, domain, request.path_params["selector"])


async def _key(managing: Managing, domain: SendingDomain, selector: str) -> DkimKey:
    found = next((one for one in await _in_use(managing, domain) if one.selector == selector), None)
    if found is None:
        raise MissingError(f"{domain.name} has no key with the selector {selector[:63]}.")
    return found


async def _in_use(managing: Managing, domain: SendingDomain) -> list[DkimKey]:
    keys = await managing.management.registration.keys_of(domain)
    return [one for one in keys if one.state is not KeyState.RETIRED]


def _standing(domain: SendingDomain, key: DkimKey, message: str) -> dict[str, Any]:
    is_active = key.state is KeyState.ACTIVE
    return {"message": message, "authority": domain.name, "selector": key.selector, "active": is_active}


def _page(request: Request, parameters: Parameters, at: int) -> str:
    kept = {name: parameters.text(name) for name in ("signing_domain", "selector") if parameters.text(name)}
    query = urlencode({"page": at, "limit": parameters.limit, **kept})
    return str(request.url.replace(query=query))


SERVED = (
    Served("GET", "/v4/domains/{domain}/keys", managed(of_domain)),
    Served("PUT", "/v4/domains/{domain}/keys/{selector}/activate", managed(activate)),
    Served("PUT", "/v4/domains/{domain}/keys/{selector}/deactivate", managed(deactivate)),
    Served("GET", "/v1/dkim/keys", managed(listed)),
    Served("POST", "/v1/dkim/keys", managed(make)),
    Served("DELETE", "/v1/dkim/keys", managed(remove)),
)
