"""The key that signs an account's webhook calls: shown to its admins, and replaced."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.model.refused import RefusedError

_PATH = "/settings/signing-key"
OVERLAPS = ((0, "none: the old key ends now"), (1, "1 hour"), (24, "1 day"), (24 * 7, "7 days"), (24 * 30, "30 days"))


def routes() -> list[BaseRoute]:
    """Return the routes of the signing key."""
    return [
        page(_PATH, show_key, access=Access.ADMIN),
        page(f"{_PATH}/update", ask_update, access=Access.ADMIN),
        page(f"{_PATH}/update", update, access=Access.ADMIN, methods=("POST",)),
    ]


async def show_key(view: View) -> Response:
    """Show the key, hidden until it is asked for."""
    keys = await view.console.signing.keys_of(view.actor, view.account_id)
    return view.page(
        "signing_key.html", keys=keys, public_key=await view.console.webhooks.log.public_key(view.account_id)
    )


async def ask_update(view: View) -> Response:
    """Ask for how long the present key is to count beside a new one."""
    return await _question(view, Form.of(overlap_hours=24))


async def update(view: View) -> Response:
    """Replace the key."""
    try:
        hours = view.form.number("overlap_hours")
        if hours is None:
            raise RefusedError("Say for how long the old key is to count.", field="overlap_hours")
        await view.console.signing.update(view.actor, view.account_id, overlap_hours=hours)
    except RefusedError as error:
        return await _question(view, view.form.refuse(error), status=422)
    return view.go(_PATH, "The signing key was updated; give the new one to your receivers.")


async def _question(view: View, form: Form, status: int = 200) -> Response:
    keys = await view.console.signing.keys_of(view.actor, view.account_id)
    return view.page("signing_key_update.html", status=status, form=form, overlaps=OVERLAPS, keys=keys)
