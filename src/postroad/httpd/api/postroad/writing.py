"""How answers of our own API are written."""

from starlette.responses import Response

from postroad.dialects.json_body import json_body
from postroad.httpd.api.routes import NO_STORE


def json_answer(document: object, status: int = 200) -> Response:
    """Return an answer in JSON that nobody keeps."""
    return Response(json_body(document), status, NO_STORE, "application/json")
