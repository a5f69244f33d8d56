"""Inbound routes of a sending domain: the list in its order, a new one, moving and removing."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.feedback.inbound_routes import describe
from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.model.inbound_route import InboundRoute
from postroad.model.refused import MissingError, RefusedError

_LIST = "/domains/{domain}/routes"
_ONE = f"{_LIST}/{{number:id}}"
_POST = ("POST",)
ACTIONS = (("forward", "Forward it to an address"), ("stop", "Stop: look at no route below"))


def routes() -> list[BaseRoute]:
    """Return the routes of these pages."""
    return [
        page(_LIST, list_routes, access=Access.ACCOUNT),
        page(f"{_LIST}/new", new_route, access=Access.ADMIN),
        page(f"{_LIST}/new", add_route, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/move", move, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/remove", ask_remove, access=Access.ADMIN),
        page(f"{_ONE}/remove", remove, access=Access.ADMIN, methods=_POST),
    ]


async def list_routes(view: View) -> Response:
    """Show a domain's routes in the order in which they are looked at."""
    return await _list_page(view, Form())


async def new_route(view: View) -> Response:
    """Ask for a route."""
    await _found(view)
    return _form_page(view, Form.of(action="forward"))


async def add_route(view: View) -> Response:
    """Add a route at the end."""
    await _found(view)
    form = view.form
    forwards = form.text("action") != "stop"
    try:
        if forwards and not form.text("forward_to").strip():
            raise RefusedError("Name the address to forward to.", field="forward_to")
        await view.console.inbound_routes.add(
            view.actor,
            _name(view),
            mail_from=form.text("mail_from"),
            mail_to=form.text("mail_to"),
            subject=form.text("subject"),
            forward_to=form.text("forward_to") if forwards else "",
        )
    except MissingError:
        raise
    except RefusedError as error:
        return _form_page(view, form.refuse(error), status=422)
    return view.go(_path(view), "The route was added.")


async def move(view: View) -> Response:
    """Have a route looked at in another place."""
    try:
        to = view.form.number("to")
        if to is None:
            raise RefusedError("Say to which place.")
        await view.console.inbound_routes.move(view.actor, _name(view), _number(view), to)
    except MissingError:
        raise
    except RefusedError as error:
        return await _list_page(view, view.form.refuse(error), status=422)
    return view.go(_path(view), "The route was moved.")


async def ask_remove(view: View) -> Response:
    """Ask before a route is removed."""
    found = [one for one in await _found(view) if one.position == _number(view)]
    if not found:
        raise MissingError(f"There is no route {_number(view)}.")
    [(condition, deed)] = describe(found)
    return view.page(
        "inbound_route_remove.html", domain_name=_name(view), number=_number(view), condition=condition, deed=deed
    )


async def remove(view: View) -> Response:
    """Remove a route."""
    await view.console.inbound_routes.remove(view.actor, _name(view), _number(view))
    return view.go(_path(view), "The route was removed.")


async def _found(view: View) -> list[InboundRoute]:
    try:
        return await view.console.inbound_routes.of_domain(view.actor, _name(view))
    except MissingError:
        raise
    except RefusedError as error:
        # What is no domain name at all names no domain either.
        raise MissingError(f"There is no sending domain {_name(view)}.") from error


async def _list_page(view: View, form: Form, *, status: int = 200) -> Response:
    found = await _found(view)
    rows = list(zip(found, describe(found), strict=True))
    return view.page("inbound_routes.html", status=status, domain_name=_name(view), form=form, rows=rows)


def _form_page(view: View, form: Form, *, status: int = 200) -> Response:
    return view.page("inbound_route_new.html", status=status, domain_name=_name(view), form=form, actions=ACTIONS)


def _name(view: View) -> str:
    return str(view.request.path_params["domain"])


def _number(view: View) -> int:
    return int(view.request.path_params["number"])


def _path(view: View) -> str:
    return f"/domains/{_name(view)}/routes"
