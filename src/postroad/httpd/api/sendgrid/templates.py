"""``/v3/templates``: the stored templates of the account's sending domains."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.sendgrid.templates import (
    EMPTY,
    EMPTY_TAG,
    generation_of,
    is_told,
    listing,
    named,
    read_name,
    read_new,
    read_page,
    read_version,
    replacing_tags,
    template,
    version,
)
from postroad.httpd.api.json_upload import json_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.httpd.api.sendgrid.chosen import chosen_domains, single_domain
from postroad.model.refused import MissingError, RefusedError
from postroad.model.template import StoredTemplate, VersionFacts
from postroad.policy.template_name import key_of
from postroad.templating.templates import Shown


async def make(managing: Managing, request: Request) -> Response:
    """Make a template without a version."""
    new = read_new(await json_of(managing.services, request))
    domain = await single_domain(managing, request)
    made = await managing.management.templates.add(
        managing.actor, domain.name, new.id, EMPTY, tag=EMPTY_TAG, description=new.name
    )
    return JSONResponse(template(made, ()), 201, NO_STORE)


async def list_some(managing: Managing, request: Request) -> Response:
    """List templates by name, some at a time."""
    page = read_page(request.query_params)
    chosen = {one.id for one in await chosen_domains(managing, request)}
    mine = await managing.management.templates.all(managing.actor)
    wanted = [one for one in mine if one.domain_id in chosen and generation_of(one) in page.generations]
    part = wanted[page.offset : page.offset + page.size]
    found = [await managing.management.templates.shown(managing.actor, one.id) for one in part]
    told = [template(one.template, one.versions) for one in found]
    return JSONResponse(listing(page, told, len(wanted)), headers=NO_STORE)


async def show(managing: Managing, request: Request) -> Response:
    """Show a template with the facts of its versions."""
    found = await managing.management.templates.shown(managing.actor, (await _named(managing, request)).id)
    return JSONResponse(template(found.template, found.versions), headers=NO_STORE)


async def rename(managing: Managing, request: Request) -> Response:
    """Call a template otherwise; its id stays."""
    before = await _named(managing, request)
    name = read_name(await json_of(managing.services, request))
    await managing.management.templates.describe(managing.actor, before.id, name)
    return await show(managing, request)


async def remove(managing: Managing, request: Request) -> Response:
    """Remove a template."""
    await managing.management.templates.remove(managing.actor, (await _named(managing, request)).id)
    return Response(status_code=204, headers=NO_STORE)


async def add_version(managing: Managing, request: Request) -> Response:
    """Add a version to a template; the first one is active unless the call says otherwise."""
    wish = read_version(await json_of(managing.services, request))
    before = await managing.management.templates.shown(managing.actor, (await _named(managing, request)).id)
    is_first = not any(is_told(one) for one in before.versions)
    added = await managing.management.templates.add_version(
        managing.actor,
        before.template.id,
        wish.source(),
        note=wish.name or "",
        activates=is_first if wish.is_active is None else wish.is_active,
    )
    return await _told(managing, before.template.id, added, 201)


async def show_version(managing: Managing, request: Request) -> Response:
    """Show a version."""
    found, wanted = await _version(managing, request)
    return await _told(managing, found.template.id, wanted)


async def change_version(managing: Managing, request: Request) -> Response:
    """Write a version over: what messages were made of stays, under a number that callers are not told."""
    found, old = await _version(managing, request)
    wish = read_version(await json_of(managing.services, request))
    templates, template_id, is_active = managing.management.templates, found.template.id, _is_active(found, old)
    if wish.is_active is False and is_active:
        raise RefusedError("the active version cannot be switched off: activate another one", field="active")
    after = old
    if wish.rewrites:
        before = await templates.version(managing.actor, template_id, old.number)
        tags = replacing_tags(old)
        note = old.note if wish.name is None else wish.name
        after = await templates.replace_version(
            managing.actor, template_id, old.number, wish.source(before.source), note=note, tags=tags
        )
    if wish.is_active and not is_active:
        await templates.activate(managing.actor, template_id, after.number)
    return await _told(managing, template_id, after)


async def remove_version(managing: Managing, request: Request) -> Response:
    """Remove a version; the active one only where it is the last, and nothing can be sent with the template then."""
    found, old = await _version(managing, request)
    templates, template_id = managing.management.templates, found.template.id
    is_last = _is_active(found, old) and sum(map(is_told, found.versions)) == 1
    if is_last:
        # As long as the template has no version, mail that is to be made of it is refused.
        await templates.require_none_under_way(found.template)
        await _empty(managing, found)
    try:
        await templates.remove_version(managing.actor, template_id, old.number)
    except RefusedError:
        if is_last:
            await templates.activate(managing.actor, template_id, old.number)
        raise
    return Response(status_code=204, headers=NO_STORE)


async def activate(managing: Managing, request: Request) -> Response:
    """Make a version the active one."""
    found, wanted = await _version(managing, request)
    await managing.management.templates.activate(managing.actor, found.template.id, wanted.number)
    return await _told(managing, found.template.id, wanted)


async def _empty(managing: Managing, found: Shown) -> None:
    """Have a template without a version."""
    templates, template_id = managing.management.templates, found.template.id
    if any(one.tag == EMPTY_TAG for one in found.versions):
        await templates.activate(managing.actor, template_id, EMPTY_TAG)
    else:
        await templates.add_version(managing.actor, template_id, EMPTY, tag=EMPTY_TAG, activates=True)


def _is_active(found: Shown, one: VersionFacts) -> bool:
    return one.id == found.template.active_version_id


async def _version(managing: Managing, request: Request) -> tuple[Shown, VersionFacts]:
    found = await managing.management.templates.shown(managing.actor, (await _named(managing, request)).id)
    return found, named(request.path_params["version"], found.versions)


async def _told(managing: Managing, template_id: int, facts: VersionFacts, status: int = 200) -> Response:
    templates = managing.management.templates
    found = await templates.get(managing.actor, template_id)
    told = version(found, await templates.version(managing.actor, template_id, facts.number))
    return JSONResponse(told, status, NO_STORE)


async def _named(managing: Managing, request: Request) -> StoredTemplate:
    key = key_of(request.path_params["template"])
    chosen = {one.id for one in await chosen_domains(managing, request)}
    mine = await managing.management.templates.all(managing.actor)
    found = [one for one in mine if one.domain_id in chosen and key_of(one.name) == key]
    if not found:
        raise MissingError("template not found", field="template_id")
    if len(found) > 1:
        raise RefusedError("several sending domains have a template of this name: name the domain", field="domain")
    return found[0]


_ONE = "/v3/templates/{template}"
_VERSION = f"{_ONE}/versions/{{version}}"
SERVED = (
    Served("GET", "/v3/templates", managed(list_some)),
    Served("POST", "/v3/templates", managed(make)),
    Served("GET", _ONE, managed(show)),
    Served("PATCH", _ONE, managed(rename)),
    Served("DELETE", _ONE, managed(remove)),
    Served("POST", f"{_ONE}/versions", managed(add_version)),
    Served("GET", _VERSION, managed(show_version)),
    Served("PATCH", _VERSION, managed(change_version)),
    Served("DELETE", _VERSION, managed(remove_version)),
    Served("POST", f"{_VERSION}/activate", managed(activate)),
)
