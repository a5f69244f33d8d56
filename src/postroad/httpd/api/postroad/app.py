"""Our own API: its calls, and its way to say what is wrong: problem details (RFC 9457)."""

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from postroad.dialects.json_body import json_body
from postroad.dialects.postroad.problem import MEDIA_TYPE, Refusal
from postroad.httpd.api.dialect import Dialect, dialect_app
from postroad.httpd.api.postroad import (
    api_keys,
    documents,
    domains,
    events,
    key,
    message_search,
    message_states,
    messages,
    smtp_users,
    statistics,
    suppressions,
    templates,
    webhooks,
)
from postroad.httpd.api.postroad.calls import not_done
from postroad.httpd.api.proof import Lacking
from postroad.httpd.api.routes import Served
from postroad.httpd.api.services import ApiServices
from postroad.model.refused import RefusedError

SERVED: tuple[Served, ...] = (
    *key.SERVED,
    *messages.SERVED,
    *message_search.SERVED,
    *message_states.SERVED,
    *events.SERVED,
    *statistics.SERVED,
    *domains.SERVED,
    *suppressions.SERVED,
    *templates.SERVED,
    *webhooks.SERVED,
    *smtp_users.SERVED,
    *api_keys.SERVED,
)
_OPEN = (Route("/api/postroad/v1/openapi.json", documents.openapi), Route("/api/postroad/v1/docs", documents.docs))
_REALM = 'realm="Postroad"'


class _Postroad(Dialect[Refusal]):
    failed = "Something went wrong here; it was noted."

    def unproven(self, lacking: Lacking, /) -> Response:
        if lacking is Lacking.KEY:
            sentence, challenge = "An API key is needed: send it as `Authorization: Bearer KEY`.", f"Bearer {_REALM}"
        else:
            sentence = "This API key is not known: it is mistyped, or was removed."
            # RFC 6750 §3.1
            challenge = f'Bearer {_REALM}, error="invalid_token"'
        answer = self.written(Refusal(401, sentence))
        answer.headers["WWW-Authenticate"] = f'{challenge}, Basic {_REALM}, charset="UTF-8"'
        return answer

    def refusal(self, status: int, sentence: str, retry_after_s: int | None = None) -> Refusal:
        return Refusal(status, sentence, (), retry_after_s)

    def not_done(self, error: RefusedError) -> Refusal:
        return not_done(error)

    def written(self, refusal: Refusal) -> Response:
        return Response(json_body(refusal.problem), refusal.status, media_type=MEDIA_TYPE)


def postroad_app(services: ApiServices) -> Starlette:
    """Return the application of the paths that begin with ``/api/postroad/``."""
    return dialect_app(services, _Postroad(), SERVED, open_to_all=_OPEN)
