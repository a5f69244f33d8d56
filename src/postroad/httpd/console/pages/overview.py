"""The overview: what happened lately, and what needs attention."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View


def routes() -> list[BaseRoute]:
    """Return the routes of the overview."""
    return [page("/", overview, access=Access.ACCOUNT)]


async def overview(view: View) -> Response:
    """Show the account at a glance."""
    return view.page("overview.html")
