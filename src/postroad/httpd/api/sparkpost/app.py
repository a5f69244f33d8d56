"""SparkPost's API: its calls, and its way to say what is wrong: a list of errors, each with message and code."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from postroad.dialects.sparkpost.errors import UNAUTHORIZED, Fault, Refusal, faulty, forbidden, malformed
from postroad.httpd.api.dialect import Dialect, dialect_app
from postroad.httpd.api.proof import Lacking
from postroad.httpd.api.routes import Served
from postroad.httpd.api.services import ApiServices
from postroad.httpd.api.sparkpost import (
    address_checks,
    events,
    sending_domains,
    suppression_list,
    templates,
    transmissions,
    webhooks,
)
from postroad.model.refused import ForbiddenError, MissingError, RefusedError

_SERVED: tuple[Served, ...] = (
    *transmissions.SERVED,
    *address_checks.SERVED,
    *sending_domains.SERVED,
    *suppression_list.SERVED,
    *templates.SERVED,
    *events.SERVED,
    *webhooks.SERVED,
)


class _SparkPost(Dialect[Refusal]):
    def unproven(self, _lacking: Lacking, /) -> Response:
        answer = self.written(UNAUTHORIZED)
        answer.headers["WWW-Authenticate"] = 'Basic realm="Postroad", charset="UTF-8"'
        return answer

    def refusal(self, status: int, sentence: str, retry_after_s: int | None = None) -> Refusal:
        return Refusal(status, (Fault(sentence),), retry_after_s)

    def written(self, refusal: Refusal) -> Response:
        return JSONResponse(refusal.document, refusal.status)

    def forbidden(self, sentence: str) -> Refusal:
        return forbidden(sentence)

    def too_many(self, sentence: str, retry_after_s: int) -> Refusal:
        return Refusal(429, (Fault("Too many requests", sentence),), retry_after_s)

    def unanswered(self, error: HTTPException) -> Refusal:
        fault = Fault("resource not found", code="1600") if error.status_code == 404 else Fault(error.detail)
        return Refusal(error.status_code, (fault,))

    def not_done(self, error: RefusedError) -> Refusal:
        match error:
            case MissingError():
                return Refusal(404, (Fault("resource not found", str(error), "1600"),))
            case ForbiddenError():
                return forbidden(str(error))
        return faulty([malformed(str(error))])


def sparkpost_app(services: ApiServices) -> Starlette:
    """Return the application of the paths that begin with ``/api/v1/``."""
    return dialect_app(services, _SparkPost(), _SERVED)
