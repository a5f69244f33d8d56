"""Forms as calls of Mailgun's API carry them: url-encoded or in parts."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from starlette.requests import Request

from postroad.dialects.mailgun.errors import Refusal
from postroad.httpd.api.services import ApiServices
from postroad.httpd.api.uploads import UploadRefusedError
from postroad.protocol.form import Form, FormError, PartCounter, boundary_of, read_multipart, read_urlencoded

_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"


class FormReader(msgspec.Struct, frozen=True):
    """How a body is read, by its type."""

    mark: bytes
    """What stands between two fields."""
    read: Callable[[bytes], Form]


def reader_of(request: Request) -> FormReader | Refusal:
    """Return how the body of a request is read, or why it is not."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        return Refusal(415, f"The request is compressed ({coding[:40]}); send it as it is.")
    given = request.headers.get("content-type", "")
    kind = given.partition(";")[0].strip().lower()
    if kind == _URLENCODED:
        return FormReader(b"&", read_urlencoded)
    if kind != _MULTIPART:
        return Refusal(400, f"Invalid request content type. Expecting '{_MULTIPART}' but got '{kind[:100]}'")
    try:
        boundary = boundary_of(given.encode("latin-1"))
    except FormError as error:
        return Refusal(400, f"malformed {_MULTIPART} request: it {error}")
    return FormReader(b"\r\n--" + boundary, lambda body: read_multipart(body, boundary))


async def form_of(services: ApiServices, request: Request) -> Form:
    """Return the form that a call which manages carries; without a body, an empty one. Raises UploadRefusedError."""
    async with form_in(services, request) as form:
        return form


@asynccontextmanager
async def form_in(services: ApiServices, request: Request) -> AsyncIterator[Form]:
    """Give the form that a call which manages carries, for the length of a block: with large files in it, it is counted.

    Without a body it is an empty one. Raises UploadRefusedError.
    """
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        yield Form({})
        return
    # Mailgun's own examples for Python send a form that is url-encoded by this name.
    is_misnamed = request.headers.get("content-type", "").strip().lower() == _MULTIPART
    reader = FormReader(b"&", read_urlencoded) if is_misnamed else reader_of(request)
    if isinstance(reader, Refusal):
        raise UploadRefusedError(reader.status, reader.text)
    async with services.uploads.body(request, PartCounter(reader.mark).feed) as body:
        try:
            form = reader.read(body)
        except FormError as error:
            raise unreadable(error) from error
        yield form


def unreadable(error: FormError) -> UploadRefusedError:
    """Return what is said of a body that is no form."""
    return UploadRefusedError(400, f"unable to parse request: it {error}")
