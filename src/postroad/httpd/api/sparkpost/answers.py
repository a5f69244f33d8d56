"""What SparkPost's calls that manage have in common: their bodies, their answers, and which domain they are about."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.sparkpost.errors import Fault, Refusal
from postroad.httpd.api.json_upload import json_of
from postroad.httpd.api.managing import Managing
from postroad.httpd.api.routes import NO_STORE
from postroad.model.domain import SendingDomain
from postroad.model.refused import MissingError, RefusedError


def answered(results: Any, **beside: Any) -> Response:
    """Return an answer with results, and what stands beside them."""
    return JSONResponse({"results": results, **beside}, headers=NO_STORE)


def nothing() -> Response:
    """Return the answer to what is done and needs no words."""
    return Response(status_code=204, headers=NO_STORE)


def conflict(description: str) -> Refusal:
    """Return the answer to what is there already."""
    return Refusal(409, (Fault("resource conflict", description, "1602"),))


async def object_of(managing: Managing, request: Request) -> dict[str, Any]:
    """Return the JSON object that a call carries; raises RefusedError for another document."""
    document = await json_of(managing.services, request)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise RefusedError("the body must be a JSON object")
    return document


async def domains_of(managing: Managing, name: str | None) -> list[SendingDomain]:
    """Return the sending domain of a name, or all of the account where none is said; raises MissingError."""
    found = await managing.domains(name)
    if not found:
        raise MissingError("This account has no sending domain.")
    return found


async def one_domain(managing: Managing, name: str | None) -> SendingDomain:
    """Return the sending domain of a name, or the account's only one; raises RefusedError where it is not known which."""
    found = await domains_of(managing, name)
    if len(found) > 1:
        raise RefusedError("domain is required: this account has several sending domains", field="domain")
    return found[0]
