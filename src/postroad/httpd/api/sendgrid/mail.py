"""``POST /v3/mail/send``."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.sendgrid.errors import Refusal, refusal, rejected
from postroad.dialects.sendgrid.submission import Mailing, read_call
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.httpd.api.sendgrid.batches import carry_out_again, needs_domain_key
from postroad.httpd.api.sending import Sending, domain_for, refusal_of_way, sending_by
from postroad.httpd.api.services import ApiServices
from postroad.httpd.api.uploads import ValueCounter
from postroad.model.channel import SENDGRID_CHANNEL
from postroad.model.credential import KeyPrincipal
from postroad.model.ids import text_of
from postroad.model.refused import MissingError
from postroad.model.send_batch import BatchStatus, SendBatch

_LARGEST_INLINE = 64 * 1024
"""Octets of a body that is read at once; a larger one is read in a thread, so that other calls go on meanwhile."""
_JSON = "application/json"


async def send(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Send what the personalizations of a call make; the answer is empty, and names the first message in its header."""
    if key.sending_domain is None:
        return needs_domain_key("mail/send")
    domain = await domain_for(services, key, key.sending_domain)
    if domain is None:
        return refusal(403, f"access forbidden: the sending domain {key.sending_domain} is gone")
    way = refusal_of_way(request, key, domain)
    if way is not None:
        return refusal(403, way)
    kind = request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    if kind != _JSON:
        return refusal(415, f"Content-Type should be {_JSON}, not {kind[:100]}.")
    sending = sending_by(services, request, key, domain, SENDGRID_CHANNEL)
    async with services.uploads.body(request, ValueCounter().feed) as body:
        mailing = await _read(services, body, domain.name)
        if isinstance(mailing, Refusal):
            await sending.note_refused(mailing.text, len(body))
            return mailing
        mailing = await _within_group(services, domain.id, mailing)
        if isinstance(mailing, Refusal):
            await sending.note_refused(mailing.text, len(body))
            return mailing
        batch = None if mailing.batch_id is None else await _batch(services, domain.id, mailing.batch_id)
        if isinstance(batch, Refusal):
            await sending.note_refused(batch.text, len(body))
            return batch
        answer = await _submitted(sending, mailing, is_held=batch is not None and batch.status is BatchStatus.PAUSE)
    if batch is not None:
        await carry_out_again(services, request, key, batch)
    return answer


async def _submitted(sending: Sending, mailing: Mailing, *, is_held: bool) -> Response | Refusal:
    calls = [one.call for one in mailing.parts]
    result = await sending.submit_all(calls, is_kept=not mailing.is_sandboxed, is_held=is_held)
    if not isinstance(result, tuple):
        has_several = len(calls) > 1
        reasons = [(why, mailing.parts[place].place if has_several else None) for place, why in result.by_place.items()]
        return rejected(reasons, sending.services.clock())
    if mailing.is_sandboxed:
        return Response(status_code=200, headers=NO_STORE)
    return Response(status_code=202, headers=NO_STORE | {"X-Message-Id": text_of(result[0].message_id)})


async def _within_group(services: ApiServices, domain_id: int, mailing: Mailing) -> Mailing | Refusal:
    if mailing.group_id is None:
        return mailing
    group = await services.groups.get(domain_id, mailing.group_id)
    if group is None:
        return refusal(400, f"The asm group id {mailing.group_id} is not one of this sending domain.", "asm.group_id")
    return mailing.within(group)


async def _batch(services: ApiServices, domain_id: int, batch_id: str) -> SendBatch | Refusal:
    try:
        batch = await services.batches.get(domain_id, batch_id)
    except MissingError:
        return refusal(400, "The batch_id is not valid: make one with POST /v3/mail/batch.", "batch_id")
    if batch.status is BatchStatus.CANCEL:
        return refusal(400, "The batch is cancelled; nothing more can be sent with its batch_id.", "batch_id")
    return batch


async def _read(services: ApiServices, body: bytes, domain: str) -> Mailing | Refusal:
    def read() -> Mailing | Refusal:
        return read_call(body, domain, largest=services.max_message_size)

    return read() if len(body) <= _LARGEST_INLINE else await asyncio.to_thread(read)


SERVED = (Served("POST", "/v3/mail/send", send),)
