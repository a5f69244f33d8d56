"""Accepting an invitation: as somebody new, or as somebody who is known here."""

from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.accounts.people.invitations import Offer
from postroad.accounts.people.links import INVITATION_PATH
from postroad.accounts.people.sign_in import Refused
from postroad.httpd.console import cookies
from postroad.httpd.console.forms import Form
from postroad.httpd.console.pages.sign_in import signed_in, user_agent
from postroad.httpd.console.route import SIGN_IN_PATH, Access, page
from postroad.httpd.console.view import View
from postroad.model.refused import MissingError, RefusedError


def routes() -> list[BaseRoute]:
    """Return the routes of an invitation."""
    return [
        page(f"{INVITATION_PATH}/{{token}}", show, access=Access.ANYBODY),
        page(f"{INVITATION_PATH}/{{token}}", accept, access=Access.ANYBODY, methods=("POST",)),
    ]


async def show(view: View) -> Response:
    """Show what is offered and how to accept it."""
    return _page(view, await view.console.invitations.offer(_token(view)), Form())


async def accept(view: View) -> Response:
    """Take the invitation up."""
    offer = await view.console.invitations.offer(_token(view))
    try:
        if offer.is_known:
            return await _accept_signed_in(view)
        return await _accept_new(view)
    except MissingError:
        raise
    except RefusedError as error:
        return _page(view, offer, view.form.refuse(error), status=422)


async def _accept_signed_in(view: View) -> Response:
    if not view.is_signed_in:
        return view.go(f"{SIGN_IN_PATH}?next={quote(view.request.url.path)}")
    account = await view.console.invitations.accept_as(view.signed_in, _token(view), view.client_address)
    # The session does not know of the new right yet.
    fresh = await view.console.sessions.find(cookies.session_token(view.request), view.client_address)
    if fresh is not None:
        await view.console.sessions.switch(fresh, account.id)
    return view.go("/", f"You are in {account.name} now; switch accounts at the top of the menu.")


async def _accept_new(view: View) -> Response:
    form = view.form
    person = await view.console.invitations.accept_as_new(
        _token(view), form.text("name"), form.secret("password"), view.client_address
    )
    result = await view.console.sign_in.proceed(
        person, method="password", client_address=view.client_address, user_agent=user_agent(view)
    )
    if isinstance(result, Refused):
        raise RefusedError(result.sentence)
    return await signed_in(view, result, "/")


def _page(view: View, offer: Offer, form: Form, *, status: int = 200) -> Response:
    return view.page(
        "invitation.html",
        status=status,
        offer=offer,
        form=form,
        sign_in_path=f"{SIGN_IN_PATH}?next={quote(view.request.url.path)}",
        is_theirs=view.is_signed_in and view.signed_in.user.email == offer.invitation.email,
    )


def _token(view: View) -> str:
    token: str = view.request.path_params["token"]
    return token
