"""Who calls: the API key of a request, looked up once for every dialect, each of which says in its own way what is wrong."""

import enum

import msgspec
from starlette.requests import Request

from postroad.accounts.api_key_check import KeyRefused, Refusal
from postroad.httpd.api.authorization import key_in
from postroad.httpd.api.services import ApiServices
from postroad.model.credential import KeyPrincipal

_FORBIDDEN = {
    Refusal.ADDRESS: "This API key may not be used from {address}.",
    Refusal.SUSPENDED: "The account of this API key is suspended.",
    Refusal.DOMAIN_GONE: "The sending domain of this API key is gone or was rejected.",
}


class Lacking(enum.Enum):
    """What of a proof is not there."""

    KEY = "key"
    """No key was sent, or none that can be read."""
    KNOWN = "known"
    """The key is none of ours."""


class Forbidden(msgspec.Struct, frozen=True):
    """The key is right, and does not help: why, in one sentence."""

    text: str


class TooMany(msgspec.Struct, frozen=True):
    """There were too many calls: why, in one sentence, and when another try helps (RFC 6585 §4)."""

    text: str
    retry_after_s: int


async def proven(services: ApiServices, request: Request) -> KeyPrincipal | Lacking | Forbidden | TooMany:
    """Return who calls, or why nobody is proven to."""
    given = request.headers.getlist("authorization")
    text = key_in(given[0]) if len(given) == 1 else None
    if text is None:
        return Lacking.KEY
    address, limits = client_address(request), services.limits
    blocked = limits.blocked_for(address)
    # Who tries wrong keys must not shut out what shares the address and needs no look-up.
    if blocked is not None and not services.keys.is_remembered(text):
        return TooMany("Too many wrong API keys came from this address; try again later.", blocked)
    verdict = await services.keys.verify(text, address)
    if not isinstance(verdict, KeyRefused):
        wait = limits.take_call(verdict.key.id)
        return verdict if wait is None else TooMany("This API key makes too many calls; try again later.", wait)
    if verdict.reason is Refusal.UNKNOWN:
        limits.note_failure(address)
        return Lacking.KNOWN
    return Forbidden(_FORBIDDEN[verdict.reason].format(address=address or "this address"))


def client_address(request: Request) -> str:
    """Return where a request comes from, trusted proxies looked through; empty where that is not known."""
    return request.client.host if request.client else ""
