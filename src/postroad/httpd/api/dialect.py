"""One API as an application: who calls is proven, its calls are answered, and what is wrong is said in its own way."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Generic, Protocol, TypeVar

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.httpd.api.managing import status_of
from postroad.httpd.api.proof import Forbidden, Lacking, TooMany, proven
from postroad.httpd.api.routes import NO_STORE, Answering, Endpoint, Served, routes_of
from postroad.httpd.api.services import ApiServices
from postroad.httpd.api.uploads import UploadRefusedError, without_the_rest
from postroad.model.credential import KeyPrincipal
from postroad.model.refused import RefusedError, TooSoonError
from postroad.storage.errors import StorageError

log = structlog.get_logger()

# A connection that breaks while a commit is on its way leaves open whether it came through.
_AWAY = (
    "The database cannot be used at the moment. The call may or may not have been stored:"
    " try again soon, with the same idempotency key where it has one."
)
_RETRY_AFTER_S = 5


class AnyRefusal(Protocol):
    """A call that is refused, in the words of a dialect."""

    @property
    def status(self) -> int:
        """The status of HTTP."""

    @property
    def retry_after_s(self) -> int | None:
        """When another try may help; null where it will not."""


R = TypeVar("R", bound=AnyRefusal)


class Dialect(ABC, Generic[R]):
    """How an API says what is wrong."""

    failed = "Internal Server Error"
    """What is said of a fault of ours."""

    @abstractmethod
    def unproven(self, lacking: Lacking, /) -> Response:
        """Return the answer to who sends no key, or one that is not known (RFC 9110 §15.5.2)."""

    @abstractmethod
    def refusal(self, status: int, sentence: str, retry_after_s: int | None = None) -> R:
        """Return the refusal that says one sentence."""

    @abstractmethod
    def written(self, refusal: R) -> Response:
        """Return a refusal as an answer."""

    def forbidden(self, sentence: str) -> R:
        """Return the refusal of a key that does not help (RFC 9110 §15.5.4)."""
        return self.refusal(403, sentence)

    def too_many(self, sentence: str, retry_after_s: int) -> R:
        """Return the refusal of a call too many (RFC 6585 §4)."""
        return self.refusal(429, sentence, retry_after_s)

    def unanswered(self, error: HTTPException) -> R:
        """Return the refusal of a call that there is no answer to."""
        return self.refusal(error.status_code, error.detail)

    def not_done(self, error: RefusedError) -> R:
        """Return the refusal of a change that was not made."""
        return self.refusal(status_of(error), str(error))


def dialect_app(
    services: ApiServices, dialect: Dialect[R], served: Iterable[Served], *, open_to_all: Sequence[BaseRoute] = ()
) -> Starlette:
    """Return the application of a dialect: calls that need a key, and routes that need none."""
    answers = _Answers(dialect)
    return Starlette(
        routes=[*open_to_all, *routes_of(served, partial(_checked, services, answers))],
        exception_handlers={
            HTTPException: answers.unanswered,
            RefusedError: answers.not_done,
            UploadRefusedError: answers.not_taken,
            StorageError: answers.storage_is_away,
            Exception: answers.failed,
        },
    )


def _checked(services: ApiServices, answers: "_Answers[R]", endpoint: Endpoint) -> Answering:
    dialect = answers.dialect

    async def checked(request: Request) -> Response:
        match await proven(services, request):
            case Lacking() as lacking:
                return answers.last(dialect.unproven(lacking), request)
            case Forbidden(text):
                return answers.refused(dialect.forbidden(text), request)
            case TooMany(text, wait):
                return answers.refused(dialect.too_many(text, wait), request)
            case KeyPrincipal() as key:
                answer: Response | R = await endpoint(services, request, key)
                return answer if isinstance(answer, Response) else answers.refused(answer, request)

    return checked


class _Answers(Generic[R]):
    """What a dialect says, as answers that nobody keeps."""

    def __init__(self, dialect: Dialect[R]) -> None:
        self.dialect = dialect

    def refused(self, refusal: R, request: Request, headers: Mapping[str, str] | None = None) -> Response:
        answer = self.dialect.written(refusal)
        if refusal.retry_after_s is not None:
            answer.headers["Retry-After"] = str(refusal.retry_after_s)
        answer.headers.update(headers or {})
        return self.last(answer, request)

    def last(self, answer: Response, request: Request) -> Response:
        answer.headers.update(NO_STORE)
        return without_the_rest(answer, request)

    async def unanswered(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self.refused(self.dialect.unanswered(error), request, error.headers)

    async def not_done(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        if isinstance(error, TooSoonError):
            return self.refused(self.dialect.too_many(str(error), error.retry_after_s), request)
        return self.refused(self.dialect.not_done(error), request)

    async def not_taken(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, UploadRefusedError)
        return self.refused(self.dialect.refusal(error.status, str(error), error.retry_after_s), request)

    async def storage_is_away(self, request: Request, error: Exception) -> Response:
        log.warning("api_without_storage", path=request.url.path, why=str(error))
        return self.refused(self.dialect.refusal(503, _AWAY, _RETRY_AFTER_S), request)

    async def failed(self, request: Request, _error: Exception) -> Response:
        # The server logs it with its traceback.
        return self.refused(self.dialect.refusal(500, self.dialect.failed), request)
