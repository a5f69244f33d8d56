"""``/api/postroad/v1/messages``: sending, looking what would be sent, and taking back what has not left."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.call import Call
from postroad.dialects.headers.values import OptionValueError, read_key, read_switch
from postroad.dialects.postroad.answers import (
    AcceptedMessage,
    AcceptedMessages,
    Cancelled,
    instant,
    shown,
)
from postroad.dialects.postroad.explained import Looked, copied, explanation, may_have
from postroad.dialects.postroad.message import LONGEST_KEY, MOST_MESSAGES, NewMessage, SendingQuery, read_new_message
from postroad.dialects.postroad.problem import Fault, Refusal, faulty, rejected
from postroad.dialects.postroad.reading import read_query
from postroad.dialects.postroad.submission import author_domain, read_call
from postroad.httpd.api.managing import actor_of
from postroad.httpd.api.postroad.writing import json_answer
from postroad.httpd.api.routes import Served
from postroad.httpd.api.sending import Sending, domain_for, refusal_of_way, sending_by
from postroad.httpd.api.services import ApiServices
from postroad.httpd.api.uploads import ValueCounter
from postroad.messages.shown_options import document_of
from postroad.messages.transmissions import Transmission
from postroad.model.channel import POSTROAD_CHANNEL
from postroad.model.credential import KeyPrincipal
from postroad.model.dedupe import NamedCall
from postroad.model.delivery import Delivery
from postroad.model.domain import SendingDomain
from postroad.model.ids import text_of
from postroad.model.user import Role
from postroad.policy.dedupe import named_call
from postroad.policy.explanation import Copy, NoCopy

_LARGEST_INLINE = 64 * 1024
"""Octets of a body that is read at once; a larger one is read in a thread, so that other calls go on meanwhile."""
_KEY_MINUTES = 24 * 60
_JSON = "application/json"
_encode = msgspec.json.Encoder(order="deterministic").encode
_MOST_TIMES = 4
"""How many times the largest message all messages of a call may take."""
_MOST_COPIES = 1_000
"""Made to look at of all messages of a call, beside one of each."""
_NOT_FOUND = Refusal(404, "There is no such message.")


class _Read(msgspec.Struct, frozen=True):
    """What a body says."""

    messages: list[NewMessage]
    content: bytes
    """The same for bodies that say the same; empty where nobody asks."""


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a call says outside its body."""

    is_dry: bool
    recipient: str
    """Whose copy is shown of what is only looked at."""
    key: str | None


