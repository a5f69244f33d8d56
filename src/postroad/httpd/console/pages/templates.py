"""Templates: the list, one with its versions, an editor that saves a new version, previews, and what differs."""

import re
from typing import Any

import msgspec
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.security import FOREIGN_HTML_POLICY
from postroad.httpd.console.view import View
from postroad.model.refused import MissingError, RefusedError
from postroad.model.template import TemplateSource
from postroad.templating.templates import MOST_OCTETS

_LIST = "/templates"
_ONE = "/templates/{template_id:id}"
_VERSION = "/templates/{template_id:id}/versions/{version_number:id}"
_POST = ("POST",)
_FORM_OCTETS = 6 * MOST_OCTETS
"""Three parts at their largest, percent-encoded where they need it."""
_MOST_DATA = 16_384
"""Characters of sample data."""
_BYTE = re.compile(r"\(byte (\d+)\)")
_SAMPLE = '{\n  "name": "Ada"\n}'


def routes() -> list[BaseRoute]:
    """Return the routes of the templates."""
    return [
        page(_LIST, list_templates, access=Access.ACCOUNT),
        page(f"{_LIST}/new", new_template, access=Access.ADMIN),
        page(f"{_LIST}/new", add_template, access=Access.ADMIN, methods=_POST, form_octets=_FORM_OCTETS),
        page(_ONE, show_template, access=Access.ACCOUNT),
        page(f"{_ONE}/edit", ask_edit, access=Access.ADMIN),
        page(f"{_ONE}/edit", save_version, access=Access.ADMIN, methods=_POST, form_octets=_FORM_OCTETS),
        page(f"{_ONE}/preview", ask_preview, access=Access.ACCOUNT),
        page(f"{_ONE}/preview", preview, access=Access.ACCOUNT, methods=_POST),
        page(f"{_ONE}/preview/html", preview_html, access=Access.ACCOUNT, methods=_POST),
        page(f"{_ONE}/diff", show_diff, access=Access.ACCOUNT),
        page(_VERSION, show_version, access=Access.ACCOUNT),
        page(f"{_VERSION}/activate", ask_activate, access=Access.ADMIN),
        page(f"{_VERSION}/activate", activate, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/remove", ask_remove, access=Access.ADMIN),
        page(f"{_ONE}/remove", remove, access=Access.ADMIN, methods=_POST),
    ]


async def list_templates(view: View) -> Response:
    """Show the templates of the chosen domain, or all of the account."""
    domain_id = None if view.domain is None else view.domain.id
    found = await view.console.templates.all(view.actor, account_id=view.account_id, domain_id=domain_id)
    return view.page("templates.html", templates=found, names={domain.id: domain.name for domain in view.domains})


async def new_template(view: View) -> Response:
    """Ask for a new template's name and what it is written as."""
    chosen = view.domain or (view.domains[0] if view.domains else None)
    return _new_page(view, Form.of(domain=None if chosen is None else chosen.name))


async def add_template(view: View) -> Response:
    """Add a template; its first version is active at once."""
    form = view.form
    try:
        if not form.text("domain"):
            raise RefusedError("Choose the sending domain that it belongs to.", field="domain")
        added = await view.console.templates.add(
            view.actor, form.text("domain"), form.text("name"), _source(form), note=form.text("note")
        )
    except RefusedError as error:
        return _new_page(view, form.refuse(error), status=422)
    return view.go(_path(added.id), f"{added.name} was added; messages of {form.text('domain')} can name it now.")


async def show_template(view: View) -> Response:
    """Show a template with its versions."""
    return view.page("template.html", shown=await _shown(view))


async def show_version(view: View) -> Response:
    """Show what a version is written as."""
    version = await view.console.templates.version(view.actor, _template_id(view), _number(view))
    return view.page("template_version.html", shown=await _shown(view), version=version)


async def ask_edit(view: View) -> Response:
    """Show a version, the active one where none is named, to be changed into a new one."""
    wanted = view.request.query_params.get("version", "")
    version = await view.console.templates.version(view.actor, _template_id(view), wanted)
    source = version.source
    form = Form.of(html=source.html, text=source.text, subject=source.subject, inlines_css=source.inlines_css)
    return view.page("template_edit.html", shown=await _shown(view), form=form, base=version)


async def save_version(view: View) -> Response:
    """Save what was written as a new version; the active one stays unless it was asked otherwise."""
    form, templates, template_id = view.form, view.console.templates, _template_id(view)
    try:
        added = await templates.add_version(
            view.actor,
            template_id,
            _source(form),
            tag=form.text("tag"),
            note=form.text("note"),
            activates=form.flag("activate"),
        )
    except RefusedError as error:
        refused = form.refuse(error)
        return view.page("template_edit.html", status=422, shown=await _shown(view), form=refused, base=None)
    said = f"Version {added.label} was saved" + (" and is active." if form.flag("activate") else ".")
    if form.text("then") == "preview":
        return view.go(f"{_path(template_id)}/preview?version={added.number}", said)
    return view.go(_path(template_id), said)


async def ask_preview(view: View) -> Response:
    """Show what a version makes of our own sample data, and ask for other."""
    return await _preview(view, view.request.query_params.get("version", ""), _SAMPLE)


async def preview(view: View) -> Response:
    """Show what a version makes of sample data; posted, as they are too long for an address, and nothing changes."""
    return await _preview(view, view.form.text("version"), view.form.prose("data"))


async def _preview(view: View, wanted: str, data: str) -> Response:
    shown = await _shown(view)
    version = await view.console.templates.version(view.actor, _template_id(view), wanted)
    form = Form.of(version=version.number, data=data)
    content = None
    try:
        content = await _content(view, version.number, data)
    except MissingError:
        raise
    except RefusedError as error:
        if error.field != "data":
            error = RefusedError(f"{_PART_NAMES.get(error.field, '')}{error}")
        form.refuse(error)
    return view.page(
        "template_preview.html",
        status=200 if content is not None else 422,
        shown=shown,
        version=version,
        form=form,
        content=content,
        choices=[(one.number, one.label) for one in shown.versions],
    )


async def preview_html(view: View) -> Response:
    """Return the HTML of a preview, for a frame without any rights."""
    content = await _content(view, view.form.text("version"), view.form.prose("data"))
    if content.html is None:
        raise MissingError("There is no HTML in this version.")
    return HTMLResponse(content.html, headers={"Content-Security-Policy": FOREIGN_HTML_POLICY})


async def show_diff(view: View) -> Response:
    """Show how one version differs from another."""
    shown, query = await _shown(view), view.request.query_params
    newer = query.get("newer") or str(shown.versions[0].number)
    older = query.get("older") or str(shown.template.active_number)
    text = await view.console.templates.diff(view.actor, _template_id(view), older, newer)
    return view.page(
        "template_diff.html",
        shown=shown,
        lines=[(_kind_of(line), line) for line in text.splitlines()],
        form=Form.of(older=older, newer=newer),
        choices=[(one.number, one.label) for one in shown.versions],
    )


async def ask_activate(view: View) -> Response:
    """Ask before messages have another version."""
    version = await view.console.templates.version(view.actor, _template_id(view), _number(view))
    return view.page("template_activate.html", shown=await _shown(view), version=version)


async def activate(view: View) -> Response:
    """Make a version the active one."""
    template_id = _template_id(view)
    version = await view.console.templates.activate(view.actor, template_id, _number(view))
    return view.go(_path(template_id), f"Version {version.label} is active.")


async def ask_remove(view: View) -> Response:
    """Ask before a template is removed."""
    return view.page("template_remove.html", shown=await _shown(view), form=Form())


async def remove(view: View) -> Response:
    """Remove a template with all its versions."""
    try:
        removed = await view.console.templates.remove(view.actor, _template_id(view))
    except RefusedError as error:
        form = view.form.refuse(error)
        return view.page("template_remove.html", status=422, shown=await _shown(view), form=form)
    return view.go(_LIST, f"{removed.name} was removed.")


_PART_NAMES = {"html": "HTML: ", "text": "Text: ", "subject": "Subject: "}


async def _content(view: View, version: str | int, data: str) -> Any:
    templates, template_id = view.console.templates, _template_id(view)
    found = await templates.version(view.actor, template_id, version)
    return await templates.preview(view.actor, template_id, found.source, _data(data), label=str(found.number))


def _data(text: str) -> dict[str, Any]:
    if len(text) > _MOST_DATA:
        raise RefusedError(f"Sample data has at most {_MOST_DATA:,} characters.", field="data")
    if not text.strip():
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise RefusedError(
            f'The data must be one JSON object, such as {{"name": "Ada"}}{_fault(text, error)}.', field="data"
        ) from error


def _fault(text: str, error: Exception) -> str:
    """Return what is wrong with sample data, as the end of a sentence."""
    if isinstance(error, RecursionError):
        return "; this is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        # It is JSON, but a list or the like.
        return ""
    place = _BYTE.search(str(error))
    if place is None:
        return "; this breaks off before its end"
    before = text.encode()[: int(place[1])].decode(errors="ignore")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"; this cannot be read at line {line}, column {column}"


def _source(form: Form) -> TemplateSource:
    return TemplateSource(
        html=form.prose("html"),
        text=form.prose("text"),
        subject=form.text("subject"),
        inlines_css=form.flag("inlines_css"),
    )


def _new_page(view: View, form: Form, status: int = 200) -> Response:
    choices = [(domain.name, domain.name) for domain in view.domains]
    return view.page("template_new.html", status=status, form=form, choices=choices)


def _kind_of(line: str) -> str:
    if line.startswith(("---", "+++", "@@")):
        return "about"
    return {"+": "added", "-": "gone"}.get(line[:1], "")


def _path(template_id: int) -> str:
    return f"{_LIST}/{template_id}"


def _template_id(view: View) -> int:
    return int(view.request.path_params["template_id"])


def _number(view: View) -> int:
    return int(view.request.path_params["version_number"])


async def _shown(view: View) -> Any:
    return await view.console.templates.shown(view.actor, _template_id(view))
