"""Suppressions: whom the sending domains do not mail; search, by hand, and by uploaded lists."""

from collections.abc import AsyncIterator
from urllib.parse import urlencode

from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute

from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.model.refused import RefusedError
from postroad.model.suppression import SuppressionKind
from postroad.policy.suppression_csv import MOST_LINES, MOST_OCTETS, written
from postroad.storage.suppressions import Place, place_of
from postroad.suppressions.suppressions import Page, Search, place_from, place_text

PAGE_SIZE = 50
_LIST = "/suppressions"
_ONE = "/suppressions/entries/{place}/remove"
_POST = ("POST",)
_FORM_OCTETS = MOST_OCTETS + 64 * 1024
KINDS = {
    SuppressionKind.BOUNCE: "Bounce",
    SuppressionKind.UNSUBSCRIBE: "Unsubscribe",
    SuppressionKind.COMPLAINT: "Complaint",
    SuppressionKind.BLOCK: "Block",
    SuppressionKind.ALLOW: "Allow",
}
BADGES = {
    SuppressionKind.BOUNCE: "bad",
    SuppressionKind.COMPLAINT: "bad",
    SuppressionKind.UNSUBSCRIBE: "warn",
    SuppressionKind.ALLOW: "good",
}


def routes() -> list[BaseRoute]:
    """Return the routes of the suppressions."""
    return [
        page(_LIST, list_suppressions, access=Access.ACCOUNT),
        page(f"{_LIST}/export", export, access=Access.ACCOUNT),
        page(f"{_LIST}/new", new_suppression, access=Access.ADMIN),
        page(f"{_LIST}/new", add_suppression, access=Access.ADMIN, methods=_POST),
        page(f"{_LIST}/upload", new_upload, access=Access.ADMIN),
        page(f"{_LIST}/upload", upload, access=Access.ADMIN, methods=_POST, form_octets=_FORM_OCTETS),
        page(f"{_LIST}/imports/{{import_id:id}}", show_import, access=Access.ACCOUNT),
        page(_ONE, ask_remove, access=Access.ADMIN),
        page(_ONE, remove, access=Access.ADMIN, methods=_POST),
    ]


async def list_suppressions(view: View) -> Response:
    """Show the entries that a search finds, by domain and address."""
    form = Form(view.request.query_params.multi_items())
    search, after = _search(view, form), form.text("after")
    found = await view.console.suppressions.search(view.actor, search, PAGE_SIZE, place_from(after) if after else None)
    return view.page(
        "suppressions.html",
        form=form,
        found=found.entries,
        next_page=_next(form, found),
        is_narrowed=bool(search.typed or search.kind or after),
        names=_names(view),
        kinds=KINDS,
        badges=BADGES,
        place_of=lambda one: place_text(place_of(one)),
    )


async def export(view: View) -> Response:
    """Send what a search finds as a CSV file."""
    search = _search(view, Form(view.request.query_params.multi_items()))
    name = view.domain.name if view.domain else "all-domains"

    async def lines() -> AsyncIterator[str]:
        yield written([], is_first=True)
        async for entries in view.console.suppressions.export(view.actor, search):
            yield written(entries, is_first=False)

    headers = {"Content-Disposition": f'attachment; filename="suppressions-{name}.csv"'}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


async def new_suppression(view: View) -> Response:
    """Ask for an address and what is to be done about it."""
    return _form_page(view, "suppression_new.html", _first_form(view))


async def add_suppression(view: View) -> Response:
    """Add an entry."""
    form = view.form
    try:
        entry = await view.console.suppressions.add(
            view.actor,
            _chosen_domain(form),
            form.text("address"),
            _kind(form),
            tag=form.text("tag"),
            reason=form.text("reason"),
        )
    except RefusedError as error:
        return _form_page(view, "suppression_new.html", form.refuse(error), status=422)
    return view.go(_LIST, f"{entry.address} was added to {form.text('domain')}.")


async def new_upload(view: View) -> Response:
    """Ask for a list."""
    return _form_page(view, "suppression_upload.html", _first_form(view))


async def upload(view: View) -> Response:
    """Take a list; its own page tells how far it has come."""
    form = view.form
    try:
        if form.file is None:
            raise RefusedError("Choose a CSV file.", field="file")
        domain = await view.console.suppressions.domain(view.actor, _chosen_domain(form))
        begun = await view.console.imports.begin(view.actor, domain, _kind(form), form.file.octets, form.file.name)
    except RefusedError as error:
        return _form_page(view, "suppression_upload.html", form.refuse(error), status=422)
    return view.go(f"{_LIST}/imports/{begun.id}")


async def show_import(view: View) -> Response:
    """Show how far a list has come, and which lines were not understood."""
    found = await view.console.imports.get(view.actor, int(view.request.path_params["import_id"]))
    return view.page(
        "suppression_import.html",
        one=found,
        progress=found.progress,
        is_broken_off=view.console.imports.is_broken_off(found),
        domain_name=await view.console.imports.domain_of(found),
    )


async def ask_remove(view: View) -> Response:
    """Ask before an entry is removed."""
    entry = await view.console.suppressions.get(view.actor, _place(view))
    path = _ONE.format(place=view.request.path_params["place"])
    return view.page("suppression_remove.html", entry=entry, path=path, kinds=KINDS, name=_names(view)[entry.domain_id])


async def remove(view: View) -> Response:
    """Remove an entry: the next message to the address leaves."""
    entry = await view.console.suppressions.remove(view.actor, _place(view))
    return view.go(_LIST, f"{entry.address} was removed from {_names(view)[entry.domain_id]}.")


def _search(view: View, form: Form) -> Search:
    kind = form.text("kind")
    return Search(
        domain_id=view.domain.id if view.domain else None,
        typed=form.text("q")[:254],
        kind=SuppressionKind(kind) if kind in {one.value for one in SuppressionKind} else None,
    )


def _next(form: Form, found: Page) -> str | None:
    if found.after is None:
        return None
    kept = {name: form.text(name) for name in ("q", "kind") if form.text(name)}
    return f"{_LIST}?" + urlencode(kept | {"after": place_text(found.after)})


def _first_form(view: View) -> Form:
    chosen = view.domain or (view.domains[0] if view.domains else None)
    return Form.of(domain=None if chosen is None else chosen.name, kind=SuppressionKind.BLOCK.value)


def _form_page(view: View, template: str, form: Form, status: int = 200) -> Response:
    return view.page(
        template,
        status=status,
        form=form,
        choices=[(one.name, one.name) for one in view.domains],
        kinds=[(kind.value, label) for kind, label in KINDS.items()],
        most_lines=MOST_LINES,
        most_megabytes=MOST_OCTETS // 1024 // 1024,
    )


def _chosen_domain(form: Form) -> str:
    if not form.text("domain"):
        raise RefusedError("Choose the sending domain that it is for.", field="domain")
    return form.text("domain")


def _kind(form: Form) -> SuppressionKind:
    try:
        return SuppressionKind(form.text("kind"))
    except ValueError as error:
        raise RefusedError("Choose a list.", field="kind") from error


def _place(view: View) -> Place:
    return place_from(view.request.path_params["place"])


def _names(view: View) -> dict[int, str]:
    return {domain.id: domain.name for domain in view.domains}
