"""What the dialects' modules of endpoints say of themselves: which call is answered by what."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from postroad.httpd.api.services import ApiServices
from postroad.model.credential import KeyPrincipal

NO_STORE = {"Cache-Control": "no-store"}
"""What every answer has that is about somebody's account."""
Endpoint = Callable[[ApiServices, Request, KeyPrincipal], Awaitable[Any]]
"""Returns a response, or the refusal of its dialect."""


Answering = Callable[[Request], Awaitable[Response]]


class Served(msgspec.Struct, frozen=True):
    """A call that is answered."""

    method: str
    path: str
    endpoint: Endpoint


def routes_of(served: Iterable[Served], checked: Callable[[Endpoint], Answering]) -> list[Route]:
    """Return the routes of calls, each answered by what ``checked`` makes of its endpoint.

    Clients follow no redirects: a path is served with a slash at its end and without.
    """
    by_path: dict[str, dict[str, Answering]] = {}
    for one in served:
        by_path.setdefault(one.path, {})[one.method] = checked(one.endpoint)
    return [
        Route(path + end, _by_method(answering), methods=list(answering))
        for path, answering in by_path.items()
        for end in ("", "/")
    ]


def _by_method(answering: Mapping[str, Answering]) -> Answering:
    async def answer(request: Request) -> Response:
        # Starlette answers HEAD where there is GET.
        return await answering["GET" if request.method == "HEAD" else request.method](request)

    return answer
