"""Vetting, for operators: the domains of all accounts that wait for a decision."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import Flash, View
from postroad.model.domain import DomainState


def routes() -> list[BaseRoute]:
    """Return the routes of the vetting queue."""
    return [
        page("/vetting", list_waiting, access=Access.OPERATOR),
        page("/vetting/{domain}/approve", approve, access=Access.OPERATOR, methods=("POST",)),
        page("/vetting/{domain}/reject", ask_reject, access=Access.OPERATOR),
        page("/vetting/{domain}/reject", reject, access=Access.OPERATOR, methods=("POST",)),
    ]


async def list_waiting(view: View) -> Response:
    """Show what waits, oldest first, and what was rejected."""
    domains = await view.console.registration.all(view.operator)
    accounts = {account.id: account for account in await view.console.accounts.all(view.operator)}
    waiting = sorted((one for one in domains if one.state is DomainState.VETTING), key=lambda one: one.created_at)
    rejected = [one for one in domains if one.state is DomainState.REJECTED]
    return view.page("vetting.html", waiting=waiting, rejected=rejected, accounts=accounts)


async def approve(view: View) -> Response:
    """Let a domain be verified."""
    domain = await view.console.registration.approve(view.operator, view.request.path_params["domain"])
    return view.go("/vetting", f"{domain.name} was approved.")


async def ask_reject(view: View) -> Response:
    """Ask before a domain is refused for good."""
    domain = await view.console.registration.find(view.operator, view.request.path_params["domain"])
    return view.page("domain_reject.html", domain=domain)


async def reject(view: View) -> Response:
    """Refuse a domain for good."""
    domain = await view.console.registration.reject(view.operator, view.request.path_params["domain"])
    return view.go("/vetting", Flash(f"{domain.name} was rejected.", "warn"))
