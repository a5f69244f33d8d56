"""``/api/v1/transmissions``: sending, what became of it, and taking back what is scheduled."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.sparkpost.errors import (
    NOT_FOUND,
    PARTLY,
    Fault,
    Refusal,
    faulty,
    forbidden,
    malformed,
    missing,
    rejected,
)
from postroad.dialects.sparkpost.submission import Transmission, read_document, read_transmission, sender_domain
from postroad.httpd.api.managing import actor_of
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.httpd.api.sending import Sending, domain_for, refusal_of_way, sending_by
from postroad.httpd.api.services import ApiServices
from postroad.httpd.api.uploads import ValueCounter
from postroad.messages import transmissions
from postroad.messages.transmissions import new_batch_id
from postroad.model.channel import SPARKPOST_CHANNEL
from postroad.model.credential import KeyPrincipal
from postroad.model.delivery import DeliveryState
from postroad.model.domain import SendingDomain
from postroad.model.ids import text_of
from postroad.model.user import Role

T = TypeVar("T")

_LARGEST_INLINE = 32 * 1024
"""Octets of a body without substitutions that is read at once; any other is read in a thread, so that other calls go on."""
_JSON = "application/json"


async def send(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Send a transmission; recipients that are none are left out and told, the others get it."""
    kind = request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    if kind != _JSON:
        return Refusal(415, (Fault("unsupported content type", f"send {_JSON}, not {kind[:100]}", "1700"),))
    most_errors = _most_errors(request)
    if isinstance(most_errors, Refusal):
        return most_errors
    # Who may not send is told before the body has come, where its From need not be known for that.
    domain = None if key.sending_domain is None else await _domain(services, request, key, key.sending_domain)
    if isinstance(domain, Refusal):
        return domain
    async with services.uploads.body(request, ValueCounter().feed) as body:
        document = await _aside(body, lambda: read_document(body))
        if isinstance(document, Refusal):
            return document
        if domain is None:
            domain = await _domain(services, request, key, sender_domain(document))
        if isinstance(domain, Refusal):
            return domain
        sending = sending_by(services, request, key, domain, SPARKPOST_CHANNEL)
        largest = services.max_message_size
        read = await _aside(body, lambda: read_transmission(document, domain.name, largest=largest))
        if isinstance(read, Refusal):
            await sending.note_refused(read.text, len(body))
            return read
        return await _submitted(sending, read, most_errors)


