"""``/v3/{domain}/tags`` and ``/v3/{domain}/tag``: the tags of a domain's mail."""

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.mailgun.paging import paging, read_turn
from postroad.dialects.mailgun.parameters import Parameters
from postroad.dialects.mailgun.stats import read_query
from postroad.dialects.mailgun.tags import document_of
from postroad.httpd.api.mailgun.named import answered, domain_of, parameters_of
from postroad.httpd.api.mailgun.stats import stats_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import Served
from postroad.model.domain import SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.storage.tags import SeenTag

_PIVOT = "tag"
_AGGREGATES = frozenset({"countries", "providers", "devices"})


async def listed(managing: Managing, request: Request) -> Response:
    """Show a page of a domain's tags, in the order of their names."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    prefix = parameters.text("prefix")
    turn = read_turn(parameters, _PIVOT, limit=parameters.limit)
    found = await managing.management.tags.page(
        managing.actor,
        domain,
        turn.limit,
        beginning=prefix,
        beside=turn.pivot,
        is_backwards=turn.is_backwards,
    )
    kept = {"prefix": prefix} if prefix else {}
    links = paging(str(request.url.replace(query="")), turn, _PIVOT, [one.tag for one in found], kept)
    return answered({"items": [_document(one) for one in found], "paging": links})


async def show(managing: Managing, request: Request) -> Response:
    """Show a tag."""
    domain, tag = await _tag(managing, request, await parameters_of(managing, request))
    return answered(_document(await _found(managing, domain, tag)))


async def change(managing: Managing, request: Request) -> Response:
    """Say what a tag is for."""
    parameters = await parameters_of(managing, request)
    domain, tag = await _tag(managing, request, parameters)
    await _found(managing, domain, tag)
    await managing.management.tags.describe(managing.actor, domain, tag, parameters.text("description"))
    return answered({"message": "Tag updated"})


async def remove(managing: Managing, request: Request) -> Response:
    """Remove a tag with all that was counted of it."""
    domain, tag = await _tag(managing, request, await parameters_of(managing, request))
    await _found(managing, domain, tag)
    await managing.management.tags.forget(managing.actor, domain, tag)
    return answered({"message": "Tag deleted"})


async def stats(managing: Managing, request: Request) -> Response:
    """Show what happened to the mail with a tag."""
    parameters = await parameters_of(managing, request)
    domain, tag = await _tag(managing, request, parameters)
    seen = await _found(managing, domain, tag)
    query = read_query(parameters, managing.services.clock())
    document = await stats_of(managing, query, domain=domain, tag=seen.tag)
    return answered({"tag": seen.tag, "description": seen.description, **document})


async def aggregates(managing: Managing, request: Request) -> Response:
    """Refuse to tell the mail with a tag further apart: zeros would be taken for counts."""
    domain, tag = await _tag(managing, request, await parameters_of(managing, request))
    await _found(managing, domain, tag)
    what = request.path_params["what"]
    if what not in _AGGREGATES:
        raise MissingError("Not Found")
    raise RefusedError(f"a tag's mail is not counted by {what}; /v3/{domain.name}/tags/TAG/stats counts all of it")


async def _tag(managing: Managing, request: Request, parameters: Parameters) -> tuple[SendingDomain, str]:
    domain = await domain_of(managing, request)
    named = request.path_params.get("tag")
    return domain, parameters.needed("tag") if named is None else named


async def _found(managing: Managing, domain: SendingDomain, tag: str) -> SeenTag:
    try:
        return await managing.management.tags.get(managing.actor, domain, tag)
    except MissingError as error:
        raise MissingError("tag not found") from error


def _document(seen: SeenTag) -> dict[str, object]:
    return document_of(seen.tag, seen.description, seen.first_seen, seen.last_seen)


_ALL, _ONE, _NAMED = "/v3/{domain}/tags", "/v3/{domain}/tags/{tag}", "/v3/{domain}/tag"
SERVED = (
    Served("GET", _ALL, managed(listed)),
    *(
        Served(method, path, managed(endpoint))
        for path in (_ONE, _NAMED)
        for method, endpoint in (("GET", show), ("PUT", change), ("DELETE", remove))
    ),
    *(Served("GET", f"{path}/stats", managed(stats)) for path in (_ONE, _NAMED)),
    *(Served("GET", f"{path}/stats/aggregates/{{what}}", managed(aggregates)) for path in (_ONE, _NAMED)),
)
