"""The tracker: answers for pixels, links and unsubscribing by what the token says, without asking storage.

Whoever follows a link is led on at once; what is to be told of it waits in memory. To unsubscribe takes a POST: programs
that look at every link of a message must not do it (RFC 8058 §6).
"""

import base64
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol
from urllib.parse import parse_qs

import structlog
from python_multipart.multipart import parse_options_header
from starlette.types import Receive, Scope, Send

from postroad.httpd.hosts import name_of
from postroad.httpd.tracker import pages
from postroad.model.suppression import Way
from postroad.model.tracking import Hit, HitKind, Unsubscribing
from postroad.net.clock import Clock
from postroad.storage.errors import StorageError
from postroad.tracking.blocking import is_blocked
from postroad.tracking.token import PATHS, Kind, Leaving, Token, read_leaving, read_token

log = structlog.get_logger()

_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent picture of one by one pixel."""
_PREFIXES = tuple(dict.fromkeys(PATHS.values()))
_LONGEST_AGENT = 500
_LONGEST_FORM = 4096
_METHODS = ("GET", "HEAD")
_FORM_METHODS = ("GET", "HEAD", "POST")
_HIT_KINDS = {
    Kind.OPEN: HitKind.OPEN, Kind.CLICK: HitKind.CLICK, Kind.FORM: HitKind.CLICK, Kind.TRAP: HitKind.TRAP,
}  # fmt: skip
_RESULTS = {Kind.OPEN: "opened", Kind.CLICK: "clicked", Kind.FORM: "clicked", Kind.TRAP: "trapped"}
_ONE_CLICK = ("List-Unsubscribe", "One-Click")
"""What a mail client posts (RFC 8058 §3.2)."""
_NAMED = re.compile(rb'\bname=(?:"List-Unsubscribe"|List-Unsubscribe(?=[;\s]))')
"""A parameter's value is a token or a quoted string (RFC 2045 §5.1)."""
_NEVER_KEPT = ((b"cache-control", b"no-store, private"), (b"x-robots-tag", b"noindex, nofollow"))
_Headers = Collection[tuple[bytes, bytes]]


class Facts(Protocol):
    """What the tracker must know; kept in memory by whoever gives it."""

    @property
    def secrets(self) -> Mapping[int, bytes]:
        """The secrets of all keys, by their number."""

    @property
    def blocked(self) -> Collection[str]:
        """The destinations that were taken down."""


NameOfDomain = Callable[[int], Awaitable[str]]
"""Returns the name of a sending domain, by which recipients know who it is; soon, and empty where it is not known by then."""


HasGroup = Callable[[int, int], Awaitable[bool]]
"""Returns whether a sending domain has a group still; soon, and true where that is not known by then."""


class Taker(Protocol):
    """Takes what is asked for."""

    def take(self, hit: Hit) -> None:
        """Note a hit; never waits."""

    async def unsubscribe(self, asked: Unsubscribing) -> None:
        """Put somebody on the list; raises StorageError."""


class TrackerMeter(Protocol):
    """Counts requests."""

    def tracked(self, result: str) -> None:
        """Count one request for a tracked link."""


def is_asked_of_tracker(path: str) -> bool:
    """Whether a path is one of the tracker's."""
    return path.startswith(_PREFIXES)


