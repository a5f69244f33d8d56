"""``/api/v1/templates``: the stored templates of the account's sending domains, by name."""

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.sparkpost.errors import Refusal
from postroad.dialects.sparkpost.templates import (
    TEMPLATE_PARTS,
    listed,
    no_content,
    read_template,
    shown,
    wrong_syntax,
)
from postroad.dialects.sparkpost.values import part
from postroad.httpd.api.managing import Managed, Managing, managed
from postroad.httpd.api.routes import Served
from postroad.httpd.api.sparkpost.answers import answered, conflict, domains_of, object_of, one_domain
from postroad.model.domain import SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.model.template import StoredTemplate, TemplateVersion

_MOST_LISTED = 10_000
_SWITCH = {"true": True, "false": False}


async def list_all(managing: Managing, request: Request) -> Response:
    """List the templates, without their content."""
    names = {one.id: one.name for one in await domains_of(managing, request.query_params.get("domain"))}
    found = await managing.management.templates.all(managing.actor, account_id=managing.account_id)
    told = [one for one in found if one.domain_id in names][:_MOST_LISTED]
    newest = await managing.management.templates.newest(told)
    return answered([listed(one, *newest[one.id], names[one.domain_id]) for one in told if one.id in newest])


async def add(managing: Managing, request: Request) -> Response | Refusal:
    """Add a template to the domain of its sender."""
    wanted = read_template(await object_of(managing, request))
    if not wanted.name:
        raise RefusedError("id or name is required", field="id")
    source = wanted.source()
    if not source.html.strip() and not source.text.strip():
        return no_content()
    domain = await one_domain(managing, request.query_params.get("domain") or wanted.domain)
    templates = managing.management.templates
    if any(one.name.lower() == wanted.name.lower() for one in await _of(managing, domain)):
        return conflict(f"{domain.name} has a template {wanted.name} already")
    title = "" if wanted.title == wanted.name else wanted.title
    added = await templates.add(
        managing.actor, domain.name, wanted.name, source, note=wanted.description or "", description=title
    )
    return answered({"id": added.name})


async def show(managing: Managing, request: Request) -> Response:
    """Show a template: the version that is asked for, else the newest."""
    template, domain = await _named(managing, request)
    newest = (await managing.management.templates.newest([template]))[template.id][0]
    version = await _version(managing, request, template, newest)
    return answered(shown(template, newest, version, domain.name))


async def change(managing: Managing, request: Request) -> Response:
    """Add a version as draft, or publish it, or publish the draft that there is."""
    template, _ = await _named(managing, request)
    wanted = read_template(await object_of(managing, request))
    templates = managing.management.templates
    newest = (await templates.newest([template]))[template.id][0]
    publishes = wanted.is_published is True or _switch(request, "update_published") is True
    if wanted.texts or wanted.description is not None:
        before = await templates.version(managing.actor, template.id, newest)
        note = before.note if wanted.description is None else wanted.description
        source = wanted.source(before.source)
        await templates.add_version(managing.actor, template.id, source, note=note, activates=publishes)
    elif publishes:
        await templates.activate(managing.actor, template.id, newest)
    if wanted.title and wanted.title != (template.description or template.name):
        await templates.describe(managing.actor, template.id, wanted.title)
    return answered({"id": template.name})


async def remove(managing: Managing, request: Request) -> Response | Refusal:
    """Remove a template that no message under way is made of."""
    template, _ = await _named(managing, request)
    try:
        await managing.management.templates.remove(managing.actor, template.id)
    except RefusedError as error:
        if type(error) is RefusedError:
            return conflict(str(error))
        raise
    return answered({})


async def preview(managing: Managing, request: Request) -> Response:
    """Say what a template makes of some data."""
    template, _ = await _named(managing, request)
    document = await object_of(managing, request)
    newest = (await managing.management.templates.newest([template]))[template.id][0]
    version = await _version(managing, request, template, newest)
    data = dict(part(document, "metadata")) | dict(part(document, "substitution_data"))
    made = await managing.management.templates.preview(
        managing.actor, template.id, version.source, data, label=version.label
    )
    texts = {"subject": made.subject, "html": made.html, "text": made.text}
    return answered({name: value for name, value in texts.items() if value})


async def _of(managing: Managing, domain: SendingDomain) -> list[StoredTemplate]:
    return await managing.management.templates.all(managing.actor, account_id=managing.account_id, domain_id=domain.id)


async def _named(managing: Managing, request: Request) -> tuple[StoredTemplate, SendingDomain]:
    """Return the template of the name in the path; raises MissingError, and RefusedError where several domains have one."""
    name = request.path_params["template_id"]
    found = []
    for domain in await domains_of(managing, request.query_params.get("domain")):
        try:
            found.append((await managing.management.templates.find(managing.actor, domain.name, name), domain))
        except MissingError:
            continue
    if not found:
        raise MissingError(f"There is no template {name[:100]}.")
    if len(found) > 1:
        names = ", ".join(domain.name for _, domain in found[:5])
        raise RefusedError(f"{name[:100]} is a template of {names}: say ?domain= in the call", field="domain")
    return found[0]


async def _version(managing: Managing, request: Request, template: StoredTemplate, newest: int) -> TemplateVersion:
    number = template.active_number if _switch(request, "draft") is False else newest
    return await managing.management.templates.version(managing.actor, template.id, number)


def _switch(request: Request, name: str) -> bool | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if text.lower() not in _SWITCH:
        raise RefusedError(f"{name} must be true or false, not {text[:40]}", field=name)
    return _SWITCH[text.lower()]


def _compiling(endpoint: Managed[Response | Refusal]) -> Managed[Response | Refusal]:
    """Return an endpoint that tells in SparkPost's words which text of a template is not understood."""

    async def compiled(managing: Managing, request: Request) -> Response | Refusal:
        try:
            return await endpoint(managing, request)
        except RefusedError as error:
            if error.field in TEMPLATE_PARTS:
                return wrong_syntax(error)
            raise

    return compiled


_ALL, _ONE = "/api/v1/templates", "/api/v1/templates/{template_id}"
SERVED = (
    Served("GET", _ALL, managed(list_all)),
    Served("POST", _ALL, managed(_compiling(add))),
    Served("GET", _ONE, managed(show)),
    Served("PUT", _ONE, managed(_compiling(change))),
    Served("DELETE", _ONE, managed(remove)),
    Served("POST", f"{_ONE}/preview", managed(_compiling(preview))),
)
