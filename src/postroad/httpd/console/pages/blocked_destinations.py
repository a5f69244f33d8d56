"""Blocked destinations: where tracked links lead no longer, for operators."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.model.refused import MissingError, RefusedError
from postroad.model.tracking import BlockedDestination

_LIST = "/blocked-destinations"
_POST = ("POST",)


def routes() -> list[BaseRoute]:
    """Return the routes of the blocked destinations."""
    return [
        page(_LIST, list_blocked, access=Access.OPERATOR),
        page(f"{_LIST}/new", new_block, access=Access.OPERATOR),
        page(f"{_LIST}/new", block, access=Access.OPERATOR, methods=_POST),
        page(f"{_LIST}/remove", ask_unblock, access=Access.OPERATOR),
        page(f"{_LIST}/remove", unblock, access=Access.OPERATOR, methods=_POST),
    ]


async def list_blocked(view: View) -> Response:
    """Show the destinations that were taken down."""
    return view.page("blocked_destinations.html", found=await view.console.takedown.all(view.operator))


async def new_block(view: View) -> Response:
    """Ask for a destination."""
    return view.page("blocked_destination_new.html", form=Form())


async def block(view: View) -> Response:
    """Show how a destination was understood, and take it down once that was confirmed."""
    form = view.form
    try:
        if not form.flag("is_confirmed"):
            pattern = view.console.takedown.meant(form.text("destination"))
            return view.page("blocked_destination_confirm.html", form=form, pattern=pattern)
        blocked = await view.console.takedown.block(view.operator, form.text("destination"), form.text("reason"))
    except RefusedError as error:
        return view.page("blocked_destination_new.html", status=422, form=form.refuse(error))
    return view.go(_LIST, f"Tracked links lead to {blocked.pattern} no longer.")


async def ask_unblock(view: View) -> Response:
    """Ask before links lead somewhere again."""
    found = await _found(view, view.request.query_params.get("destination", ""))
    return view.page("blocked_destination_remove.html", one=found)


async def unblock(view: View) -> Response:
    """Let links lead there again."""
    found = await _found(view, view.form.text("destination"))
    pattern = await view.console.takedown.unblock(view.operator, found.pattern)
    return view.go(_LIST, f"Tracked links lead to {pattern} again.")


async def _found(view: View, text: str) -> BlockedDestination:
    try:
        return await view.console.takedown.find(view.operator, text)
    except MissingError:
        raise
    except RefusedError as error:
        # What is no destination at all is not blocked either.
        raise MissingError("There is no such blocked destination.") from error
