"""The applications that a node serves, put together of their parts."""

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from postroad.httpd.health import NodeStatus, health_routes


async def _say_what_is_wrong(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(error.detail, status_code=error.status_code)


def admin_app(status: NodeStatus) -> Starlette:
    """Return the application of the admin listener."""
    return Starlette(routes=health_routes(status), exception_handlers={HTTPException: _say_what_is_wrong})


class ByPath:
    """Hands each request to the application whose path it begins with, the longest first, else to ``otherwise``."""

    def __init__(self, otherwise: ASGIApp, by_path: Mapping[str, ASGIApp]) -> None:
        self._otherwise = otherwise
        self._by_path = sorted(by_path.items(), key=lambda pair: len(pair[0]), reverse=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        path = scope.get("path", "")
        app = next((app for prefix, app in self._by_path if path.startswith(prefix)), self._otherwise)
        await app(scope, receive, send)
