"""``/v3/{domain}/templates``: stored templates and their versions."""

from collections.abc import Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.mailgun import templates as words
from postroad.dialects.mailgun.paging import Turn, paging, read_turn
from postroad.dialects.mailgun.parameters import Parameters
from postroad.httpd.api.mailgun.named import answered, domain_of, parameters_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import Served
from postroad.model.refused import MissingError, RefusedError
from postroad.model.template import StoredTemplate, TemplateVersion, VersionFacts

Listed = TypeVar("Listed", StoredTemplate, VersionFacts)

_PIVOT = "p"
_OF_DOMAINS = "templates are of a sending domain: see /v3/{domain}/templates"


async def listed(managing: Managing, request: Request) -> Response:
    """Show a page of a domain's templates, in the order of their names."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    found = await managing.management.templates.all(managing.actor, account_id=managing.account_id, domain_id=domain.id)
    turn = _turn(parameters)
    shown = _page(found, [one.name for one in found], turn)
    documents = [await _with_active(managing, one, parameters) for one in shown]
    return answered({"items": documents, "paging": _links(request, turn, [one.name for one in shown])})


async def add(managing: Managing, request: Request) -> Response:
    """Add a template with its first version."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    added = await managing.management.templates.add(
        managing.actor,
        domain.name,
        parameters.needed("name").lower(),
        words.read_source(parameters),
        tag=words.read_tag(parameters),
        note=parameters.text("comment"),
        description=parameters.text("description"),
    )
    version = await managing.management.templates.version(managing.actor, added.id)
    document = words.document_of(added, version) | {"version": words.version_document(added, version)}
    return answered({"template": document, "message": "template has been stored"})


async def show(managing: Managing, request: Request) -> Response:
    """Show a template, with its active version where that is asked for."""
    parameters = await parameters_of(managing, request)
    return answered({"template": await _with_active(managing, await _template(managing, request), parameters)})


async def change(managing: Managing, request: Request) -> Response:
    """Say what a template is for."""
    parameters = await parameters_of(managing, request)
    template = await _template(managing, request)
    await managing.management.templates.describe(managing.actor, template.id, parameters.text("description"))
    return answered({"template": {"name": template.name}, "message": "template has been updated"})


async def remove(managing: Managing, request: Request) -> Response:
    """Remove a template."""
    template = await _template(managing, request)
    await managing.management.templates.remove(managing.actor, template.id)
    return answered({"template": {"name": template.name}, "message": "template has been deleted"})


async def clear(managing: Managing, request: Request) -> Response:
    """Remove all of a domain's templates but those that mail is under way with, which are named."""
    domain = await domain_of(managing, request)
    left = []
    for one in await managing.management.templates.all(managing.actor, domain_id=domain.id):
        try:
            await managing.management.templates.remove(managing.actor, one.id)
        except MissingError:
            continue
        except RefusedError:
            left.append(one.name)
    if left:
        raise RefusedError(
            f"all templates were deleted but those that undelivered messages are made of: {', '.join(left)[:500]}"
        )
    return answered({"message": "templates have been deleted"})


async def versions(managing: Managing, request: Request) -> Response:
    """Show a page of a template's versions, the newest first."""
    parameters = await parameters_of(managing, request)
    template = await _template(managing, request)
    found = (await managing.management.templates.shown(managing.actor, template.id)).versions
    turn = _turn(parameters)
    tags = [words.tag_of(one) for one in found]
    shown = _page(found, tags, turn)
    links = _links(request, turn, [words.tag_of(one) for one in shown])
    return answered({"template": words.versions_document(template, found, shown), "paging": links})


async def add_version(managing: Managing, request: Request) -> Response:
    """Add a version; it is used from now on where it is to be active."""
    parameters = await parameters_of(managing, request)
    template = await _template(managing, request)
    added = await managing.management.templates.add_version(
        managing.actor,
        template.id,
        words.read_source(parameters),
        tag=parameters.needed("tag").lower(),
        note=parameters.text("comment"),
        activates=bool(parameters.switch("active")),
    )
    return await _with_version(managing, template.id, added, "new version of the template has been stored")


async def show_version(managing: Managing, request: Request) -> Response:
    """Show a version with what it is written as."""
    template = await _template(managing, request)
    return await _with_version(managing, template.id, await _version(managing, request, template))


async def change_version(managing: Managing, request: Request) -> Response:
    """Have a version written otherwise, or make it the active one."""
    parameters = await parameters_of(managing, request)
    template = await _template(managing, request)
    version = await _version(managing, request, template)
    source = words.read_changed(parameters, version.source)
    is_active = parameters.switch("active")
    if is_active is False and version.id == template.active_version_id:
        raise RefusedError("active: one version is always active; activate another instead", field="active")
    templates = managing.management.templates
    if source is not None or parameters.has("comment"):
        version = await templates.replace_version(
            managing.actor,
            template.id,
            version.number,
            version.source if source is None else source,
            note=parameters.text("comment", version.note),
        )
    if is_active:
        await templates.activate(managing.actor, template.id, version.number)
    document = {"name": template.name, "version": {"tag": words.tag_of(version)}}
    return answered({"template": document, "message": "version has been updated"})


