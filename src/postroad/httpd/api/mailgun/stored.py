"""Stored messages, and what waits of a domain: looked at, sent again, cancelled."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.mailgun.errors import QUEUED, Refusal, rejected
from postroad.dialects.mailgun.stored import as_sent, taken_apart
from postroad.dialects.mailgun.submission import read_mime
from postroad.httpd.api.mailgun.form import form_of
from postroad.httpd.api.mailgun.named import domain_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.httpd.api.sending import refusal_of_way, sending_by
from postroad.httpd.api.services import ApiServices
from postroad.model.channel import MAILGUN_CHANNEL
from postroad.model.credential import KeyPrincipal
from postroad.model.domain import SendingDomain
from postroad.model.ids import from_text
from postroad.model.message import Message
from postroad.model.refused import MissingError
from postroad.model.submission import Rejected
from postroad.protocol.form import Form

_WHOLE = "message/rfc2822"
_NOT_FOUND = "message not found"


class _Stored(msgspec.Struct, frozen=True):
    domain: SendingDomain
    message: Message
    recipients: tuple[str, ...]
    content: bytes


async def show(managing: Managing, request: Request) -> Response:
    """Show a message: its parts, or all in one piece where the caller accepts that."""
    stored = await _stored(managing, request)
    tell = as_sent if _WHOLE in request.headers.get("accept", "") else taken_apart
    document = await asyncio.to_thread(tell, stored.message, stored.recipients, stored.content)
    return JSONResponse(document, headers=NO_STORE)


async def resend(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Send a message again, as it is, to others."""
    stored = await managed(_stored)(services, request, key)
    if (way := refusal_of_way(request, key, stored.domain)) is not None:
        return Refusal(403, way)
    form = await form_of(services, request)
    call = read_mime(
        Form({"to": form.fields.get("to", []), "message": [stored.content]}), stored.domain.name, services.clock()
    )
    if isinstance(call, Refusal):
        return call
    result = await sending_by(services, request, key, stored.domain, MAILGUN_CHANNEL).submit(call)
    if isinstance(result, Rejected):
        return rejected(result, stored.domain.name, services.clock())
    return JSONResponse({"id": result.message_id_header, "message": QUEUED}, headers=NO_STORE)


async def queues(managing: Managing, request: Request) -> Response:
    """Say whether a domain takes mail."""
    domain = await domain_of(managing, request)
    queue = {
        "is_disabled": domain.paused_at is not None,
        "disabled": {"until": "", "reason": domain.pause_reason if domain.paused_at is not None else ""},
    }
    return JSONResponse({"regular": queue, "scheduled": queue}, headers=NO_STORE)


async def cancel(managing: Managing, request: Request) -> Response | Refusal:
    """Cancel all that waits of a domain."""
    domain = await domain_of(managing, request)
    if await managing.management.messages.cancel_waiting(managing.actor, domain):
        return JSONResponse({"message": "done"}, headers=NO_STORE)
    return Refusal(503, "More waits than one call cancels: make it again.", 1)


async def _stored(managing: Managing, request: Request) -> _Stored:
    domain = await domain_of(managing, request)
    try:
        message_id = from_text(request.path_params["key"])
    except ValueError as error:
        raise MissingError(_NOT_FOUND) from error
    messages = managing.management.messages
    try:
        story = await messages.story(managing.actor, message_id)
    except MissingError as error:
        raise MissingError(_NOT_FOUND) from error
    content = await messages.content(managing.actor, message_id)
    if content is None or story.message.domain_id != domain.id:
        raise MissingError(_NOT_FOUND)
    return _Stored(domain, story.message, tuple(one.recipient for one in story.deliveries), content)


_ONE = "/v3/domains/{domain}/messages/{key}"
SERVED = (
    Served("GET", _ONE, managed(show)),
    Served("POST", _ONE, resend),
    Served("GET", "/v3/domains/{domain}/sending_queues", managed(queues)),
    Served("DELETE", "/v3/{domain}/envelopes", managed(cancel)),
)
