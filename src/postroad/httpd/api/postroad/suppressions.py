"""``/api/postroad/v1/suppressions``: the lists of the account's sending domains."""

from urllib.parse import urlencode

from postroad.dialects.postroad import suppressions as documents
from postroad.dialects.postroad.operation import PREFIX
from postroad.dialects.postroad.paging import QueryRefusedError
from postroad.dialects.postroad.problem import Fault, Refusal, faulty
from postroad.dialects.postroad.suppressions import (
    AddedSuppressions,
    AddressQuery,
    NewSuppressions,
    ShownSuppression,
    SuppressionPage,
    SuppressionsQuery,
)
from postroad.httpd.api.postroad.calls import Call, Created, served
from postroad.model.refused import MissingError, RefusedError
from postroad.storage.suppressions import Place, place_of
from postroad.suppressions.suppressions import Offered, RefusedEntriesError, Search, place_from, place_text


async def list_suppressions(call: Call[SuppressionsQuery, None]) -> SuppressionPage:
    """List entries by domain and address."""
    query = call.query
    search = Search(domain_id=await call.domain_id(query.domain), typed=query.address or "", kind=query.kind)
    after = None if query.cursor is None else _cursor(query.cursor)
    page = await call.management.suppressions.search(call.managing.actor, search, query.limit, after)
    names = await call.names_of({one.domain_id for one in page.entries})
    return SuppressionPage(
        suppressions=tuple(
            documents.shown(one, names.get(one.domain_id), place_text(place_of(one))) for one in page.entries
        ),
        next=None if page.after is None else place_text(page.after),
    )


async def add(call: Call[None, NewSuppressions]) -> Created | Refusal:
    """Add entries, all of them or none."""
    wanted = call.body
    domain = await call.managing.domain(wanted.domain)
    offered = [
        Offered(
            address=one.address,
            kind=wanted.kind,
            tag=one.tag,
            reason=one.reason,
            at="" if one.created_at is None else one.created_at.isoformat(),
        )
        for one in wanted.entries
    ]
    try:
        added = await call.management.suppressions.add_all(call.managing.actor, [domain], offered)
    except RefusedEntriesError as error:
        return faulty(
            [
                Fault(str(why), f"entries.{place}.{why.field}" if why.field else f"entries.{place}", "value")
                for place, why in error.by_place.items()
            ]
        )
    shown = tuple(documents.shown(one, domain.name, place_text(place_of(one))) for one in added)
    asked = urlencode({"domain": domain.name, "kind": wanted.kind.value})
    path = f"/{shown[0].id}" if len(shown) == 1 else f"?{asked}"
    return Created(
        f"{PREFIX}/suppressions{path}", AddedSuppressions(suppressions=shown, known=len(offered) - len(shown))
    )


async def remove_address(call: Call[AddressQuery, None]) -> None:
    """Remove what the lists of a domain say of an address; what they say of its whole destination stays."""
    query, suppressions = call.query, call.management.suppressions
    try:
        removed = await suppressions.remove_address(call.managing.actor, query.domain, query.kind, query.address)
    except MissingError:
        raise
    except RefusedError as error:
        raise QueryRefusedError(str(error), field=error.field) from error
    if not removed:
        raise MissingError(f"The lists of {query.domain} say nothing of {query.address}.", field="address")


async def show(call: Call[None, None]) -> ShownSuppression:
    """Show an entry."""
    entry = await call.management.suppressions.get(call.managing.actor, _place(call))
    names = await call.names_of({entry.domain_id})
    return documents.shown(entry, names.get(entry.domain_id), place_text(place_of(entry)))


async def remove(call: Call[None, None]) -> None:
    """Remove an entry."""
    await call.management.suppressions.remove(call.managing.actor, _place(call))


def _place(call: Call[None, None]) -> Place:
    return place_from(call.request.path_params["suppression_id"])


def _cursor(text: str) -> Place:
    try:
        return place_from(text)
    except MissingError as error:
        raise QueryRefusedError("It must be the `next` of an earlier answer, as it was.", field="cursor") from error


SERVED = (
    served(documents.LIST_SUPPRESSIONS, list_suppressions),
    served(documents.ADD_SUPPRESSIONS, add),
    served(documents.REMOVE_ADDRESS, remove_address),
    served(documents.SHOW_SUPPRESSION, show),
    served(documents.REMOVE_SUPPRESSION, remove),
)
