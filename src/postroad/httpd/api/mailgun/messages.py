"""``POST /v3/{domain}/messages`` and ``/messages.mime``."""

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.call import Call
from postroad.dialects.mailgun.errors import QUEUED, Refusal, domain_not_found, faulty, rejected
from postroad.dialects.mailgun.submission import read_message, read_mime
from postroad.httpd.api.mailgun.form import FormReader, reader_of, unreadable
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.httpd.api.sending import domain_for, refusal_of_way, sending_by
from postroad.httpd.api.services import ApiServices
from postroad.model.channel import MAILGUN_CHANNEL
from postroad.model.credential import KeyPrincipal
from postroad.model.submission import Rejected
from postroad.protocol.form import Form, FormError, PartCounter

_LARGEST_INLINE = 256 * 1024
"""Octets of a form that is read at once; a larger one is read in a thread, so that other calls go on meanwhile."""
_LONGEST_NAME = 253

ReadCall = Callable[[Form, str, int], Call | Refusal]


async def send(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Send a message that is put together here."""
    return await _send(services, request, key, read_message)


async def send_mime(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Send a message that the client has put together."""
    return await _send(services, request, key, read_mime)


async def _send(services: ApiServices, request: Request, key: KeyPrincipal, read_call: ReadCall) -> Response | Refusal:
    name = request.path_params["domain"]
    domain = await domain_for(services, key, name)
    if domain is None:
        return domain_not_found(name[:_LONGEST_NAME], key.sending_domain)
    way = refusal_of_way(request, key, domain)
    if way is not None:
        return Refusal(403, way)
    reader = reader_of(request)
    if isinstance(reader, Refusal):
        return reader
    sending = sending_by(services, request, key, domain, MAILGUN_CHANNEL)
    try:
        async with services.uploads.body(request, PartCounter(reader.mark).feed) as body:
            call = await _call(services, reader, body, read_call, domain.name)
            if isinstance(call, Refusal):
                await sending.note_refused(call.text, len(body))
                return call
            result = await sending.submit(call)
    except FormError as error:
        raise unreadable(error) from error
    if isinstance(result, Rejected):
        return rejected(result, domain.name, services.clock())
    return JSONResponse({"id": result.message_id_header, "message": QUEUED}, headers=NO_STORE)


async def _call(
    services: ApiServices, reader: FormReader, body: bytes, read_call: ReadCall, domain: str
) -> Call | Refusal:
    def read() -> Call | Refusal:
        form = reader.read(body)
        octets = sum(len(one.octets) for one in form.files)
        if octets > services.max_message_size:
            return faulty([f"the files have {octets} octets; a message has at most {services.max_message_size}"], 413)
        return read_call(form, domain, services.clock())

    return read() if len(body) <= _LARGEST_INLINE else await asyncio.to_thread(read)


SERVED = (
    Served("POST", "/v3/{domain}/messages", send),
    Served("POST", "/v3/{domain}/messages.mime", send_mime),
)
