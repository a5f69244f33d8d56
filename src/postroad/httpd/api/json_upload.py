"""Bodies of calls that manage: one JSON document, small enough to be read at once."""

from typing import Any

import msgspec
from starlette.requests import Request

from postroad.httpd.api.services import ApiServices
from postroad.httpd.api.uploads import UploadRefusedError, ValueCounter


async def json_of(services: ApiServices, request: Request) -> Any:
    """Return the document that a call carries; None where its body is empty. Raises UploadRefusedError."""
    async with services.uploads.body(request, ValueCounter().feed) as body:
        if not body.strip():
            return None
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UploadRefusedError(400, f"the body is no JSON: {error}") from error