async def remove_version(managing: Managing, request: Request) -> Response:
    """Remove a version that is not the active one."""
    template = await _template(managing, request)
    version = await _version(managing, request, template)
    await managing.management.templates.remove_version(managing.actor, template.id, version.number)
    document = {"name": template.name, "version": {"tag": words.tag_of(version)}}
    return answered({"template": document, "message": "version has been deleted"})


async def copy_version(managing: Managing, request: Request) -> Response:
    """Add a version that is written as another is."""
    parameters = await parameters_of(managing, request)
    template = await _template(managing, request)
    version = await _version(managing, request, template)
    copied = await managing.management.templates.add_version(
        managing.actor,
        template.id,
        version.source,
        tag=request.path_params["new_tag"].lower(),
        note=parameters.text("comment", version.note),
    )
    document = words.version_document(template, copied)
    return answered({"version": document, "message": "version has been copied"})


async def none_of_account(_managing: Managing, _request: Request) -> Response:
    """Say that the account itself has no templates."""
    nothing = dict.fromkeys(("first", "last", "next", "previous", "prev"), "")
    return answered({"items": [], "paging": nothing})


async def not_of_account(_managing: Managing, _request: Request) -> Response:
    """Refuse a template that is of no domain."""
    raise RefusedError(_OF_DOMAINS)


async def _template(managing: Managing, request: Request) -> StoredTemplate:
    domain = await domain_of(managing, request)
    try:
        return await managing.management.templates.find(managing.actor, domain.name, request.path_params["name"])
    except MissingError as error:
        raise MissingError("template not found") from error


async def _version(managing: Managing, request: Request, template: StoredTemplate) -> TemplateVersion:
    try:
        return await managing.management.templates.version(
            managing.actor, template.id, request.path_params["tag"].lower()
        )
    except MissingError as error:
        raise MissingError("template version not found") from error


async def _with_active(managing: Managing, template: StoredTemplate, parameters: Parameters) -> dict[str, Any]:
    if not parameters.switch("active"):
        return words.document_of(template)
    version = await managing.management.templates.version(managing.actor, template.id)
    return words.document_of(template, version) | {"version": words.version_document(template, version)}


async def _with_version(
    managing: Managing, template_id: int, version: TemplateVersion, message: str | None = None
) -> Response:
    # Which version is active may just have changed.
    template = await managing.management.templates.get(managing.actor, template_id)
    document = words.document_of(template) | {"version": words.version_document(template, version)}
    return answered({"template": document} | ({} if message is None else {"message": message}))


def _turn(parameters: Parameters) -> Turn:
    limit = parameters.number("limit", words.USUAL_PER_PAGE, least=1, most=words.MOST_PER_PAGE)
    return read_turn(parameters, _PIVOT, limit=limit)


def _page(found: Sequence[Listed], names: Sequence[str], turn: Turn) -> Sequence[Listed]:
    """Return the part of a list that a turn asks for, whose entries have names."""
    if not turn.pivot:
        return found[-turn.limit :] if turn.word == "last" else found[: turn.limit]
    if turn.pivot not in names:
        return found[:0]
    at = names.index(turn.pivot)
    return found[max(at - turn.limit, 0) : at] if turn.is_backwards else found[at + 1 : at + 1 + turn.limit]


def _links(request: Request, turn: Turn, shown: Sequence[str]) -> dict[str, str]:
    return words.linked(paging(str(request.url.replace(query="")), turn, _PIVOT, shown, {}))


_ALL, _ONE = "/v3/{domain}/templates", "/v3/{domain}/templates/{name}"
_VERSIONS, _VERSION = f"{_ONE}/versions", f"{_ONE}/versions/{{tag}}"
SERVED = (
    Served("GET", _ALL, managed(listed)),
    Served("POST", _ALL, managed(add)),
    Served("DELETE", _ALL, managed(clear)),
    Served("GET", _ONE, managed(show)),
    Served("PUT", _ONE, managed(change)),
    Served("DELETE", _ONE, managed(remove)),
    Served("GET", _VERSIONS, managed(versions)),
    Served("POST", _VERSIONS, managed(add_version)),
    Served("GET", _VERSION, managed(show_version)),
    Served("PUT", _VERSION, managed(change_version)),
    Served("DELETE", _VERSION, managed(remove_version)),
    Served("PUT", f"{_VERSION}/copy/{{new_tag}}", managed(copy_version)),
    Served("GET", "/v4/templates", managed(none_of_account)),
    Served("POST", "/v4/templates", managed(not_of_account)),
)
