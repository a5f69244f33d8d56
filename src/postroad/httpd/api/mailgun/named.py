"""What calls of Mailgun's API that manage have in common: the domain that the path names, and the parameters."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.mailgun.parameters import Parameters
from postroad.httpd.api.mailgun.form import form_of
from postroad.httpd.api.managing import Managing
from postroad.httpd.api.routes import NO_STORE
from postroad.model.domain import SendingDomain
from postroad.model.refused import ForbiddenError, MissingError, RefusedError

_LONGEST_NAME = 253


async def domain_of(managing: Managing, request: Request) -> SendingDomain:
    """Return the domain that the path names; raises MissingError in Mailgun's words."""
    return await domain_named(managing, request.path_params["domain"])


async def domain_named(managing: Managing, name: str) -> SendingDomain:
    """Return the account's domain of a name; raises MissingError in Mailgun's words."""
    try:
        return await managing.domain(name)
    except ForbiddenError:
        raise
    except RefusedError as error:
        raise MissingError(f"Domain not found: {name[:_LONGEST_NAME]}", field="domain") from error


async def parameters_of(managing: Managing, request: Request) -> Parameters:
    """Return what query and form say; the form stands above the query."""
    values = {name: request.query_params.getlist(name) for name in request.query_params}
    if request.method in {"POST", "PUT", "DELETE"}:
        form = await form_of(managing.services, request)
        values |= {name: form.texts(name) for name in form.fields}
        values |= {one.field: [one.octets.decode("utf-8", "replace")] for one in form.files}
    return Parameters(values)


def answered(document: dict[str, Any], status: int = 200) -> Response:
    """Return an answer that no cache keeps."""
    return JSONResponse(document, status, NO_STORE)
