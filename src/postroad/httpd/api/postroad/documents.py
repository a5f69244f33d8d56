"""The description of our own API, for programs and for people; it needs no key."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from postroad.dialects.json_body import json_body
from postroad.dialects.postroad.openapi import document, readable

_KEPT = {"Cache-Control": "public, max-age=300"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


async def openapi(_request: Request) -> Response:
    """Give the OpenAPI document."""
    return Response(json_body(document()), headers=_KEPT, media_type="application/json")


async def docs(_request: Request) -> Response:
    """Give the same as a page to read."""
    return HTMLResponse(readable(), headers={**_KEPT, "Content-Security-Policy": _POLICY})