async def show(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Say how a transmission stands."""
    found = await _found(services, request, key)
    if found is None:
        return NOT_FOUND
    return JSONResponse({"results": {"transmission": _document(found, services.clock())}}, headers=NO_STORE)


async def list_scheduled(services: ApiServices, request: Request, key: KeyPrincipal) -> Response:
    """List the transmissions whose time has not come, newest first."""
    campaign = request.query_params.get("campaign_id")
    template = request.query_params.get("template_id")
    found, _ = await services.transmissions.scheduled(key.key.account_id, key.key.domain_id, campaign)
    told: dict[str, dict[str, Any]] = {}
    for one in found:
        options = one.message.options
        if template is not None and (options.template is None or options.template.name != template):
            continue
        name = text_of(transmissions.first_of(one.message))
        document = told.setdefault(name, {"id": name, "state": "submitted", "num_rcpts": 0, "content": {}})
        document["num_rcpts"] += one.message.recipient_count
        if options.tags:
            document["campaign_id"] = options.tags[0]
        if options.template is not None:
            document["content"] = {"template_id": options.template.name}
    return JSONResponse({"results": list(told.values())}, headers=NO_STORE)


async def cancel_campaign(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Take back all transmissions of a campaign whose time has not come."""
    campaign = request.query_params.get("campaign_id")
    if not campaign:
        return faulty([missing("campaign_id, which says what is deleted")])
    actor = actor_of(request, key, Role.USER)
    if await services.transmissions.cancel_campaign(actor, key.key.account_id, key.key.domain_id, campaign):
        return Response(status_code=204, headers=NO_STORE)
    return Refusal(503, (Fault("More of the campaign is scheduled than one call deletes: make it again."),), 1)


async def cancel(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Take back a transmission whose time has not come."""
    found = await _found(services, request, key)
    if found is None:
        return NOT_FOUND
    now = services.clock()
    starts_at = _starts_at(found)
    if starts_at is None or starts_at <= now:
        return Refusal(
            409,
            (
                Fault(
                    "resource conflict",
                    "The transmission has begun already; only a scheduled one can be deleted.",
                    "2003",
                ),
            ),
        )
    actor = actor_of(request, key, Role.USER)
    await services.transmissions.cancel(actor, found)
    return Response(status_code=204, headers=NO_STORE)


async def _aside(body: bytes, work: Callable[[], T]) -> T:
    # A few octets of substitutions can ask for seconds of work, written out or in escapes of JSON.
    is_light = len(body) <= _LARGEST_INLINE and b"{{" not in body and b"\\u00" not in body
    return work() if is_light else await asyncio.to_thread(work)


def _most_errors(request: Request) -> int | Refusal | None:
    """Return how many faults of recipients an answer may list; null for all."""
    text = request.query_params.get("num_rcpt_errors")
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        return Refusal(400, (malformed(f"num_rcpt_errors must be a number, not {text[:40]}"),))
    return int(text)


async def _domain(
    services: ApiServices, request: Request, key: KeyPrincipal, name: str | None
) -> SendingDomain | Refusal:
    """Return the domain of a name, if the key sends for it, and may do so the way that the call came."""
    if name is None:
        sentence = "content.from, whose domain says which sending domain sends with a key of the whole account"
        return faulty([missing(sentence)])
    domain = await domain_for(services, key, name)
    if domain is None:
        sentence = f"Unconfigured or unverified sending domain. This key does not send for {name}."
        return faulty([Fault("Invalid domain", sentence, "7001")])
    way = refusal_of_way(request, key, domain)
    return domain if way is None else forbidden(way)


async def _submitted(sending: Sending, read: Transmission, most_errors: int | None) -> Response | Refusal:
    calls = read.calls
    if len(calls) > 1:
        batch_id = new_batch_id()
        calls = tuple(
            msgspec.structs.replace(one, options=msgspec.structs.replace(one.options, batch_id=batch_id))
            for one in calls
        )
    result = await sending.submit_all(calls)
    if not isinstance(result, tuple):
        return rejected(result.by_place.values(), sending.domain.name, sending.services.clock())
    results: dict[str, Any] = {
        "total_rejected_recipients": read.rejected,
        "total_accepted_recipients": read.accepted,
        "id": text_of(result[0].message_id),
    }
    answer: dict[str, Any] = {"results": results}
    if read.recipient_faults:
        answer["errors"] = [msgspec.to_builtins(PARTLY)]
        results["rcpt_to_errors"] = msgspec.to_builtins(read.recipient_faults[:most_errors])
    return JSONResponse(answer, headers=NO_STORE)


async def _found(services: ApiServices, request: Request, key: KeyPrincipal) -> transmissions.Transmission | None:
    name = request.path_params["transmission_id"]
    return await services.transmissions.find(name, key.key.account_id, key.key.domain_id)


def _starts_at(found: transmissions.Transmission) -> int | None:
    return found.messages[0].options.deliver_at


def _document(found: transmissions.Transmission, now: int) -> dict[str, Any]:
    options = found.messages[0].options
    starts_at = _starts_at(found)
    states = [one.state for one in found.deliveries]
    if states and all(one is DeliveryState.CANCELLED for one in states):
        state = "Canceled"
    elif starts_at is not None and starts_at > now:
        state = "submitted"
    else:
        state = "Success" if all(one.is_final for one in states) else "Generating"
    given: dict[str, Any] = {
        "open_tracking": bool(options.tracks_opens),
        "click_tracking": bool(options.tracks_clicks),
        "transactional": options.ignores_unsubscribes,
    }
    if starts_at is not None:
        given["start_time"] = datetime.fromtimestamp(starts_at / 1000, UTC).isoformat(timespec="seconds")
    document: dict[str, Any] = {
        "id": found.id,
        "state": state,
        "num_rcpts": len(states),
        "num_generated": sum(one.is_final and one is not DeliveryState.CANCELLED for one in states),
        "num_failed_gen": sum(one is DeliveryState.SUPPRESSED for one in states),
        "options": given,
        "return_path": found.messages[0].reverse_path,
        "content": {"from": {"email": found.messages[0].header_from}, "subject": found.messages[0].subject},
    }
    if options.tags:
        document["campaign_id"] = options.tags[0]
    if options.template is not None:
        document["content"]["template_id"] = options.template.name
    return document


_ALL, _ONE = "/api/v1/transmissions", "/api/v1/transmissions/{transmission_id}"
SERVED = (
    Served("POST", _ALL, send),
    Served("GET", _ALL, list_scheduled),
    Served("DELETE", _ALL, cancel_campaign),
    Served("GET", _ONE, show),
    Served("DELETE", _ONE, cancel),
)
