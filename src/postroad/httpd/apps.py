"""The applications that a node serves, put together of their routes."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from postroad.httpd.console.inbox import inbox_routes
from postroad.httpd.console.security import LocalNamesOnly, SecurityHeaders
from postroad.httpd.health import NodeStatus, health_routes
from postroad.storage.database import Database


async def _say_what_is_wrong(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(error.detail, status_code=error.status_code)


def admin_app(status: NodeStatus) -> Starlette:
    """Return the application of the admin listener."""
    return Starlette(routes=health_routes(status), exception_handlers={HTTPException: _say_what_is_wrong})


def dev_app(database: Database, status: NodeStatus) -> Starlette:
    """Return what ``postroad dev`` serves: the capture inbox, and the admin routes on the same port."""
    return Starlette(
        routes=[*health_routes(status), *inbox_routes(database)],
        middleware=[Middleware(SecurityHeaders), Middleware(LocalNamesOnly)],
        exception_handlers={HTTPException: _say_what_is_wrong},
    )
