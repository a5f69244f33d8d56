"""The HTTP APIs as one application: a key is asked for before anything is said, and answers are JSON."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from postroad.accounts.api_key_check import ApiKeyCheck, KeyRefused, Refusal
from postroad.httpd.api import key
from postroad.httpd.api.authorization import key_in
from postroad.model.credential import KeyPrincipal
from postroad.storage.errors import StorageError

log = structlog.get_logger()

Endpoint = Callable[[Request, KeyPrincipal], Awaitable[Response]]

_REALM = 'realm="Postroad"'
_RETRY_AFTER_S = "5"
_FORBIDDEN = {
    Refusal.ADDRESS: "This API key may not be used from {address}.",
    Refusal.SUSPENDED: "The account of this API key is suspended.",
    Refusal.DOMAIN_GONE: "The sending domain of this API key is gone or was rejected.",
}


def api_app(keys: ApiKeyCheck) -> Starlette:
    """Return the application of the APIs; all its paths begin with ``/api/``."""
    return Starlette(
        routes=[_route(keys, "/api/postroad/v1/key", key.show)],
        exception_handlers={HTTPException: _say, StorageError: _say_storage_is_away},
    )


def _route(keys: ApiKeyCheck, path: str, endpoint: Endpoint, method: str = "GET") -> Route:
    async def checked(request: Request) -> Response:
        return await endpoint(request, await _principal(keys, request))

    return Route(path, checked, methods=[method])


async def _principal(keys: ApiKeyCheck, request: Request) -> KeyPrincipal:
    """Return who calls; raises HTTPException with what they are told (RFC 9110 §15.5.2 and §15.5.4)."""
    given = request.headers.getlist("authorization")
    text = key_in(given[0]) if len(given) == 1 else None
    if text is None:
        raise _unproven("An API key is needed: send it as `Authorization: Bearer KEY`.", f"Bearer {_REALM}")
    address = request.client.host if request.client else ""
    verdict = await keys.verify(text, address)
    if not isinstance(verdict, KeyRefused):
        return verdict
    if verdict.reason is Refusal.UNKNOWN:
        # RFC 6750 §3.1
        raise _unproven(
            "This API key is not known: it is mistyped, or was removed.", f'Bearer {_REALM}, error="invalid_token"'
        )
    raise HTTPException(403, _FORBIDDEN[verdict.reason].format(address=address or "this address"))


def _unproven(sentence: str, challenge: str) -> HTTPException:
    return HTTPException(401, sentence, {"WWW-Authenticate": f'{challenge}, Basic {_REALM}, charset="UTF-8"'})


async def _say(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _refused(error.status_code, error.detail, error.headers)


async def _say_storage_is_away(request: Request, error: Exception) -> Response:
    log.warning("api_without_storage", path=request.url.path, why=str(error))
    sentence = "The database cannot be reached at the moment; try again soon."
    return _refused(503, sentence, {"Retry-After": _RETRY_AFTER_S})


def _refused(status: int, sentence: str, headers: Mapping[str, str] | None) -> Response:
    document: dict[str, Any] = {"error": sentence}
    return JSONResponse(document, status, {"Cache-Control": "no-store", **(headers or {})})
