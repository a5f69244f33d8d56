"""``/v3/asm/groups`` and ``/v3/asm/suppressions``: groups of mail, and who left them."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.sendgrid import groups as documents
from postroad.dialects.sendgrid.bodies import id_in
from postroad.dialects.sendgrid.errors import Refusal, refusal
from postroad.dialects.sendgrid.suppressions import read_recipients
from postroad.httpd.api.json_upload import json_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.httpd.api.sendgrid.chosen import chosen_domains, single_domain
from postroad.model.domain import SendingDomain
from postroad.model.refused import MissingError
from postroad.model.suppression import Suppression, SuppressionKind
from postroad.model.unsubscribe_group import UnsubscribeGroup
from postroad.storage import domains
from postroad.suppressions.suppressions import Offered

_NOT_FOUND = refusal(404, "resource not found")


async def list_all(managing: Managing, request: Request) -> Response:
    """List the groups, or those that are named."""
    wanted = documents.read_ids(request.query_params.getlist("id"))
    groups = managing.management.groups
    mine = await groups.all(managing.actor, await chosen_domains(managing, request))
    found = [one for one in mine if not wanted or one.id in wanted]
    counts = await groups.counts(found)
    return JSONResponse([documents.counted(one, counts[one.id]) for one in found], headers=NO_STORE)


async def add(managing: Managing, request: Request) -> Response:
    """Add a group to a sending domain."""
    wish = documents.read_new(await json_of(managing.services, request))
    made = await managing.management.groups.add(
        managing.actor,
        await single_domain(managing, request),
        wish.name or "",
        description=wish.description or "",
        is_default=bool(wish.is_default),
    )
    return JSONResponse(documents.told(made), 201, NO_STORE)


async def show(managing: Managing, request: Request) -> Response:
    """Show a group with how many left it."""
    return await _counted(managing, await _named(managing, request))


async def change(managing: Managing, request: Request) -> Response:
    """Change what a call says of a group."""
    before = await _named(managing, request)
    wish = documents.read_change(await json_of(managing.services, request))
    after = await managing.management.groups.change(managing.actor, before, wish.over(before))
    # The vendor's status for a change.
    return await _counted(managing, after, 201)


async def remove(managing: Managing, request: Request) -> Response:
    """Remove a group; who left it is forgotten."""
    await managing.management.groups.remove(managing.actor, await _named(managing, request))
    return Response(status_code=204, headers=NO_STORE)


async def members(managing: Managing, request: Request) -> Response:
    """List who left a group."""
    part = documents.read_part(request.query_params)
    found = await managing.management.groups.members([await _named(managing, request)], part.limit, part.offset)
    return JSONResponse([one.address for one in found], headers=NO_STORE)


async def leave(managing: Managing, request: Request) -> Response:
    """Take addresses off the mail of a group."""
    group = await _named(managing, request)
    emails = read_recipients(await json_of(managing.services, request))
    offered = [Offered(address=one, kind=SuppressionKind.UNSUBSCRIBE, tag=group.tag) for one in emails]
    await managing.management.suppressions.add_all(managing.actor, [await _domain(managing, group)], offered)
    return JSONResponse({"recipient_emails": list(emails)}, 201, NO_STORE)


async def search(managing: Managing, request: Request) -> Response:
    """Say which of some addresses left a group."""
    group = await _named(managing, request)
    emails = read_recipients(await json_of(managing.services, request))
    return JSONResponse(await managing.management.groups.left_among(group, emails), headers=NO_STORE)


async def rejoin(managing: Managing, request: Request) -> Response | Refusal:
    """Let an address have the mail of a group again."""
    group = await _named(managing, request)
    domain = await _domain(managing, group)
    removed = await managing.management.suppressions.remove_address(
        managing.actor, domain.name, SuppressionKind.UNSUBSCRIBE, request.path_params["email"], group.tag
    )
    return Response(status_code=204, headers=NO_STORE) if removed else _NOT_FOUND


async def all_members(managing: Managing, request: Request) -> Response:
    """List who left any group."""
    part = documents.read_part(request.query_params)
    mine = await managing.management.groups.all(managing.actor, await chosen_domains(managing, request))
    by_tag = {(one.domain_id, one.tag): one for one in mine}
    found = await managing.management.groups.members(mine, part.limit, part.offset)
    told = [documents.left(one, by_tag[one.domain_id, one.tag]) for one in found]
    return JSONResponse(told, headers=NO_STORE)


async def groups_of(managing: Managing, request: Request) -> Response:
    """Say which groups an address has left."""
    chosen = await chosen_domains(managing, request)
    mine = await managing.management.groups.all(managing.actor, chosen)
    concerned = {one.domain_id for one in mine}
    entries: list[Suppression] = []
    for domain in chosen:
        if domain.id in concerned:
            entries += await _about(managing, domain, request.path_params["email"])
    return JSONResponse(documents.of_address(mine, entries), headers=NO_STORE)


async def _about(managing: Managing, domain: SendingDomain, address: str) -> list[Suppression]:
    if "@" not in address:
        return []
    said = await managing.management.suppressions.about(managing.actor, domain.name, address)
    return [one for one in said if one.kind is SuppressionKind.UNSUBSCRIBE]


async def _counted(managing: Managing, group: UnsubscribeGroup, status: int = 200) -> Response:
    counts = await managing.management.groups.counts([group])
    return JSONResponse(documents.counted(group, counts[group.id]), status, NO_STORE)


async def _named(managing: Managing, request: Request) -> UnsubscribeGroup:
    return await managing.management.groups.get(managing.actor, id_in(request.path_params["group"], "group"))


async def _domain(managing: Managing, group: UnsubscribeGroup) -> SendingDomain:
    found = await managing.services.database.read(domains.get, group.domain_id)
    if found is None:
        raise MissingError("There is no such group.")
    return found


_ALL, _ONE = "/v3/asm/groups", "/v3/asm/groups/{group}"
_LEFT, _LEFT_ANY = f"{_ONE}/suppressions", "/v3/asm/suppressions"
SERVED = (
    Served("GET", _ALL, managed(list_all)),
    Served("POST", _ALL, managed(add)),
    Served("GET", _ONE, managed(show)),
    Served("PATCH", _ONE, managed(change)),
    Served("DELETE", _ONE, managed(remove)),
    Served("GET", _LEFT, managed(members)),
    Served("POST", _LEFT, managed(leave)),
    Served("POST", f"{_LEFT}/search", managed(search)),
    Served("DELETE", f"{_LEFT}/{{email}}", managed(rejoin)),
    Served("GET", _LEFT_ANY, managed(all_members)),
    Served("GET", f"{_LEFT_ANY}/{{email}}", managed(groups_of)),
)
