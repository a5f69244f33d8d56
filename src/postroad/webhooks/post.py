"""One call over HTTP, within limits, and what its answer comes to."""

import asyncio
import email.utils
from typing import Protocol

import msgspec

from postroad.dialects.formats import Format
from postroad.model.webhook import Call, CallResult
from postroad.net.http_client import HttpClient, HttpError, HttpReply

CONNECT_TIMEOUT_S = 10.0
TIMEOUT_S = 20.0
MOST_OCTETS = 64 * 1024
"""Of an answer, that are read."""
KEPT_CHARACTERS = 1_024
"""Of an answer, that the log keeps."""
_SECRET_HEADERS = frozenset({"authorization", "x-messagesystems-webhook-token"})


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a call."""

    status: int | None = None
    """None where no answer came."""
    reply: str = ""
    """The beginning of its content."""
    error: str = ""
    """Why it is no success, in part of a sentence."""
    retry_after_s: int = 0
    """How long the receiver asks us to wait."""
    duration_ms: int = 0

    @property
    def is_success(self) -> bool:
        """Whether the receiver has taken the call."""
        return not self.error


class Poster(Protocol):
    """Makes calls."""

    async def post(self, url: str, call: Call, now: int) -> Answer:
        """Post a call and return what came of it; never raises. ``now`` in milliseconds."""


class HttpPoster:
    """Makes calls by HTTP; what guards the addresses is in the client."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def post(self, url: str, call: Call, now: int) -> Answer:
        """Post a call and return what came of it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            reply = await self._client.request(
                "POST",
                url,
                headers=call.headers,
                body=call.body,
                timeout_s=TIMEOUT_S,
                connect_timeout_s=CONNECT_TIMEOUT_S,
                most_octets=MOST_OCTETS,
                may_cut=True,
            )
        except HttpError as error:
            return Answer(error=str(error), duration_ms=round((loop.time() - began) * 1000))
        return answer_of(reply, now, round((loop.time() - began) * 1000))


def answer_of(reply: HttpReply, now: int, duration_ms: int) -> Answer:
    """Return what a reply comes to."""
    status = reply.status
    error, retry_after_s = "", 0
    if not 200 <= status < 300:
        headers = {name.lower(): value for name, value in reply.headers.items()}
        error = f"it answered {status}"
        if 300 <= status < 400:
            error = f"it answered {status}, and redirects are not followed: {headers.get('location', 'to nowhere')}"
        # RFC 9110 §10.2.3 names 503 and redirects, RFC 6585 §4 429; whoever sends it with another failure means the same.
        if "retry-after" in headers:
            retry_after_s = _seconds(headers["retry-after"], now)
    return Answer(
        status=status,
        reply=reply.content[: KEPT_CHARACTERS * 4].decode("utf-8", "replace")[:KEPT_CHARACTERS],
        error=error,
        retry_after_s=retry_after_s,
        duration_ms=duration_ms,
    )


def result_of(answer: Answer, how: Format) -> CallResult:
    """Return how an attempt ended, before its time is looked at."""
    if answer.is_success:
        return CallResult.DELIVERED
    if answer.status is not None and how.is_refused_for_good(answer.status):
        return CallResult.REFUSED
    return CallResult.FAILED


def shown_headers(call: Call) -> dict[str, str]:
    """Return a call's headers without those that are worth something to whoever reads them."""
    return {name: value for name, value in call.headers.items() if name.lower() not in _SECRET_HEADERS}


def _seconds(text: str, now: int) -> int:
    """Read Retry-After: seconds, or a date; nought where it is neither."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0
    return max(0, round(at.timestamp() - now / 1000))