async def send(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Send one message; answers when it is on disk."""
    return await _send(services, request, key, is_batch=False)


async def send_batch(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Send up to 1,000 messages of one sending domain, all of them or none."""
    return await _send(services, request, key, is_batch=True)


async def show(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Say how a message stands."""
    found = await _found(services, request, key)
    if found is None:
        return _NOT_FOUND
    message = found.messages[0]
    return json_answer(shown(message, tuple(one for one in found.deliveries if one.message_id == message.id)))


async def cancel(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Take back what of a message has not left."""
    found = await _found(services, request, key)
    if found is None:
        return _NOT_FOUND
    alone = msgspec.structs.replace(found, messages=found.messages[:1])
    return json_answer(
        Cancelled(cancelled=await services.transmissions.cancel(actor_of(request, key, Role.USER), alone))
    )


async def _found(services: ApiServices, request: Request, key: KeyPrincipal) -> Transmission | None:
    return await services.transmissions.find(request.path_params["message_id"], key.key.account_id, key.key.domain_id)


async def _send(services: ApiServices, request: Request, key: KeyPrincipal, *, is_batch: bool) -> Response | Refusal:
    kind = request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    if kind != _JSON:
        return Refusal(415, f"Send {_JSON}, not {kind[:100]}.")
    asked = _asked(request)
    if isinstance(asked, Refusal):
        return asked
    # Who may not send is told before the body has come, where its From need not be known for that.
    domain = None if key.sending_domain is None else await _domain(services, request, key, key.sending_domain)
    if isinstance(domain, Refusal):
        return domain
    async with services.uploads.body(request, ValueCounter().feed) as body:
        read = await _aside(body, _read_messages, body, is_batch, asked.key is not None)
        if isinstance(read, Refusal):
            sending = None if domain is None else sending_by(services, request, key, domain, POSTROAD_CHANNEL)
            return await _noted(sending, asked, read, len(body))
        if domain is None:
            name = author_domain(read.messages[0])
            if name is None:
                nobodys: Refusal = await _aside(body, _without_author, read.messages, is_batch)
                return nobodys
            domain = await _domain(services, request, key, name, "messages.0.from" if is_batch else "from")
        if isinstance(domain, Refusal):
            return domain
        sending = sending_by(services, request, key, domain, POSTROAD_CHANNEL)
        calls = await _aside(body, _read_calls, read.messages, domain.name, asked.key, is_batch)
        if not isinstance(calls, Refusal) and sum(len(one.content) for one in calls) > (
            _MOST_TIMES * services.max_message_size
        ):
            calls = Refusal(413, "The messages of the call are too large together; send them in several calls.")
        if isinstance(calls, Refusal):
            return await _noted(sending, asked, calls, len(body))
        if asked.key is not None:
            sending = msgspec.structs.replace(
                sending, call=_named(asked.key, read.content, domain, sending.received_at)
            )
        if asked.is_dry:
            return await _explain(sending, calls, asked.recipient, is_batch)
        return await _submit(sending, calls, is_batch)


def _asked(request: Request) -> _Asked | Refusal:
    faults: list[Fault] = []
    query = read_query(SendingQuery, request.query_params.multi_items())
    if isinstance(query, list):
        faults, query = query, SendingQuery()
    is_dry, key = False, request.headers.get("idempotency-key")
    try:
        is_dry = read_switch(query.dry_run)
    except OptionValueError as error:
        faults.append(Fault(f"It {error}.", "dry_run", "value"))
    try:
        if key is not None and len(read_key(key)) > LONGEST_KEY:
            faults.append(Fault(f"It must have 1 to {LONGEST_KEY} printable characters.", "Idempotency-Key", "value"))
    except OptionValueError:
        faults.append(Fault(f"It must have 1 to {LONGEST_KEY} printable characters.", "Idempotency-Key", "value"))
    return (
        Refusal(400, "The call is not understood.", tuple(faults))
        if faults
        else _Asked(is_dry=is_dry, recipient=query.recipient.strip(), key=key)
    )


async def _aside(body: bytes, work: Any, *arguments: Any) -> Any:
    return work(*arguments) if len(body) <= _LARGEST_INLINE else await asyncio.to_thread(work, *arguments)


def _named(key: str, content: bytes, domain: SendingDomain, now: int) -> NamedCall:
    return named_call(key, content, domain=domain, least_minutes=_KEY_MINUTES, now=now)


def _read_messages(body: bytes, is_batch: bool, is_named: bool) -> _Read | Refusal:
    try:
        document = msgspec.json.decode(body)
        content = _encode(document) if is_named else b""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Refusal(400, f"The body is not JSON: {error}.")
    if not is_batch:
        read = read_new_message(document)
        return faulty(read) if isinstance(read, list) else _Read([read], content)
    listed = document.get("messages") if isinstance(document, dict) and len(document) == 1 else None
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_MESSAGES:
        return faulty(
            [
                Fault(
                    f"One list of 1 to {MOST_MESSAGES} messages is expected, and nothing beside it.",
                    "messages",
                    "value",
                )
            ]
        )
    messages: list[NewMessage] = []
    faults: list[Fault] = []
    for place, one in enumerate(listed):
        read = read_new_message(one, f"messages.{place}")
        if isinstance(read, list):
            faults += read
        else:
            messages.append(read)
    return faulty(faults) if faults else _Read(messages, content)


def _read_calls(messages: list[NewMessage], domain: str, key: str | None, is_batch: bool) -> list[Call] | Refusal:
    calls: list[Call] = []
    faults: list[Fault] = []
    for place, one in enumerate(messages):
        call = read_call(one, domain, f"messages.{place}" if is_batch else "")
        if isinstance(call, list):
            faults += call
            continue
        if key is not None:
            # It is shown with the message; what is repeated is found by the call.
            call = msgspec.structs.replace(call, options=msgspec.structs.replace(call.options, idempotency_key=key))
        calls.append(call)
    return faulty(faults) if faults else calls


def _without_author(messages: list[NewMessage], is_batch: bool) -> Refusal:
    """Return all that is wrong with messages of which the first does not say who it is from."""
    # Nothing is made of them, so that it does not matter for which domain.
    read = _read_calls(messages, "", None, is_batch)
    if isinstance(read, Refusal):
        return read
    place = "messages.0.raw" if is_batch else "raw"
    return faulty([Fault("It has no From with an address that can be read: say who it is from.", place, "required")])


async def _domain(
    services: ApiServices, request: Request, key: KeyPrincipal, name: str, place: str = "from"
) -> SendingDomain | Refusal:
    """Return the domain of a name, if the key sends for it, and may do so the way that the call came."""
    domain = await domain_for(services, key, name)
    if domain is None:
        sentence = (
            "The domain of `from` is no sending domain of this key: it says which one sends with a key of the account."
        )
        return faulty([Fault(sentence, place, "value")])
    way = refusal_of_way(request, key, domain)
    return domain if way is None else Refusal(403, way)


async def _noted(sending: Sending | None, asked: _Asked, refusal: Refusal, size: int) -> Refusal:
    if sending is not None and not asked.is_dry:
        await sending.note_refused(refusal.text, size)
    return refusal


async def _explain(sending: Sending, calls: list[Call], recipient: str, is_batch: bool) -> Response | Refusal:
    services, call = sending.services, await sending.explain(calls)
    if recipient and not any(may_have(one, recipient) for one in call.messages):
        return Refusal(
            400, "The call is not understood.", (Fault("It is no recipient of the call.", "recipient", "value"),)
        )
    looked = []
    room = _MOST_COPIES
    for one in call.messages:
        chosen = copied(one, recipient, room)
        room -= len(chosen)
        copies = (
            {} if one.accepted is None else _shown_alone(await services.previews.copies(one.accepted, chosen), chosen)
        )
        options = {} if one.accepted is None else document_of(one.accepted.message.options, _written)
        looked.append(Looked(message=one, shown=chosen, copies=copies, options=options))
    return json_answer(await asyncio.to_thread(explanation, call, looked, services.clock(), is_batch=is_batch))


def _shown_alone(copies: Mapping[int, Copy | NoCopy], chosen: Sequence[Delivery]) -> dict[int, Copy | NoCopy]:
    """Return copies of which only the first keeps its content: a call can have many."""
    return {
        one: Copy(b"", made.missing) if isinstance(made, Copy) and one != chosen[0].id else made
        for one, made in copies.items()
    }


def _written(at: int) -> str:
    return instant(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _submit(sending: Sending, calls: list[Call], is_batch: bool) -> Response | Refusal:
    result = await sending.submit_all(calls)
    if not isinstance(result, tuple):
        return rejected(result.by_place, sending.services.clock(), is_batch=is_batch)
    accepted = tuple(AcceptedMessage(id=text_of(one.message_id), message_id=one.message_id_header) for one in result)
    return json_answer(AcceptedMessages(messages=accepted) if is_batch else accepted[0], 202)


_ALL = "/api/postroad/v1/messages"
SERVED = (
    Served("POST", _ALL, send),
    Served("POST", f"{_ALL}/batch", send_batch),
)
