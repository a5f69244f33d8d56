"""Lock-outs: an account's own users that are locked, and for operators the addresses and networks too."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.model.actor import Actor
from postroad.policy import sign_in
from postroad.policy.lockout import CLIENT, CREDENTIAL, NETWORK

_OWN = "/credentials/lockouts"
_ALL = "/lockouts"
_POST = ("POST",)
_MOST_COUNTED = 100
"""Strangers who failed a few times are many; the latest are enough to see what goes on."""
_SCOPES = {
    CLIENT: "Address",
    NETWORK: "Network",
    CREDENTIAL: "User name",
    sign_in.EMAIL: "Console, email address",
    sign_in.NETWORK: "Console, network",
    sign_in.SESSION: "Console, password of somebody signed in",
}


def routes() -> list[BaseRoute]:
    """Return the routes of the lock-outs."""
    return [
        page(_OWN, list_own, access=Access.ACCOUNT),
        page(f"{_OWN}/release", release_own, access=Access.ADMIN, methods=_POST),
        page(_ALL, list_all, access=Access.OPERATOR),
        page(f"{_ALL}/release", release_any, access=Access.OPERATOR, methods=_POST),
    ]


async def list_own(view: View) -> Response:
    """Show what failed at the names of the account's users."""
    return await _listed(view, view.actor, "lockouts.html", _OWN)


async def release_own(view: View) -> Response:
    """Forget the failures at one of the account's names."""
    return await _released(view, view.actor, _OWN)


async def list_all(view: View) -> Response:
    """Show what failed anywhere, by SMTP and in the console."""
    return await _listed(view, view.operator, "lockouts_all.html", _ALL)


async def release_any(view: View) -> Response:
    """Forget the failures of an address, a network or a name."""
    return await _released(view, view.operator, _ALL)


async def _listed(view: View, actor: Actor, template: str, path: str) -> Response:
    lockouts = view.console.lockouts
    locked = await lockouts.all(actor)
    counted = [one for one in await lockouts.all(actor, counting=True) if not lockouts.is_locked(one)]
    return view.page(template, locked=locked, counted=counted[:_MOST_COUNTED], scopes=_SCOPES, path=path)


async def _released(view: View, actor: Actor, path: str) -> Response:
    released = await view.console.lockouts.release(actor, view.form.text("subject"))
    return view.go(path, f"{released[0].subject} was released; log-ins work everywhere within five seconds.")
