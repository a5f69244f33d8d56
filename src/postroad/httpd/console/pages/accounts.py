"""Accounts, for operators: the list of them, a new one, and suspending one."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.model.refused import RefusedError


def routes() -> list[BaseRoute]:
    """Return the routes of the accounts."""
    return [
        page("/accounts", list_accounts, access=Access.OPERATOR),
        page("/accounts/new", new_account, access=Access.OPERATOR),
        page("/accounts/new", add_account, access=Access.OPERATOR, methods=("POST",)),
        page("/accounts/{name}/suspend", ask_suspend, access=Access.OPERATOR),
        page("/accounts/{name}/suspend", suspend, access=Access.OPERATOR, methods=("POST",)),
        page("/accounts/{name}/resume", resume, access=Access.OPERATOR, methods=("POST",)),
    ]


async def list_accounts(view: View) -> Response:
    """Show every account of the installation."""
    return view.page("accounts.html", accounts=await view.console.accounts.all(view.operator))


async def new_account(view: View) -> Response:
    """Ask for the name of a new account."""
    return view.page("account_new.html", form=Form())


async def add_account(view: View) -> Response:
    """Add an account."""
    try:
        added = await view.console.accounts.add(view.operator, view.form.text("name"))
    except RefusedError as error:
        return view.page("account_new.html", status=422, form=view.form.refuse(error))
    return view.go("/accounts", f"Account {added.name} was added.")


async def ask_suspend(view: View) -> Response:
    """Ask before an account's mail is stopped."""
    account = await view.console.accounts.find(view.operator, view.request.path_params["name"])
    return view.page("account_suspend.html", account=account)


async def suspend(view: View) -> Response:
    """Refuse an account's log-ins from now on."""
    account = await view.console.accounts.suspend(view.operator, view.request.path_params["name"])
    return view.go("/accounts", f"Account {account.name} is suspended.")


async def resume(view: View) -> Response:
    """Let a suspended account go on."""
    account = await view.console.accounts.resume(view.operator, view.request.path_params["name"])
    return view.go("/accounts", f"Account {account.name} may send again.")
