"""The applications that a node serves, put together of their parts."""

from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from postroad.httpd.console.app import console_app
from postroad.httpd.console.console import Console
from postroad.httpd.console.inbox import inbox_routes
from postroad.httpd.health import NodeStatus, health_routes
from postroad.storage.database import Database


async def _say_what_is_wrong(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(error.detail, status_code=error.status_code)


def admin_app(status: NodeStatus) -> Starlette:
    """Return the application of the admin listener."""
    return Starlette(routes=health_routes(status), exception_handlers={HTTPException: _say_what_is_wrong})


def web_app(console: Console, *, public_url: str = "") -> ASGIApp:
    """Return what a node serves on its HTTP doors."""
    return console_app(console, public_host=urlsplit(public_url).hostname or "")


def dev_web_app(console: Console, database: Database, status: NodeStatus) -> ASGIApp:
    """Return what ``postroad dev`` serves on its one port: the same, the capture inbox, and the admin routes."""
    return console_app(console, beside=[*inbox_routes(database), *health_routes(status)])
