"""What is said over TLS only: that a browser may come back in no other way."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postroad.httpd.hosts import is_local_name
from postroad.httpd.tracker.app import is_asked_of_tracker

_HALF_A_YEAR = "max-age=15768000"


class StrictTransport:
    """Adds HSTS (RFC 6797) to the answers of an application that is served over TLS.

    Not for addresses and local names: browsers ignore it for the former (§8.1.1), and on a developer's machine it would
    shut out what else runs under the name. Nor for tracked links: the names that they lead over are our customers', and a
    certificate of theirs that has lapsed must not shut recipients out of links in mail that was sent long before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        name = Headers(scope=scope).get("host", "")
        if scope["type"] != "http" or is_asked_of_tracker(scope["path"]) or is_local_name(name):
            await self._app(scope, receive, send)
            return

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Strict-Transport-Security", _HALF_A_YEAR)
            await send(message)

        await self._app(scope, receive, send_with_header)
