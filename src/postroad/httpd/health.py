"""``/healthz``, ``/readyz`` and ``/metrics``: what an orchestrator, a balancer and Prometheus ask for."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class NodeStatus(Protocol):
    """What a node knows of itself."""

    def health(self) -> dict[str, Any]:
        """Return the facts of the running processes; ``ok`` says whether they are alive."""

    async def readiness(self) -> dict[str, Any]:
        """Try what serving needs (database, workers); ``ok`` says whether mail can be taken now."""

    async def metrics(self) -> bytes:
        """Return all metrics in Prometheus' text format."""


def health_routes(status: NodeStatus) -> list[Route]:
    """Return the three routes over one node's status."""

    async def healthz(_request: Request) -> Response:
        return _verdict(status.health())

    async def readyz(_request: Request) -> Response:
        return _verdict(await status.readiness())

    async def metrics(_request: Request) -> Response:
        return Response(await status.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    pages: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/healthz": healthz,
        "/readyz": readyz,
        "/metrics": metrics,
    }
    return [Route(path, endpoint, methods=["GET"]) for path, endpoint in pages.items()]


def _verdict(facts: dict[str, Any]) -> JSONResponse:
    return JSONResponse(facts, status_code=200 if facts["ok"] else 503)
