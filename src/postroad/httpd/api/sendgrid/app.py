"""SendGrid's API: its calls, and its way to say what is wrong: a list of errors, each with its field."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from postroad.dialects.sendgrid.errors import UNKNOWN_KEY, UNPROVEN, Refusal, refusal
from postroad.httpd.api.dialect import Dialect, dialect_app
from postroad.httpd.api.managing import status_of
from postroad.httpd.api.proof import Lacking
from postroad.httpd.api.routes import Served
from postroad.httpd.api.sendgrid import (
    address_checks,
    api_keys,
    batches,
    event_webhooks,
    groups,
    mail,
    sending_domains,
    statistics,
    suppressions,
    templates,
)
from postroad.httpd.api.services import ApiServices
from postroad.model.refused import RefusedError

_SERVED: tuple[Served, ...] = (
    *mail.SERVED,
    *batches.SERVED,
    *address_checks.SERVED,
    *suppressions.SERVED,
    *groups.SERVED,
    *event_webhooks.SERVED,
    *statistics.SERVED,
    *templates.SERVED,
    *api_keys.SERVED,
    *sending_domains.SERVED,
)


class _SendGrid(Dialect[Refusal]):
    def unproven(self, lacking: Lacking, /) -> Response:
        answer = self.written(UNPROVEN if lacking is Lacking.KEY else UNKNOWN_KEY)
        answer.headers["WWW-Authenticate"] = 'Bearer realm="Postroad"'
        return answer

    def refusal(self, status: int, sentence: str, retry_after_s: int | None = None) -> Refusal:
        return refusal(status, sentence, retry_after_s=retry_after_s)

    def written(self, refusal: Refusal) -> Response:
        return JSONResponse(refusal.document, refusal.status)

    def unanswered(self, error: HTTPException) -> Refusal:
        return refusal(error.status_code, error.detail.lower())

    def not_done(self, error: RefusedError) -> Refusal:
        return refusal(status_of(error), str(error), error.field or None)


def sendgrid_app(services: ApiServices) -> Starlette:
    """Return the application of SendGrid's paths."""
    return dialect_app(services, _SendGrid(), _SERVED)
