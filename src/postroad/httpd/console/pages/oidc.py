"""The way to an OpenID provider and back, for the button on the sign-in page."""

from urllib.parse import quote

from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from postroad.accounts.people.oidc import CALLBACK_PATH, JOURNEY_MS, OidcSignIn
from postroad.httpd.console import cookies
from postroad.httpd.console.pages.sign_in import enter, refused
from postroad.httpd.console.route import SIGN_IN_PATH, Access, own_path, page
from postroad.httpd.console.view import View
from postroad.model.refused import MissingError, RefusedError

BEGIN_PATH = "/sign-in/oidc"


def routes() -> list[BaseRoute]:
    """Return the routes of signing in by a provider."""
    return [
        page(BEGIN_PATH, begin, access=Access.ANYBODY),
        page(CALLBACK_PATH, finish, access=Access.ANYBODY),
    ]


async def begin(view: View) -> Response:
    """Send the browser to the provider; a link and no form, because a form may not lead to another site."""
    service = _service(view)
    wanted = own_path(view.request.query_params.get("next", ""))
    # Another site must not make somebody sign in.
    if view.request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        return view.go(f"{SIGN_IN_PATH}?next={quote(wanted)}")
    try:
        begun = await service.begin(wanted)
    except RefusedError as error:
        return refused(view, str(error), wanted)
    response = RedirectResponse(begun.url, status_code=303)
    cookies.write_journey(view.request, response, begun.browser, JOURNEY_MS // 1000)
    return response


async def finish(view: View) -> Response:
    """Sign in whoever the provider has proven."""
    service = _service(view)
    try:
        arrived = await service.finish(
            dict(view.request.query_params), cookies.journey(view.request), view.client_address
        )
    except RefusedError as error:
        response = refused(view, str(error))
    else:
        response = await enter(view, arrived.user, "oidc", arrived.next_path)
    cookies.drop_journey(view.request, response)
    return response


def _service(view: View) -> OidcSignIn:
    if view.console.oidc is None:
        raise MissingError("There is no such page.")
    return view.console.oidc
