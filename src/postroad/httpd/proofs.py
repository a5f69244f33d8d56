"""The proofs that a certificate authority looks for under our names (RFC 8555 §8.3), and the door on port 80."""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

FindProof = Callable[[str], Awaitable[str | None]]
"""Returns the answer to a token of the authority, or None where it is not ours."""

PATH = "/.well-known/acme-challenge/"
# RFC 8555 §8.3: base64url without padding.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,200}\Z")


class Proofs:
    """Answers what the authority asks, in front of another application."""

    def __init__(self, app: ASGIApp, find: FindProof) -> None:
        self._app = app
        self._find = find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http" or not scope["path"].startswith(PATH):
            await self._app(scope, receive, send)
            return
        token = scope["path"].removeprefix(PATH)
        proof = await self._find(token) if _TOKEN.match(token) else None
        answer = _nothing() if proof is None else PlainTextResponse(proof, media_type="application/octet-stream")
        await answer(scope, receive, send)


def port_80_app(find: FindProof, public_url: str) -> ASGIApp:
    """Return what answers on port 80: proofs, and for all else the way to the console.

    What a mail client asks of ``autoconfig.`` or ``autodiscover.`` a sending domain is led there as well, where the
    certificate is one that it can trust.
    """

    async def lead_on(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _answer(Request(scope), public_url)(scope, receive, send)

    return Proofs(lead_on, find)


def _answer(request: Request, public_url: str) -> Response:
    place = urlsplit(public_url)
    if place.scheme != "https" or request.method not in {"GET", "HEAD"}:
        return _nothing()
    # The path as it came, so that it means the same there; the host is ours, whatever Host says.
    path = request.scope.get("raw_path", b"/").decode("ascii", "replace")
    query = request.scope["query_string"].decode("ascii", "replace")
    target = f"https://{place.netloc}/{path.lstrip('/')}{'?' if query else ''}{query}"
    # Outlook follows 302 for its autodiscovery, and no other code in every version.
    return RedirectResponse(target, 302)


def _nothing() -> Response:
    return PlainTextResponse("Nothing is here.", status_code=404)
