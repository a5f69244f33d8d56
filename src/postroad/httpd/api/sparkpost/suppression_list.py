"""``/api/v1/suppression-list``: the lists of all the account's sending domains as one."""

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.sparkpost.errors import Fault, Refusal
from postroad.dialects.sparkpost.suppression_list import (
    SOURCES,
    TYPES,
    Filter,
    Wish,
    links,
    read_entries,
    read_entry,
    read_type,
    record,
    summary,
    type_of,
)
from postroad.dialects.sparkpost.values import instant, number, text, words
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import Served
from postroad.httpd.api.sparkpost.answers import answered, domains_of, nothing, object_of
from postroad.model.refused import RefusedError
from postroad.model.suppression import Suppression, SuppressionKind
from postroad.storage.suppressions import Place, place_of
from postroad.suppressions.suppressions import Offered, Search, place_from, place_text

_MOST_PER_PAGE = 10_000
_USUAL_PER_PAGE = 1_000
_READ_AT_ONCE = 1_000
_MOST_READS = 30
"""Of entries that one call looks at for those that are asked for; a cursor leads on behind them."""
_MOST_WRITES = 50_000
"""Entries that one call adds to the lists of all its domains."""
_MOST_COUNTED = 1_000_000
_NOT_FOUND = Refusal(404, (Fault("Recipient could not be found"),))


async def search(managing: Managing, request: Request) -> Response:
    """List entries, some at a time, by domain and address."""
    query = request.query_params
    wanted = _filter(request)
    per_page = number(
        query.get("per_page") or query.get("limit") or str(_USUAL_PER_PAGE), "per_page", most=_MOST_PER_PAGE
    )
    domain = query.get("domain")
    named = (await managing.domain(domain)).id if domain else None
    cursor = query.get("cursor", "initial")
    after = None if cursor == "initial" else place_from(cursor)
    found, after = await _page(managing, Search(domain_id=named), wanted, per_page, after)
    names = {one.id: one.name for one in await domains_of(managing, domain)} if found else {}
    results = [record(one, names.get(one.domain_id, "")) for one in found]
    more = {**query, "cursor": place_text(after)}.items() if after is not None else ()
    return answered(results, links=links("/api/v1/suppression-list", list(more)), total_count=len(results))


async def _page(
    managing: Managing, search: Search, wanted: Filter, per_page: int, after: Place | None
) -> tuple[list[Suppression], Place | None]:
    found: list[Suppression] = []
    for _ in range(_MOST_READS):
        page = await managing.management.suppressions.search(managing.actor, search, _READ_AT_ONCE, after)
        for one in page.entries:
            if wanted.takes(one):
                found.append(one)
                after = place_of(one)
                if len(found) == per_page:
                    is_last = one == page.entries[-1] and page.after is None
                    return found, None if is_last else after
        after = page.after
        if after is None:
            break
    return found, after


async def totals(managing: Managing, _request: Request) -> Response:
    """Say how many entries there are from each source."""
    counted = await managing.management.suppressions.summary(managing.actor, _MOST_COUNTED)
    return answered(summary(counted))


async def show(managing: Managing, request: Request) -> Response | Refusal:
    """Tell all entries about an address."""
    found = await _about(managing, request)
    if not found:
        return _NOT_FOUND
    return answered([record(one, name) for name, one in found])


async def add(managing: Managing, request: Request) -> Response:
    """Write entries to the lists of all domains, or of the one that is named; those that are there anew."""
    document = await object_of(managing, request)
    return await _add(managing, request, read_entries(document))


async def add_one(managing: Managing, request: Request) -> Response:
    """Add an address."""
    document = await object_of(managing, request)
    return await _add(managing, request, read_entry(document, request.path_params["address"]))


async def _add(managing: Managing, request: Request, wishes: list[Wish]) -> Response:
    found = await domains_of(managing, request.query_params.get("domain"))
    if len(found) * len(wishes) > _MOST_WRITES:
        raise RefusedError(
            f"{len(wishes):,} entries for {len(found):,} sending domains are too many for one call: send fewer, or name a domain"
        )
    offered = [Offered(address=one.address, kind=one.kind, reason=one.description) for one in wishes]
    await managing.management.suppressions.add_all(managing.actor, found, offered, is_anew=True)
    return answered({"message": "Suppression List successfully updated"})


async def remove(managing: Managing, request: Request) -> Response | Refusal:
    """Remove what is said of an address, or what is of one type."""
    document = await object_of(managing, request)
    kind = read_type(text(document, "type") or request.query_params.get("type"))
    places = [place_of(one) for _, one in await _about(managing, request) if kind in {None, type_of(one.kind)}]
    if not await managing.management.suppressions.remove_about(managing.actor, places):
        return _NOT_FOUND
    return nothing()


async def _about(managing: Managing, request: Request) -> list[tuple[str, Suppression]]:
    """Return the entries about an address itself, and not all of its destination, each with the name of its domain."""
    address = request.path_params["address"]
    types = words(request.query_params, "types")
    found = []
    for domain in await domains_of(managing, request.query_params.get("domain")):
        if "@" not in address:
            # It is on no list; SparkPost does not tell that from an address that is on none.
            continue
        said = await managing.management.suppressions.about(managing.actor, domain.name, address)
        found += [
            (domain.name, one)
            for one in said
            if one.kind is not SuppressionKind.ALLOW
            and not one.address.startswith("@")
            and (not types or type_of(one.kind) in types)
        ]
    return found


def _filter(request: Request) -> Filter:
    query = request.query_params
    types, sources = words(query, "types"), tuple(one.lower() for one in words(query, "sources"))
    known = {one.lower() for one in SOURCES}
    for one in types:
        if one not in TYPES:
            raise RefusedError(f"types must be of {', '.join(TYPES)}, not {one[:40]}", field="types")
    for one in sources:
        if one not in known:
            raise RefusedError(f"sources must be of {', '.join(SOURCES)}, not {one[:40]}", field="sources")
    return Filter(
        types=types,
        sources=sources,
        since=instant(query["from"], "from") if query.get("from") else None,
        until=instant(query["to"], "to") if query.get("to") else None,
    )


_ALL, _ONE = "/api/v1/suppression-list", "/api/v1/suppression-list/{address}"
SERVED = (
    Served("GET", _ALL, managed(search)),
    Served("PUT", _ALL, managed(add)),
    Served("GET", f"{_ALL}/summary", managed(totals)),
    Served("GET", _ONE, managed(show)),
    Served("PUT", _ONE, managed(add_one)),
    Served("DELETE", _ONE, managed(remove)),
)
