"""``/v3/routes``: what becomes of mail that the account's domains receive."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.mailgun.parameters import Parameters
from postroad.dialects.mailgun.routes import (
    document_of,
    group_of,
    read_actions,
    read_description,
    read_expression,
)
from postroad.httpd.api.mailgun.named import answered, domain_named, parameters_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import Served
from postroad.model.domain import DomainQuery
from postroad.model.inbound_route import InboundRoute, RouteGroup
from postroad.model.refused import MissingError, RefusedError
from postroad.policy.pattern import pattern
from postroad.storage import domains

_LOWEST, _HIGHEST = -(2**31), 2**31 - 1


async def listed(managing: Managing, request: Request) -> Response:
    """List the routes, by priority."""
    parameters = await parameters_of(managing, request)
    found, total = await managing.management.inbound_routes.groups(
        managing.actor, managing.account_id, limit=parameters.limit, skip=parameters.skip
    )
    named = await managing.services.database.read(domains.get_many, {routes[0].domain_id for routes in found})
    names = {one.id: one.name for one in named}
    items = [document_of(routes, names.get(routes[0].domain_id, "")) for routes in found]
    return answered({"items": items, "total_count": total})


async def show(managing: Managing, request: Request) -> Response:
    """Show a route."""
    routes = await _routes(managing, request)
    return answered({"route": document_of(routes, await _name_of(managing, routes))})


async def match(managing: Managing, request: Request) -> Response:
    """Show the first route whose pattern for the recipient matches an address."""
    parameters = await parameters_of(managing, request)
    address = parameters.needed("address")
    try:
        domain = await managing.domain(address.rpartition("@")[2])
    except RefusedError as error:
        raise MissingError("Route not found") from error
    routes = await managing.management.inbound_routes.of_domain(managing.actor, domain.name)
    first = next((one for one in routes if not one.mail_to or pattern(one.mail_to).matches(address)), None)
    if first is None:
        raise MissingError("Route not found")
    return answered({"route": document_of([one for one in routes if one.group == first.group], domain.name)})


async def add(managing: Managing, request: Request) -> Response:
    """Add a route."""
    parameters = await parameters_of(managing, request)
    parameters.needed("expression")
    if not parameters.texts("action"):
        raise RefusedError("action parameter is missing", field="action")
    wanted, named = _wanted(parameters, RouteGroup())
    domain = await _domain_for(managing, parameters, named)
    routes = await managing.management.inbound_routes.put_group(managing.actor, domain, wanted)
    return answered({"message": "Route has been created", "route": document_of(routes, domain)})


async def change(managing: Managing, request: Request) -> Response:
    """Change what a call says of a route; the rest stays."""
    parameters = await parameters_of(managing, request)
    before = await _routes(managing, request)
    wanted, named = _wanted(parameters, group_of(before))
    domain = await _name_of(managing, before)
    if named or parameters.text("domain"):
        domain = await _domain_for(managing, parameters, named)
    routes = await managing.management.inbound_routes.put_group(managing.actor, domain, wanted, replaced=before)
    return answered({"message": "Route has been updated", **document_of(routes, domain)})


async def remove(managing: Managing, request: Request) -> Response:
    """Remove a route."""
    routes = await _routes(managing, request)
    await managing.management.inbound_routes.remove_group(managing.actor, managing.account_id, routes[0].group)
    return answered({"message": "Route has been deleted", "id": str(routes[0].group)})


def _wanted(parameters: Parameters, before: RouteGroup) -> tuple[RouteGroup, str]:
    """Return a route with what a call sets, and the domain that its expression names, if any."""
    wanted, named = before, ""
    expression = parameters.text("expression")
    if expression:
        condition = read_expression(expression)
        named = condition.domain
        wanted = msgspec.structs.replace(
            wanted,
            mail_from=condition.mail_from,
            mail_to=condition.mail_to,
            subject=condition.subject,
            expression=expression,
        )
    if parameters.texts("action"):
        forward_to, is_stop = read_actions(parameters.texts("action"))
        wanted = msgspec.structs.replace(wanted, forward_to=forward_to, is_stop=is_stop)
    if parameters.has("description"):
        wanted = msgspec.structs.replace(wanted, description=read_description(parameters.text("description")))
    priority = parameters.number("priority", before.priority, least=_LOWEST, most=_HIGHEST)
    return msgspec.structs.replace(wanted, priority=priority), named


async def _domain_for(managing: Managing, parameters: Parameters, named: str) -> str:
    """Return the name of the domain that a route is for: one that is named, or else the account's only one."""
    wanted = parameters.text("domain") or named
    if wanted:
        try:
            return (await domain_named(managing, wanted)).name
        except MissingError as error:
            sentence = f"expression is for {wanted[:253]}, which is no sending domain of this account"
            raise RefusedError(sentence, field="expression") from error
    found, total = await managing.management.registration.page(
        managing.actor, managing.account_id, DomainQuery(limit=1)
    )
    if total != 1:
        raise RefusedError(
            "expression names no domain: routes are of one sending domain here. Let the pattern of match_recipient end with "
            "@ and its name, or name it by the parameter domain",
            field="domain",
        )
    return found[0].name


async def _routes(managing: Managing, request: Request) -> list[InboundRoute]:
    given = request.path_params["route"]
    if not (given.isascii() and given.isdecimal() and len(given) < 19):
        raise MissingError("Route not found")
    try:
        return await managing.management.inbound_routes.group(managing.actor, managing.account_id, int(given))
    except MissingError as error:
        raise MissingError("Route not found") from error


async def _name_of(managing: Managing, routes: list[InboundRoute]) -> str:
    domain = await managing.services.database.read(domains.get, routes[0].domain_id)
    return "" if domain is None else domain.name


SERVED = (
    Served("GET", "/v3/routes", managed(listed)),
    Served("POST", "/v3/routes", managed(add)),
    Served("GET", "/v3/routes/match", managed(match)),
    Served("GET", "/v3/routes/{route}", managed(show)),
    Served("PUT", "/v3/routes/{route}", managed(change)),
    Served("DELETE", "/v3/routes/{route}", managed(remove)),
)
