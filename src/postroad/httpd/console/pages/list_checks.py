"""Checking whole lists of addresses: uploaded, followed while it lasts, fetched and removed."""

import secrets
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute

from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.model.list_check import ListCheck
from postroad.model.refused import MissingError, RefusedError
from postroad.policy.list_check_csv import MOST_ADDRESSES, MOST_OCTETS, written

_LIST = "/suppressions/check/lists"
_ONE = f"{_LIST}/{{list_id:id}}"
_POST = ("POST",)
_FORM_OCTETS = MOST_OCTETS + 64 * 1024


def routes() -> list[BaseRoute]:
    """Return the routes of the lists."""
    return [
        page(_LIST, list_checks, access=Access.ACCOUNT),
        page(_LIST, upload, access=Access.ADMIN, methods=_POST, form_octets=_FORM_OCTETS),
        page(_ONE, show, access=Access.ACCOUNT),
        page(f"{_ONE}/results.csv", results, access=Access.ACCOUNT),
        page(f"{_ONE}/remove", ask_remove, access=Access.ADMIN),
        page(f"{_ONE}/remove", remove, access=Access.ADMIN, methods=_POST),
    ]


async def list_checks(view: View) -> Response:
    """Show the lists of the account, and ask for another."""
    return await _listed(view, Form.of())


async def upload(view: View) -> Response:
    """Take a list; its own page tells how far it is."""
    form = view.form
    try:
        if form.file is None:
            raise RefusedError("Choose a CSV file.", field="file")
        domain_id = view.domain.id if view.domain else None
        begun = await view.console.list_checks.begin(
            view.actor,
            view.account_id,
            f"console-{secrets.token_hex(6)}",
            form.file.octets,
            form.file.name,
            domain_id=domain_id,
        )
    except RefusedError as error:
        return await _listed(view, form.refuse(error), status=422)
    return view.go(f"{_LIST}/{begun.id}")


async def show(view: View) -> Response:
    """Show how far a list is, and what it came to."""
    one = await _found(view)
    return view.page("list_check.html", one=one, path=f"{_LIST}/{one.id}")


async def results(view: View) -> Response:
    """Send what the checks came to as a CSV file."""
    one = await _found(view)
    if one.finished_at is None:
        raise MissingError("The list has not been checked to its end.")

    async def lines() -> AsyncIterator[str]:
        yield written([], is_first=True)
        async for checks in view.console.list_checks.results(one):
            yield written(checks, is_first=False)

    headers = {"Content-Disposition": f'attachment; filename="checked-{one.id}.csv"'}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


async def ask_remove(view: View) -> Response:
    """Ask before a list is removed."""
    one = await _found(view)
    return view.page("list_check_remove.html", one=one, path=f"{_LIST}/{one.id}")


async def remove(view: View) -> Response:
    """Remove a list with its results."""
    one = await _found(view)
    await view.console.list_checks.remove(view.actor, one)
    return view.go(_LIST, f"{one.file_name} was removed.")


async def _listed(view: View, form: Form, status: int = 200) -> Response:
    return view.page(
        "list_checks.html",
        status=status,
        form=form,
        found=await view.console.list_checks.of_account(view.actor, view.account_id),
        most_addresses=MOST_ADDRESSES,
        most_megabytes=MOST_OCTETS // 1024 // 1024,
    )


async def _found(view: View) -> ListCheck:
    return await view.console.list_checks.get(view.actor, int(view.request.path_params["list_id"]))
