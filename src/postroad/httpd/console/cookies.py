"""The console's cookies: the session, one sentence for the next page, and the sending domain that is chosen."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from postroad.net.address import parse_address

T = TypeVar("T")

_SECURE_SESSION = "__Host-postroad"
"""Browsers take a cookie of this prefix from this very host over TLS only (the revision of RFC 6265, §4.1.3.2)."""
_LOOPBACK_SESSION = "postroad"
_FLASH = "postroad-flash"
_DOMAIN = "postroad-domain"
_ZONE = "postroad-zone"
_JOURNEY = "postroad-journey"
_SECURE_JOURNEY = "__Host-postroad-journey"
_DOMAIN_S = 365 * 86_400


def may_have_session(request: Request) -> bool:
    """Whether a session may be had over this connection: over TLS, or within this machine."""
    return request.url.scheme == "https" or _is_within_machine(request)


def session_token(request: Request) -> str:
    """Return the session token that the browser brought, or nothing where it may not have one."""
    if not may_have_session(request):
        return ""
    return request.cookies.get(_session_name(request), "")


def write_session(request: Request, response: Response, token: str, seconds: int) -> None:
    """Give the browser its session token."""
    response.set_cookie(
        _session_name(request),
        token,
        max_age=seconds,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def drop_session(request: Request, response: Response) -> None:
    """Take the session token from the browser."""
    response.delete_cookie(
        _session_name(request), path="/", secure=request.url.scheme == "https", httponly=True, samesite="lax"
    )


def journey(request: Request) -> str:
    """Return the secret of a browser that went to an OpenID provider to sign in, or nothing."""
    return request.cookies.get(_journey_name(request), "") if may_have_session(request) else ""


def write_journey(request: Request, response: Response, secret: str, seconds: int) -> None:
    """Give a browser that goes to an OpenID provider the secret by which it is known when it comes back."""
    response.set_cookie(
        _journey_name(request),
        secret,
        max_age=seconds,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        # The way back is a navigation that begins at the provider's site: strict would leave the cookie out.
        samesite="lax",
    )


def drop_journey(request: Request, response: Response) -> None:
    """Take the secret from a browser that is back."""
    response.delete_cookie(
        _journey_name(request), path="/", secure=request.url.scheme == "https", httponly=True, samesite="lax"
    )


def chosen_domain(cookies: Mapping[str, str]) -> int | None:
    """Return the id of the sending domain that was chosen last, which need not exist any more."""
    text = cookies.get(_DOMAIN, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def choose_domain(response: Response, domain_id: int | None) -> None:
    """Keep a choice of sending domain over the pages; null for all of them."""
    if domain_id is None:
        response.delete_cookie(_DOMAIN, path="/", samesite="lax")
    else:
        response.set_cookie(_DOMAIN, str(domain_id), max_age=_DOMAIN_S, path="/", httponly=True, samesite="lax")


def keyed_digest(token: str, purpose: str) -> str:
    """Return what only who holds the session token can know."""
    return hmac.digest(token.encode(), purpose.encode(), hashlib.sha256).hex()


def write_flash(response: Response, token: str, flash: msgspec.Struct) -> None:
    """Leave a sentence for the next page; it is signed, so that no other site's cookie puts words into our mouth."""
    text = urlsafe_b64encode(msgspec.json.encode(flash)).decode()
    value = f"{text}.{keyed_digest(token, 'flash' + text)}"
    response.set_cookie(_FLASH, value, max_age=60, path="/", httponly=True, samesite="lax")


def read_flash(cookies: Mapping[str, str], token: str, kind: type[T]) -> T | None:
    """Return the sentence that was left, if it is ours."""
    text, _, digest = cookies.get(_FLASH, "").partition(".")
    if not text or not hmac.compare_digest(digest.encode(), keyed_digest(token, "flash" + text).encode()):
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(text), type=kind)
    except ValueError:
        return None


def drop_flash(response: Response) -> None:
    """Forget the sentence once it is shown."""
    response.delete_cookie(_FLASH, path="/", httponly=True, samesite="lax")


def _session_name(request: Request) -> str:
    return _SECURE_SESSION if request.url.scheme == "https" else _LOOPBACK_SESSION


def _journey_name(request: Request) -> str:
    return _SECURE_JOURNEY if request.url.scheme == "https" else _JOURNEY


def _is_within_machine(request: Request) -> bool:
    client = parse_address(request.client.host) if request.client else None
    host = request.url.hostname or ""
    named = parse_address(host)
    is_loopback_name = host == "localhost" or (named is not None and named.is_loopback)
    return client is not None and client.is_loopback and is_loopback_name


def time_zone(cookies: Mapping[str, str]) -> str:
    """Return the name of the zone that the browser is in, as its script wrote it; empty where it did not."""
    return cookies.get(_ZONE, "")
