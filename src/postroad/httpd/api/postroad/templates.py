"""``/api/postroad/v1/templates``: stored templates and their versions."""

from typing import Any

from msgspec import UNSET

from postroad.dialects.postroad import templates as documents
from postroad.dialects.postroad.operation import PREFIX, PageQuery
from postroad.dialects.postroad.paging import page_of
from postroad.dialects.postroad.templates import (
    NewTemplate,
    NewVersion,
    Rendered,
    ShownTemplate,
    TemplateChange,
    TemplatePage,
    TemplatesQuery,
    Trial,
    VersionPage,
    VersionSource,
    WholeVersion,
)
from postroad.httpd.api.postroad.calls import Call, Created, served
from postroad.model.refused import MissingError, RefusedError
from postroad.policy.template_name import key_of


async def list_templates(call: Call[TemplatesQuery, None]) -> TemplatePage:
    """List the templates, in the order in which they were made."""
    query = call.query
    found = await call.management.templates.all(
        call.managing.actor, account_id=call.managing.account_id, domain_id=await call.domain_id(query.domain)
    )
    if query.name is not None:
        found = [one for one in found if key_of(one.name) == key_of(query.name.strip())]
    shown, following = page_of(found, lambda one: one.id, int, query.cursor, query.limit)
    names = await call.names_of({one.domain_id for one in shown})
    return TemplatePage(
        templates=tuple(documents.listed(one, names.get(one.domain_id)) for one in shown), next=following
    )


async def add(call: Call[None, NewTemplate]) -> Created:
    """Add a template with its first version."""
    wanted = call.body
    added = await call.management.templates.add(
        call.managing.actor,
        wanted.domain,
        wanted.name,
        wanted.source,
        tag=wanted.tag,
        note=wanted.note,
        description=wanted.description,
    )
    return Created(f"{PREFIX}/templates/{added.id}", await _shown(call, added.id))


async def show(call: Call[None, None]) -> ShownTemplate:
    """Show a template."""
    return await _shown(call, _id(call))


async def change(call: Call[None, TemplateChange]) -> ShownTemplate:
    """Say what a template is for, or which of its versions is the active one."""
    template_id, wanted = _id(call), call.body
    templates, actor = call.management.templates, call.managing.actor
    if wanted.active_version is not UNSET:
        # Before anything is changed.
        await _require_version(call, template_id, wanted.active_version)
    if wanted.description is not UNSET:
        await templates.describe(actor, template_id, wanted.description)
    if wanted.active_version is not UNSET:
        await templates.activate(actor, template_id, wanted.active_version)
    return await _shown(call, template_id)


async def remove(call: Call[None, None]) -> None:
    """Remove a template."""
    await call.management.templates.remove(call.managing.actor, _id(call))


async def list_versions(call: Call[PageQuery, None]) -> VersionPage:
    """List the versions, the newest first."""
    query, found = call.query, await call.management.templates.shown(call.managing.actor, _id(call))
    shown, following = page_of(found.versions, lambda one: -one.number, int, query.cursor, query.limit)
    return VersionPage(versions=tuple(documents.version(found.template, one) for one in shown), next=following)


async def add_version(call: Call[None, NewVersion]) -> Created:
    """Add a version."""
    wanted = call.body
    added = await call.management.templates.add_version(
        call.managing.actor, _id(call), wanted.source, tag=wanted.tag, note=wanted.note, activates=wanted.is_active
    )
    path = f"{PREFIX}/templates/{added.template_id}/versions/{added.number}"
    return Created(path, await _whole(call, str(added.number)))


async def show_version(call: Call[None, None]) -> WholeVersion:
    """Show a version with what it is written as."""
    return await _whole(call, call.request.path_params["version"])


async def replace_version(call: Call[None, VersionSource]) -> WholeVersion:
    """Have a new version in the place of one."""
    wanted = call.body
    added = await call.management.templates.replace_version(
        call.managing.actor, _id(call), call.request.path_params["version"], wanted.source, note=wanted.note
    )
    return await _whole(call, str(added.number))


async def remove_version(call: Call[None, None]) -> None:
    """Remove a version that is not the active one."""
    await call.management.templates.remove_version(call.managing.actor, _id(call), call.request.path_params["version"])


async def render_version(call: Call[None, Trial]) -> Rendered:
    """Show what a version makes of some variables."""
    templates, template_id = call.management.templates, _id(call)
    version = await templates.version(call.managing.actor, template_id, call.request.path_params["version"])
    content = await templates.preview(
        call.managing.actor, template_id, version.source, call.body.variables, label=version.label
    )
    return Rendered(html=content.html, text=content.text, subject=content.subject, missing=content.missing)


def _id(call: Call[Any, Any]) -> int:
    return call.id("template_id", "template")


async def _require_version(call: Call[Any, Any], template_id: int, number: int) -> None:
    templates, actor = call.management.templates, call.managing.actor
    await templates.get(actor, template_id)
    try:
        await templates.version(actor, template_id, number)
    except MissingError as error:
        raise RefusedError(str(error), field="active_version") from error


async def _shown(call: Call[Any, Any], template_id: int) -> ShownTemplate:
    found = await call.management.templates.shown(call.managing.actor, template_id)
    return documents.shown(found.template, found.domain.name, found.versions)


async def _whole(call: Call[Any, Any], name: str) -> WholeVersion:
    templates, actor = call.management.templates, call.managing.actor
    version = await templates.version(actor, _id(call), name)
    return documents.whole_version(await templates.get(actor, _id(call)), version, version.source)


SERVED = (
    served(documents.LIST_TEMPLATES, list_templates),
    served(documents.ADD_TEMPLATE, add),
    served(documents.SHOW_TEMPLATE, show),
    served(documents.CHANGE_TEMPLATE, change),
    served(documents.REMOVE_TEMPLATE, remove),
    served(documents.LIST_VERSIONS, list_versions),
    served(documents.ADD_VERSION, add_version),
    served(documents.SHOW_VERSION, show_version),
    served(documents.REPLACE_VERSION, replace_version),
    served(documents.REMOVE_VERSION, remove_version),
    served(documents.RENDER_VERSION, render_version),
)
