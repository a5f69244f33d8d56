"""``/v3/suppression/…`` and ``/v3/asm/suppressions/global``: the lists of the account's sending domains as one."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.sendgrid.errors import Refusal, refusal
from postroad.dialects.sendgrid.suppressions import LISTS, entry, read_recipients, read_removal, read_window
from postroad.httpd.api.json_upload import json_of
from postroad.httpd.api.managing import Managed, Managing, managed
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.httpd.api.sendgrid.chosen import chosen_domains
from postroad.model.suppression import Suppression, SuppressionKind
from postroad.suppressions.suppressions import Offered, Part

_NOT_FOUND = refusal(404, "resource not found")
_GLOBAL = "unsubscribes"


def _listing(name: str) -> Managed[Response]:
    async def listing(managing: Managing, request: Request) -> Response:
        window = read_window(request.query_params)
        found = await chosen_domains(managing, request)
        entries: list[Suppression] = []
        if name in LISTS:
            part = Part(since=window.since, until=window.until, limit=window.limit, offset=window.offset)
            entries = await managing.management.suppressions.part(managing.actor, found, LISTS[name], part)
        return JSONResponse([entry(name, one) for one in entries], headers=NO_STORE)

    return listing


def _showing(name: str) -> Managed[Response]:
    async def showing(managing: Managing, request: Request) -> Response:
        return JSONResponse([entry(name, one) for one in await _about(managing, request, name)], headers=NO_STORE)

    return showing


def _clearing(name: str) -> Managed[Response]:
    async def clearing(managing: Managing, request: Request) -> Response:
        removal = read_removal(await json_of(managing.services, request))
        found = await chosen_domains(managing, request)
        if name in LISTS:
            suppressions, kind = managing.management.suppressions, LISTS[name]
            if removal.is_all:
                await suppressions.clear(managing.actor, found, kind, is_plain=True)
            else:
                await suppressions.remove_addresses(managing.actor, found, kind, removal.emails)
        return Response(status_code=204, headers=NO_STORE)

    return clearing


def _removing(name: str) -> Managed[Response | Refusal]:
    async def removing(managing: Managing, request: Request) -> Response | Refusal:
        if name not in LISTS:
            return _NOT_FOUND
        found, emails = await chosen_domains(managing, request), [request.path_params["email"]]
        removed = await managing.management.suppressions.remove_addresses(managing.actor, found, LISTS[name], emails)
        return Response(status_code=204, headers=NO_STORE) if removed else _NOT_FOUND

    return removing


async def unsubscribe(managing: Managing, request: Request) -> Response:
    """Take addresses off all mail of the domain that is named, or of all the account's."""
    emails = read_recipients(await json_of(managing.services, request))
    found = await chosen_domains(managing, request)
    offered = [Offered(address=one, kind=SuppressionKind.UNSUBSCRIBE) for one in emails]
    await managing.management.suppressions.add_all(managing.actor, found, offered)
    return JSONResponse({"recipient_emails": list(emails)}, 201, NO_STORE)


async def is_unsubscribed(managing: Managing, request: Request) -> Response:
    """Say whether an address is off all mail."""
    found = await _about(managing, request, _GLOBAL)
    return JSONResponse({"recipient_email": found[0].address} if found else {}, headers=NO_STORE)


async def subscribe(managing: Managing, request: Request) -> Response:
    """Let an address have mail again."""
    found, emails = await chosen_domains(managing, request), [request.path_params["email"]]
    await managing.management.suppressions.remove_addresses(managing.actor, found, LISTS[_GLOBAL], emails)
    return Response(status_code=204, headers=NO_STORE)


async def _about(managing: Managing, request: Request, name: str) -> list[Suppression]:
    """Return what a list says of an address itself, not of its tags nor of all addresses of its destination."""
    if name not in LISTS or "@" not in request.path_params["email"]:
        return []
    found: list[Suppression] = []
    for domain in await chosen_domains(managing, request):
        said = await managing.management.suppressions.about(managing.actor, domain.name, request.path_params["email"])
        found += [one for one in said if one.kind is LISTS[name] and not one.tag and not one.address.startswith("@")]
    return found


def _served(name: str) -> tuple[Served, ...]:
    path = f"/v3/suppression/{name}"
    return (
        Served("GET", path, managed(_listing(name))),
        Served("DELETE", path, managed(_clearing(name))),
        Served("GET", f"{path}/{{email}}", managed(_showing(name))),
        Served("DELETE", f"{path}/{{email}}", managed(_removing(name))),
    )


SERVED = (
    *(served for name in (*LISTS, "invalid_emails") for served in _served(name)),
    Served("POST", "/v3/asm/suppressions/global", managed(unsubscribe)),
    Served("GET", "/v3/asm/suppressions/global/{email}", managed(is_unsubscribed)),
    Served("DELETE", "/v3/asm/suppressions/global/{email}", managed(subscribe)),
)
