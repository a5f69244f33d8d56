"""What belongs to every page: the choice of account and of sending domain."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.httpd.console import cookies
from postroad.httpd.console.route import Access, own_path, page
from postroad.httpd.console.view import View
from postroad.model.refused import MissingError


def routes() -> list[BaseRoute]:
    """Return the routes of the choices."""
    return [
        page("/switch-account", switch_account, access=Access.PERSON, methods=("POST",)),
        page("/choose-domain", choose_domain, access=Access.ACCOUNT, methods=("POST",)),
        page("/credentials", credentials, access=Access.ACCOUNT),
        page("/settings", settings, access=Access.ACCOUNT),
    ]


async def credentials(view: View) -> Response:
    """Go to the first tab of the credentials."""
    return view.go("/credentials/smtp-users")


async def settings(view: View) -> Response:
    """Go to the first tab of the settings."""
    return view.go("/settings/users")


async def switch_account(view: View) -> Response:
    """Look at another account from now on."""
    account_id = view.form.number("account")
    await view.console.sessions.switch(view.signed_in, account_id)
    response = view.go("/" if account_id is not None else "/accounts")
    cookies.choose_domain(response, None)
    return response


async def choose_domain(view: View) -> Response:
    """Keep one sending domain chosen over the pages, or all of them."""
    chosen = view.form.number("domain")
    if chosen is not None and all(domain.id != chosen for domain in view.domains):
        raise MissingError("There is no such domain.")
    response = view.go(own_path(view.form.text("next")))
    cookies.choose_domain(response, chosen)
    return response
