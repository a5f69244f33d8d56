"""Passkeys: signing in by one, and a person's own list of them."""

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from postroad.accounts.people.relying_party import RelyingParty
from postroad.httpd.console.forms import Form
from postroad.httpd.console.pages.sign_in import PASSKEYS_PATH, enter, refused
from postroad.httpd.console.route import Access, own_path, page
from postroad.httpd.console.view import View
from postroad.model.refused import MissingError, RefusedError

PATH = PASSKEYS_PATH
_ELSEWHERE = "Passkeys cannot be used under this address: open the console by its own name."


def routes() -> list[BaseRoute]:
    """Return the routes of passkeys."""
    post = ("POST",)
    return [
        page("/sign-in/passkey/options", request_options, access=Access.ANYBODY, methods=post),
        page("/sign-in/passkey", use, access=Access.ANYBODY, methods=post),
        page(PATH, list_passkeys, access=Access.PERSON),
        page(PATH, add, access=Access.PERSON, methods=post),
        page(f"{PATH}/options", creation_options, access=Access.PERSON, methods=post),
        page(f"{PATH}/{{passkey_id:id}}/remove", ask_remove, access=Access.PERSON),
        page(f"{PATH}/{{passkey_id:id}}/remove", remove, access=Access.PERSON, methods=post),
    ]


async def request_options(view: View) -> Response:
    """Give the script what the browser needs to have a passkey used."""
    try:
        options = await view.console.passkeys.request_options(_party(view))
    except RefusedError as error:
        return _refused(error)
    return Response(options, media_type="application/json")


async def use(view: View) -> Response:
    """Sign in whoever a passkey proves."""
    wanted = own_path(view.form.text("next"))
    try:
        user = await view.console.passkeys.proven(_party(view), view.form.text("credential"), view.client_address)
    except RefusedError as error:
        return refused(view, str(error), wanted)
    return await enter(view, user, "passkey", wanted)


async def list_passkeys(view: View) -> Response:
    """Show the person's passkeys, with the form that makes one."""
    return await _list(view, Form())


async def creation_options(view: View) -> Response:
    """Give the script what the browser needs to have a passkey made, once the password was given again."""
    console = view.console
    try:
        party = _party(view)
        proven = await console.own_password.prove(view.signed_in, view.form.secret("password"), view.client_address)
        options = await console.passkeys.creation_options(proven, party)
    except RefusedError as error:
        return _refused(error)
    return Response(options, media_type="application/json")


async def add(view: View) -> Response:
    """Keep a passkey that was made."""
    form = view.form
    try:
        added = await view.console.passkeys.add(
            view.signed_in, _party(view), form.text("credential"), form.text("name"), view.client_address
        )
    except RefusedError as error:
        return await _list(view, form.refuse(error), status=422)
    return view.go(PATH, f"Passkey {added.name} was added: you can sign in with it from now on.")


async def ask_remove(view: View) -> Response:
    """Ask before a passkey is removed."""
    wanted = view.request.path_params["passkey_id"]
    for one in await view.console.passkeys.of(view.actor, view.signed_in.user.id):
        if one.id == wanted:
            return view.page("passkey_remove.html", passkey=one)
    raise MissingError("There is no such passkey.")


async def remove(view: View) -> Response:
    """Remove a passkey."""
    removed = await view.console.passkeys.remove(
        view.actor, view.signed_in.user.id, view.request.path_params["passkey_id"]
    )
    return view.go(PATH, f"Passkey {removed.name} was removed.")


async def _list(view: View, form: Form, status: int = 200) -> Response:
    found = await view.console.passkeys.of(view.actor, view.signed_in.user.id)
    return view.page(
        "passkeys.html",
        status=status,
        passkeys=found,
        form=form,
        is_after_reset=view.request.query_params.get("after") == "reset",
    )


def _party(view: View) -> RelyingParty:
    if view.relying_party is None:
        raise RefusedError(_ELSEWHERE)
    return view.relying_party


def _refused(error: RefusedError) -> Response:
    """Return a refusal as the script shows it."""
    return JSONResponse({"refused": str(error)}, status_code=422)
