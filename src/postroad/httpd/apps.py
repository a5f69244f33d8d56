"""The applications that a node serves, put together of their parts."""

from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.httpd.api.app import api_app
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


def web_app(console: Console, api_keys: ApiKeyCheck, *, public_url: str = "") -> ASGIApp:
    """Return what a node serves on its HTTP doors."""
    return _ByPath(api_app(api_keys), console_app(console, public_host=urlsplit(public_url).hostname or ""))


def dev_web_app(console: Console, api_keys: ApiKeyCheck, database: Database, status: NodeStatus) -> ASGIApp:
    """Return what ``postroad dev`` serves on its one port: the same, the capture inbox, and the admin routes."""
    beside = [*inbox_routes(database), *health_routes(status)]
    return _ByPath(api_app(api_keys), console_app(console, beside=beside))


class _ByPath:
    """Gives requests of the HTTP APIs to their application, and all others to the console.

    The APIs answer under every name of this node: nothing a browser keeps speaks for a program, so no other name can
    borrow it.
    """

    def __init__(self, api: ASGIApp, console: ASGIApp) -> None:
        self._api = api
        self._console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        is_api = scope["type"] == "http" and scope["path"].startswith("/api/")
        await (self._api if is_api else self._console)(scope, receive, send)
