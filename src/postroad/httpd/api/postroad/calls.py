"""Calls of our own API by the table of its operations: their query and body are read, their answer is written."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.postroad.operation import Operation
from postroad.dialects.postroad.paging import QueryRefusedError
from postroad.dialects.postroad.problem import Fault, Refusal, faulty
from postroad.dialects.postroad.reading import read_body, read_query
from postroad.httpd.api.json_upload import json_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.postroad.writing import json_answer
from postroad.httpd.api.routes import NO_STORE, Endpoint, Served
from postroad.httpd.api.services import ApiServices, Management
from postroad.model.credential import KeyPrincipal
from postroad.model.domain import SendingDomain
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.storage import domains

Q = TypeVar("Q")
B = TypeVar("B")

_JSON = "application/json"
_LONGEST_ID = 18
_NOT_UNDERSTOOD = "The call is not understood."


class Call(msgspec.Struct, Generic[Q, B], frozen=True, kw_only=True):
    """One call that was understood."""

    managing: Managing
    request: Request
    query: Q
    body: B

    @property
    def management(self) -> Management:
        """What the account is managed by."""
        return self.managing.management

    def id(self, name: str, what: str) -> int:
        """Return an id from the path; raises MissingError for what can be none."""
        text: str = self.request.path_params[name]
        if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID):
            raise MissingError(f"There is no {what} {text[:40]}.")
        return int(text)

    async def domain_of_path(self) -> SendingDomain:
        """Return the domain that the path names; raises MissingError, also for what is no name."""
        name: str = self.request.path_params["domain"]
        try:
            return await self.managing.domain(name)
        except MissingError:
            raise
        except RefusedError as error:
            raise MissingError(f"There is no sending domain {name[:253]}.") from error

    async def domain_id(self, name: str | None) -> int | None:
        """Return the id of the domain that a query names, if it names one. Raises MissingError."""
        if name is None:
            return None
        try:
            return (await self.managing.domain(name)).id
        except MissingError:
            raise
        except RefusedError as error:
            raise QueryRefusedError(str(error), field="domain") from error

    async def names_of(self, domain_ids: set[int]) -> dict[int, str]:
        """Return the names of domains."""
        found = await self.managing.services.database.read(domains.get_many, domain_ids)
        return {one.id: one.name for one in found}


class Created(msgspec.Struct, frozen=True):
    """What is there now, and under which path."""

    path: str
    document: msgspec.Struct


Answering = Callable[[Call[Any, Any]], Awaitable["msgspec.Struct | Created | Refusal | None"]]


def served(operation: Operation, answering: Answering) -> Served:
    """Return the route of an operation: what is wrong with a call is said before ``answering`` is asked."""

    async def endpoint(managing: Managing, request: Request) -> Response | Refusal:
        call = await _read(operation, managing, request)
        if isinstance(call, Refusal):
            return call
        answer = await answering(call)
        if isinstance(answer, Refusal):
            return answer
        if answer is None:
            return Response(status_code=204, headers=NO_STORE)
        if isinstance(answer, Created):
            written = json_answer(answer.document, 201)
            written.headers["Location"] = answer.path
            return written
        return json_answer(answer, operation.status)

    return _served(operation, managed(endpoint))


def served_as_it_is(operation: Operation, endpoint: Endpoint) -> Served:
    """Return the route of an operation whose endpoint does all by itself: only parameters that it has not are refused."""

    async def asked(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
        query = _query(operation, request)
        if isinstance(query, Refusal):
            return query
        answer: Response | Refusal = await endpoint(services, request, key)
        return answer

    return _served(operation, asked)


def _served(operation: Operation, endpoint: Endpoint) -> Served:
    async def without_nul(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
        named = [*request.path_params.items(), *request.query_params.multi_items()]
        faults = [
            Fault("It can have no NUL character.", name.replace("\0", "?"), "value")
            for name, text in named
            if "\0" in f"{name}{text}"
        ]
        if faults:
            return Refusal(400, _NOT_UNDERSTOOD, tuple(faults))
        answer: Response | Refusal = await endpoint(services, request, key)
        return answer

    return Served(operation.method, operation.whole_path, without_nul)


class _Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query of a call that takes no parameters."""


def _query(operation: Operation, request: Request) -> msgspec.Struct | Refusal:
    query = read_query(operation.query or _Nothing, request.query_params.multi_items())
    return Refusal(400, _NOT_UNDERSTOOD, tuple(query)) if isinstance(query, list) else query


async def _read(operation: Operation, managing: Managing, request: Request) -> Call[Any, Any] | Refusal:
    query = _query(operation, request)
    if isinstance(query, Refusal):
        return query
    if operation.body is None:
        return Call(managing=managing, request=request, query=query, body=None)
    kind = request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    if kind != _JSON:
        return Refusal(415, f"Send {_JSON}, not {kind[:100]}.")
    body = read_body(operation.body, await json_of(managing.services, request))
    if isinstance(body, list):
        return faulty(body)
    return Call(managing=managing, request=request, query=query, body=body)


def not_done(error: RefusedError) -> Refusal:
    """Return the refusal of a change that was not made."""
    faults = (Fault(str(error), error.field, "value"),) if error.field else ()
    match error:
        case MissingError():
            return Refusal(404, str(error), tuple(Fault(one.detail, one.field) for one in faults))
        case ForbiddenError():
            return Refusal(403, str(error))
        case QueryRefusedError():
            return Refusal(400, _NOT_UNDERSTOOD, faults)
    return faulty(faults) if faults else Refusal(409, str(error))
