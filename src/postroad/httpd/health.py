"""What an orchestrator, a balancer, Prometheus and the operator ask of a node."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from postroad.model.ids import from_text


class NodeStatus(Protocol):
    """What a node knows of itself."""

    def health(self) -> dict[str, Any]:
        """Return the facts of the running processes; ``ok`` says whether they are alive."""

    async def readiness(self) -> dict[str, Any]:
        """Try what serving needs (database, workers); ``ok`` says whether mail can be taken now."""

    async def metrics(self) -> bytes:
        """Return all metrics in Prometheus' text format."""

    async def why(self, delivery_id: int) -> str | None:
        """Return which limit a delivery waits for; None where no worker of this node holds it."""


def health_routes(status: NodeStatus) -> list[Route]:
    """Return the routes over one node's status: ``/healthz``, ``/readyz``, ``/metrics`` and ``/why/{delivery}``."""

    async def healthz(_request: Request) -> Response:
        return _verdict(status.health())

    async def readyz(_request: Request) -> Response:
        return _verdict(await status.readiness())

    async def metrics(_request: Request) -> Response:
        return Response(await status.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def why(request: Request) -> Response:
        try:
            delivery_id = from_text(request.path_params["delivery"])
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=404)
        return JSONResponse({"reason": await status.why(delivery_id)})

    pages: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/healthz": healthz,
        "/readyz": readyz,
        "/metrics": metrics,
        "/why/{delivery}": why,
    }
    return [Route(path, endpoint, methods=["GET"]) for path, endpoint in pages.items()]


def _verdict(facts: dict[str, Any]) -> JSONResponse:
    return JSONResponse(facts, status_code=200 if facts["ok"] else 503)


def admin_app(status: NodeStatus) -> Starlette:
    """Return the application of the admin listener, which needs nothing of what workers serve."""
    return Starlette(routes=health_routes(status), exception_handlers={HTTPException: _say_what_is_wrong})


async def _say_what_is_wrong(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(error.detail, status_code=error.status_code)
