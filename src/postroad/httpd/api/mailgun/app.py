"""Mailgun's API: its calls, and its way to say what is wrong: ``{"message": …}``, and ``Forbidden`` to wrong keys."""

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response

from postroad.dialects.mailgun.errors import FORBIDDEN, Refusal
from postroad.httpd.api.dialect import Dialect, dialect_app
from postroad.httpd.api.mailgun import (
    address_checks,
    credentials,
    dkim_keys,
    domains,
    events,
    inbound_routes,
    keys,
    list_checks,
    messages,
    settings,
    stats,
    stored,
    suppressions,
    tags,
    templates,
    webhooks,
)
from postroad.httpd.api.proof import Lacking
from postroad.httpd.api.routes import Served
from postroad.httpd.api.services import ApiServices

_SERVED: tuple[Served, ...] = (
    *messages.SERVED,
    *address_checks.SERVED,
    *list_checks.SERVED,
    *domains.SERVED,
    *settings.SERVED,
    *credentials.SERVED,
    *dkim_keys.SERVED,
    *keys.SERVED,
    *webhooks.SERVED,
    *inbound_routes.SERVED,
    *stats.SERVED,
    *suppressions.SERVED,
    *tags.SERVED,
    *templates.SERVED,
    *events.SERVED,
    *stored.SERVED,
)


class _Mailgun(Dialect[Refusal]):
    def unproven(self, _lacking: Lacking, /) -> Response:
        return PlainTextResponse(FORBIDDEN, 401, {"WWW-Authenticate": 'Basic realm="Postroad", charset="UTF-8"'})

    def refusal(self, status: int, sentence: str, retry_after_s: int | None = None) -> Refusal:
        return Refusal(status, sentence, retry_after_s)

    def written(self, refusal: Refusal) -> Response:
        return JSONResponse(refusal.document, refusal.status)


def mailgun_app(services: ApiServices) -> Starlette:
    """Return the application of Mailgun's paths."""
    return dialect_app(services, _Mailgun(), _SERVED)
