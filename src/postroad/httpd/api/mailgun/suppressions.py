"""``/v3/{domain}/bounces``, ``unsubscribes``, ``complaints`` and ``whitelists``: who gets no mail, and who does all the same."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.mailgun import suppressions as words
from postroad.dialects.mailgun.paging import paging, read_turn
from postroad.dialects.mailgun.parameters import Parameters
from postroad.dialects.mailgun.suppressions import LISTS, SuppressionList
from postroad.httpd.api.json_upload import json_of
from postroad.httpd.api.mailgun.form import form_of
from postroad.httpd.api.mailgun.named import answered, domain_of, parameters_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import Served
from postroad.model.domain import SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.model.suppression import Suppression, SuppressionKind
from postroad.storage.suppressions import Place
from postroad.suppressions.suppressions import Offered, Search

_BEYOND_KINDS = "~"
"""After every kind, and so after all that the lists say of an address."""


async def listed(kept: SuppressionList, managing: Managing, request: Request) -> Response:
    """Show a page of a list, in the order of its addresses."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    turn = read_turn(parameters, kept.pivot, limit=parameters.limit)
    term = parameters.text("term")
    search = Search(domain_id=domain.id, typed=term, kind=kept.kind)
    suppressions = managing.management.suppressions
    pivot = _stored(kept, turn.pivot)
    if turn.is_backwards:
        before = Place(domain.id, pivot, "", "") if pivot else None
        entries = (await suppressions.search_back(managing.actor, search, turn.limit, before)).entries
    else:
        after = Place(domain.id, pivot, _BEYOND_KINDS, "") if pivot else None
        entries = (await suppressions.search(managing.actor, search, turn.limit, after)).entries
    entries = await _with_the_rest(managing, domain, entries, cut_at=0 if turn.is_backwards else -1)
    records = words.records_of(kept, entries)
    addresses = [one.address.removeprefix("@") for one in entries]
    links = paging(str(request.url.replace(query="")), turn, kept.pivot, addresses, {"term": term} if term else {})
    return answered({"items": records, "paging": links})


async def show(kept: SuppressionList, managing: Managing, request: Request) -> Response:
    """Show what a list says of an address."""
    domain = await domain_of(managing, request)
    found = await _about(managing, domain, kept, request.path_params["address"])
    return answered(kept.record(found))


async def add(kept: SuppressionList, managing: Managing, request: Request) -> Response:
    """Write one address, or several at once: what a list says of it already is written anew, but for other tags."""
    domain = await domain_of(managing, request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        records = words.read_document(await json_of(managing.services, request))
    else:
        records = [words.read_form(await parameters_of(managing, request))]
    wishes = words.read_wishes(kept, records)
    offered = [
        Offered(address=one.address, kind=kept.kind, tag=tag, reason=one.reason, at=one.at)
        for one in wishes
        for tag in one.tags
    ]
    suppressions = managing.management.suppressions
    written = await suppressions.add_all(managing.actor, [domain], offered, is_anew=True)
    if len(wishes) > 1:
        return answered({"message": kept.several_added.format(len(wishes))})
    if not written:
        await _require_listed(managing, domain, kept, wishes[0].address)
    return answered({"message": kept.added} | _named(kept, wishes[0].address))


async def upload(kept: SuppressionList, managing: Managing, request: Request) -> Response:
    """Take a list in CSV; it is read after the answer."""
    domain = await domain_of(managing, request)
    files = (await form_of(managing.services, request)).files_of("file")
    if len(files) != 1:
        raise RefusedError("Send the list as the file part `file`", field="file")
    file = files[0]
    imports = managing.management.imports
    await imports.begin(managing.actor, domain, kept.kind, file.octets, file.filename, is_anew=True)
    return answered({"message": "file uploaded successfully"}, 202)


async def remove(kept: SuppressionList, managing: Managing, request: Request) -> Response:
    """Remove an address from a list, or from what it says of one tag."""
    domain = await domain_of(managing, request)
    address = request.path_params["address"]
    tag = Parameters({"tag": request.query_params.getlist("tag")}).text("tag")
    wanted = None if not tag else "" if tag == "*" else tag.casefold()
    if not await managing.management.suppressions.remove_address(
        managing.actor, domain.name, kept.kind, _stored(kept, address), wanted
    ):
        raise MissingError(kept.missing)
    name = "value" if kept.kind is SuppressionKind.ALLOW else "address"
    return answered({"message": kept.removed, name: address})


async def clear(kept: SuppressionList, managing: Managing, request: Request) -> Response:
    """Remove everything from a list."""
    domain = await domain_of(managing, request)
    await managing.management.suppressions.clear(managing.actor, [domain], kept.kind)
    return answered({"message": kept.cleared})


async def _with_the_rest(
    managing: Managing, domain: SendingDomain, entries: list[Suppression], *, cut_at: int
) -> list[Suppression]:
    """Return entries with all that is said of the address at one end, which the page may have cut in two."""
    if not entries or entries[cut_at].kind is not SuppressionKind.UNSUBSCRIBE:
        return entries
    cut = entries[cut_at]
    found = await managing.management.suppressions.about(managing.actor, domain.name, cut.address)
    whole = [one for one in found if (one.kind, one.address) == (cut.kind, cut.address)]
    others = [one for one in entries if one.address != cut.address]
    return others + whole if cut_at else whole + others


async def _about(managing: Managing, domain: SendingDomain, kept: SuppressionList, address: str) -> list[Suppression]:
    stored = _stored(kept, address)
    try:
        found = await managing.management.suppressions.about(managing.actor, domain.name, stored)
    except RefusedError as error:
        raise MissingError(kept.missing) from error
    mine = [one for one in found if one.kind is kept.kind and one.address.startswith("@") == stored.startswith("@")]
    if not mine:
        raise MissingError(kept.missing)
    return mine


async def _require_listed(managing: Managing, domain: SendingDomain, kept: SuppressionList, address: str) -> None:
    """Raise RefusedError where an address did not get onto a list, as the allow list has it."""
    try:
        await _about(managing, domain, kept, address)
    except MissingError as error:
        raise RefusedError(f"{address} is on the allow list of {domain.name}: remove it there first") from error


def _stored(kept: SuppressionList, address: str) -> str:
    """Return an address, or on the allow list a domain, as the lists write it."""
    is_domain = kept.kind is SuppressionKind.ALLOW and address and "@" not in address
    return f"@{address}" if is_domain else address


def _named(kept: SuppressionList, address: str) -> dict[str, Any]:
    if kept.kind is not SuppressionKind.ALLOW:
        return {"address": address}
    return {"type": "domain" if address.startswith("@") else "address", "value": address.removeprefix("@")}


def _served() -> Iterator[Served]:
    for name, kept in LISTS.items():
        whole, one = f"/v3/{{domain}}/{name}", f"/v3/{{domain}}/{name}/{{address}}"
        yield Served("GET", whole, managed(partial(listed, kept)))
        yield Served("POST", whole, managed(partial(add, kept)))
        yield Served("DELETE", whole, managed(partial(clear, kept)))
        yield Served("POST", f"{whole}/import", managed(partial(upload, kept)))
        yield Served("GET", one, managed(partial(show, kept)))
        yield Served("DELETE", one, managed(partial(remove, kept)))


SERVED = tuple(_served())
