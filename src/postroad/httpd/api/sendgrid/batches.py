"""``/v3/mail/batch`` and ``/v3/user/scheduled_sends``: batches, and holding or cancelling what is of them."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.sendgrid.errors import Refusal, refusal
from postroad.httpd.api.json_upload import json_of
from postroad.httpd.api.managing import actor_of
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.httpd.api.services import ApiServices
from postroad.model.credential import KeyPrincipal
from postroad.model.refused import MissingError, RefusedError
from postroad.model.send_batch import BatchStatus, SendBatch
from postroad.model.user import Role

_INVALID = refusal(400, "invalid batch id", "batch_id")
_NOT_FOUND = refusal(404, "batch id not found", "batch_id")
_STATUSES = {one.value: one for one in BatchStatus}


async def make(services: ApiServices, _request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Make a batch."""
    domain_id = key.key.domain_id
    if domain_id is None:
        return needs_domain_key("mail/batch")
    try:
        batch = await services.batches.make(key.key.account_id, domain_id)
    except RefusedError as error:
        return refusal(400, str(error))
    return JSONResponse({"batch_id": batch.id}, 201, NO_STORE)


async def check(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Say whether there is a batch."""
    batch = await _named(services, request, key)
    return _INVALID if batch is None else JSONResponse({"batch_id": batch.id}, headers=NO_STORE)


async def asked(services: ApiServices, _request: Request, key: KeyPrincipal) -> Response | Refusal:
    """List what is held or cancelled."""
    if key.key.domain_id is None:
        return needs_domain_key("scheduled_sends")
    found = await services.batches.asked_of(key.key.domain_id)
    return JSONResponse([_document(one) for one in found], headers=NO_STORE)


async def asked_of(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Say whether a batch is held or cancelled."""
    batch = await _named(services, request, key)
    found = [] if batch is None or batch.status is None else [_document(batch)]
    return JSONResponse(found, headers=NO_STORE)


async def ask(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Hold or cancel a batch."""
    document = await _body(services, request)
    batch_id, status = document.get("batch_id"), _STATUSES.get(str(document.get("status")))
    batch = None if not isinstance(batch_id, str) else await _find(services, key, batch_id)
    if batch is None:
        return _INVALID
    if status is None:
        return _wrong_status()
    if batch.status is not None:
        return refusal(400, "a status for this batch id exists, try PATCH to update the status", "batch_id")
    await services.batches.set_status(actor_of(request, key, Role.USER), batch, status)
    return JSONResponse({"batch_id": batch.id, "status": status.value}, 201, NO_STORE)


async def change(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Hold what is cancelled from now on, or cancel what is held."""
    status = _STATUSES.get(str((await _body(services, request)).get("status")))
    if status is None:
        return _wrong_status()
    batch = await _named(services, request, key)
    if batch is None or batch.status is None:
        return _NOT_FOUND
    await services.batches.set_status(actor_of(request, key, Role.USER), batch, status)
    return Response(status_code=204, headers=NO_STORE)


async def let_go(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Let go what is held; it leaves at its time."""
    batch = await _named(services, request, key)
    if batch is None or batch.status is None:
        return _NOT_FOUND
    await services.batches.set_status(actor_of(request, key, Role.USER), batch, None)
    return Response(status_code=204, headers=NO_STORE)


def needs_domain_key(what: str) -> Refusal:
    """Return the refusal of a key that is not of one sending domain."""
    return refusal(
        403,
        f"access forbidden: {what} needs an API key of the sending domain, as nothing else in the call says which domain it is",
    )


async def carry_out_again(services: ApiServices, request: Request, key: KeyPrincipal, before: SendBatch) -> None:
    """Do with what was just stored what was asked for its batch meanwhile."""
    now = await services.batches.get(before.domain_id, before.id)
    if now.status is not before.status:
        await services.batches.carry_out(actor_of(request, key, Role.USER), now, now.status)


async def _named(services: ApiServices, request: Request, key: KeyPrincipal) -> SendBatch | None:
    return await _find(services, key, request.path_params["batch_id"])


async def _find(services: ApiServices, key: KeyPrincipal, batch_id: str) -> SendBatch | None:
    if key.key.domain_id is None:
        return None
    try:
        return await services.batches.get(key.key.domain_id, batch_id)
    except MissingError:
        return None


async def _body(services: ApiServices, request: Request) -> dict[str, Any]:
    document = await json_of(services, request)
    return document if isinstance(document, dict) else {}


def _wrong_status() -> Refusal:
    return refusal(400, "the status must be pause or cancel", "status")


def _document(batch: SendBatch) -> dict[str, str]:
    return {"batch_id": batch.id, "status": "" if batch.status is None else batch.status.value}


SERVED = (
    Served("POST", "/v3/mail/batch", make),
    Served("GET", "/v3/mail/batch/{batch_id}", check),
    Served("GET", "/v3/user/scheduled_sends", asked),
    Served("POST", "/v3/user/scheduled_sends", ask),
    Served("GET", "/v3/user/scheduled_sends/{batch_id}", asked_of),
    Served("PATCH", "/v3/user/scheduled_sends/{batch_id}", change),
    Served("DELETE", "/v3/user/scheduled_sends/{batch_id}", let_go),
)