class Tracker:
    """The application (ASGI) behind tracked links, whatever name it is asked under: tokens say which one they are for."""

    def __init__(
        self,
        taker: Taker,
        facts: Facts,
        meter: TrackerMeter,
        clock: Clock,
        *,
        name_of_domain: NameOfDomain,
        has_group: HasGroup,
    ) -> None:
        self._taker = taker
        self._name_of_domain = name_of_domain
        self._has_group = has_group
        self._facts = facts
        self._meter = meter
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        asked = _Asked(scope)
        token = read_token(asked.token, asked.host, self._facts.secrets)
        if token is None or PATHS[token.kind] != asked.prefix:
            self._meter.tracked("refused")
            await _answer_page(send, 404, pages.UNKNOWN, asked)
        elif token.kind is Kind.UNSUBSCRIBE:
            await self._unsubscribing(token, asked, receive, send)
        elif asked.method not in (allowed := _FORM_METHODS if token.kind is Kind.FORM else _METHODS):
            await _answer(send, 405, b"", (*_NEVER_KEPT, (b"allow", ", ".join(allowed).encode())), asked)
        else:
            await self._hit(token, asked, send)

    async def _hit(self, token: Token, asked: "_Asked", send: Send) -> None:
        url = token.payload.decode("ascii")
        if is_blocked(url, self._facts.blocked):
            self._meter.tracked("blocked")
            await _answer_page(send, 410, pages.BLOCKED, asked)
            return
        self._meter.tracked(_RESULTS[token.kind])
        self._taker.take(
            Hit(
                kind=_HIT_KINDS[token.kind],
                delivery_id=token.delivery_id,
                domain_id=token.domain_id,
                at=self._clock(),
                url=url,
                agent=asked.agent,
                client_address=asked.client_address,
                is_head=asked.method == "HEAD",
                is_prefetch=asked.is_prefetch,
            )
        )
        match token.kind:
            case Kind.OPEN:
                await _answer(send, 200, _PIXEL, (*_NEVER_KEPT, (b"content-type", b"image/gif")), asked)
            case Kind.CLICK:
                await _answer(send, 302, b"", (*_NEVER_KEPT, (b"location", token.payload)), asked)
            case Kind.FORM:
                # RFC 9110 §15.4.8: the fields of a POST are posted again, unlike with 302.
                status = 307 if asked.method == "POST" else 302
                await _answer(send, status, b"", (*_NEVER_KEPT, (b"location", _with_fields(url, asked.query))), asked)
            case _:
                await _answer_page(send, 200, pages.NOTHING, asked)

    async def _unsubscribing(self, token: Token, asked: "_Asked", receive: Receive, send: Send) -> None:
        leaving = read_leaving(token.payload)
        if asked.method in {"GET", "HEAD"}:
            self._meter.tracked("page")
            if asked.method == "HEAD":
                # RFC 9110 §9.3.2: what takes making the content, here its length, may be left out.
                await _answer(send, 200, None, (*_NEVER_KEPT, *pages.HEADERS), asked)
                return
            await _answer_page(send, 200, await self._page(pages.question, token, leaving), asked)
            return
        if asked.method != "POST":
            await _answer(send, 405, b"", (*_NEVER_KEPT, (b"allow", b"GET, HEAD, POST")), asked)
            return
        form = _form_of(await _body(receive), asked.content_type)
        way = Way.ONE_CLICK if form.get(_ONE_CLICK[0]) == _ONE_CLICK[1] else Way.LINK if "leave" in form else None
        if way is None:
            await _answer_page(send, 400, await self._page(pages.question, token, leaving), asked)
            return
        unsubscribing = Unsubscribing(
            delivery_id=token.delivery_id,
            domain_id=token.domain_id,
            address=leaving.address,
            tags=leaving.tags,
            group_id=leaving.group_id,
            way=way,
            at=self._clock(),
            agent=asked.agent,
            client_address=asked.client_address,
        )
        try:
            await self._taker.unsubscribe(unsubscribing)
        except StorageError as error:
            self._meter.tracked("failed")
            log.warning("unsubscribing_not_stored", why=str(error))
            await _answer_page(send, 503, pages.NOT_NOW, asked)
            return
        self._meter.tracked("unsubscribed")
        await _answer_page(send, 200, await self._page(pages.done, token, leaving), asked)

    async def _page(self, page: Callable[[Leaving, str], bytes], token: Token, leaving: Leaving) -> bytes:
        """Return a page that says what is done: where the group is gone, all mail is left."""
        if leaving.group_id is not None and not await self._has_group(token.domain_id, leaving.group_id):
            leaving = Leaving(leaving.address)
        return page(leaving, await self._name_of_domain(token.domain_id))


class _Asked:
    """What is looked at of a request."""

    def __init__(self, scope: Scope) -> None:
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, value)
        self.method: str = scope["method"]
        path: str = scope["path"]
        self.prefix, self.token = path[:3], path[3:]
        self.host = name_of(_text(headers, b"host"))
        self.agent = _text(headers, b"user-agent")[:_LONGEST_AGENT]
        self.is_proxied = b"x-forwarded-for" in headers
        """Whether a proxy asks for others: it uses its connections again."""
        self.query: bytes = scope["query_string"]
        self.content_type = headers.get(b"content-type", b"")
        client = scope.get("client")
        self.client_address: str = client[0] if client else ""
        purpose = headers.get(b"sec-purpose", b"") + headers.get(b"purpose", b"") + headers.get(b"x-purpose", b"")
        purpose += headers.get(b"x-moz", b"")
        self.is_prefetch = b"prefetch" in purpose.lower() or b"preview" in purpose.lower()


def _with_fields(url: str, query: bytes) -> bytes:
    """Return where a form leads with the fields that a GET has in its query: they take the place of the form's own."""
    if not query:
        return url.encode("ascii")
    # HTML §4.10.21.3, "mutate action URL"
    page, mark, fragment = url.partition("#")
    return f"{page.partition('?')[0]}?{query.decode('ascii', 'replace')}{mark}{fragment}".encode("ascii", "replace")


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


async def _body(receive: Receive) -> bytes:
    """Return a request's body; of one that is too long, nothing."""
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > _LONGEST_FORM or message["type"] == "http.disconnect":
            return b""
        if not message.get("more_body"):
            return body


def _form_of(body: bytes, content_type: bytes) -> dict[str, str]:
    """Read a form in either encoding that mail clients may use (RFC 8058 §3.2)."""
    kind, parameters = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        # One field whose name and value are known: the parts need not be taken apart.
        name, value = _ONE_CLICK
        has_it = _NAMED.search(body) and value.encode() in body and b"boundary" in parameters
        return {name: value} if has_it else {}
    # Some clients end the body like a line.
    return {name: values[0] for name, values in parse_qs(body.decode("latin-1").rstrip("\r\n")).items()}


async def _answer_page(send: Send, status: int, page: bytes, asked: _Asked) -> None:
    await _answer(send, status, page, (*_NEVER_KEPT, *pages.HEADERS), asked)


async def _answer(send: Send, status: int, body: bytes | None, headers: _Headers, asked: _Asked) -> None:
    ended = [] if body is None else [(b"content-length", str(len(body)).encode())]
    if not asked.is_proxied:
        # A recipient asks once, and thousands do in a minute: their connections would keep others out (RFC 9112 §9.6).
        ended.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *ended]})
    # RFC 9110 §9.3.2
    await send({"type": "http.response.body", "body": b"" if body is None or asked.method == "HEAD" else body})
