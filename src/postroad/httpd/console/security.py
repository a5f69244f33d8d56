"""Headers that every page of the console carries."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postroad.httpd.hosts import is_local_name, name_of

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
FOREIGN_HTML_POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; frame-ancestors 'self'"
)
"""For HTML that somebody mailed: no script, no forms, no request to anywhere, an origin of its own."""
CAPTURED_HTML_POLICY = FOREIGN_HTML_POLICY.replace("sandbox;", "sandbox allow-popups allow-popups-to-escape-sandbox;")
"""For that of a captured message: whoever clicks a link of it sees where it leads, in a window of its own."""


class OwnHostOnly:
    """Answers only under the console's own name, and under addresses and names that nobody can register.

    A page of the Internet that somebody looks at can have its own name lead to this machine (DNS rebinding), and would
    then read what has no login, such as the inbox of dev; and a customer's tracking host leads here too, whose pages
    are not ours. The browser says in Host which name that was.
    """

    def __init__(self, app: ASGIApp, public_host: str = "") -> None:
        self._app = app
        self._public_host = public_host.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] == "http" and not self._is_own(Headers(scope=scope).get("host", "")):
            # RFC 9110 §15.5.20
            name = self._public_host or "this machine's address, or a name without dots"
            answer = PlainTextResponse(f"The console is not served under this name. Use {name}.", status_code=421)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_own(self, host: str) -> bool:
        return is_local_name(host) or (bool(self._public_host) and name_of(host) == self._public_host)


class SecurityHeaders:
    """Adds the console's security headers where a response has not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("X-Frame-Options", "SAMEORIGIN")
                headers.setdefault("Referrer-Policy", "same-origin")
                headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)
