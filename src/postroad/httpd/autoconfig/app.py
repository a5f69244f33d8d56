"""Answers mail clients under the names they ask: ``autoconfig.`` and ``autodiscover.`` a sending domain, and the console's.

Nothing here depends on whether a user exists; only on whether the domain is an active sending domain.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from postroad.httpd.autoconfig import apple, outlook, thunderbird
from postroad.httpd.autoconfig.servers import Servers, servers_of
from postroad.httpd.bodies import bounded
from postroad.httpd.hosts import name_of
from postroad.model.client_access import ClientAccess
from postroad.model.domain import DomainState, SendingDomain
from postroad.net.clock import Clock
from postroad.protocol.smtp.address import AddressError, parse_path

FindDomain = Callable[[str], Awaitable[SendingDomain | None]]

_XML = "/autodiscover/autodiscover.xml"
_JSON = "/autodiscover/autodiscover.json"
_PROFILE = "/mail/apple.mobileconfig"
_CONFIGURATIONS = ("/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml")
_PATHS = frozenset({_XML, _JSON, _PROFILE, *_CONFIGURATIONS})
_KEPT_MS = 60_000
_MOST_KEPT = 4_096
_LABELS = ("autoconfig.", "autodiscover.")


def is_asked_by_mail_clients(path: str) -> bool:
    """Whether a request's path is one that mail clients ask, in any letter case."""
    path = path.lower()
    return path in _PATHS or path.startswith(f"{_JSON}/")


class MailClientSetup:
    """The application; ``find`` looks a domain up, which is remembered for a minute."""

    def __init__(
        self, find: FindDomain, access: ClientAccess, clock: Clock, *, is_own_name: Callable[[str], bool]
    ) -> None:
        self._find = find
        self._access = access
        self._clock = clock
        self._is_own_name = is_own_name
        self._known: dict[str, tuple[int, SendingDomain | None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except HTTPException as error:
            response = PlainTextResponse(error.detail, error.status_code, error.headers)
        response.headers["X-Content-Type-Options"] = "nosniff"
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.scope["path"].lower()
        if path == _XML:
            return await self._outlook(request)
        if request.method not in {"GET", "HEAD"}:
            raise HTTPException(405, "Ask with GET.", {"Allow": "GET, HEAD"})
        if path == _PROFILE:
            return await self._apple(request)
        return await (self._thunderbird if path in _CONFIGURATIONS else self._outlook_json)(request)

    async def _thunderbird(self, request: Request) -> Response:
        given = request.query_params.get("emailaddress", "")
        servers = await self._servers(request, _domain_asked(request, given))
        return _cacheable(Response(thunderbird.configuration(servers), media_type="text/xml"))

    async def _outlook(self, request: Request) -> Response:
        if request.method != "POST":
            return self._lead_to_https(request)
        try:
            body = bounded(request, outlook.LARGEST_REQUEST, "The question is too large.")
            question = outlook.read_question(b"".join([chunk async for chunk in body]))
        except outlook.UnreadableError as error:
            raise HTTPException(400, f"The question was not understood: {error}.") from error
        address = _address(question.address)
        servers = await self._servers(request, _domain_of(address))
        if question.schema not in {outlook.SCHEMA, ""}:
            now = self._clock()
            time = datetime.fromtimestamp(now / 1000, UTC).strftime("%H:%M:%S.%f")[:12]
            return Response(outlook.other_schema(time, now % 2**31), media_type="text/xml")
        return Response(outlook.settings(servers, address), media_type="text/xml")

    def _lead_to_https(self, request: Request) -> Response:
        """Answer Outlook's last try, a GET in the clear: it follows where that leads ([MS-OXDISCO] §3.1.5.4)."""
        if request.method == "GET" and request.scope["scheme"] == "http" and self._access.setup_host:
            return RedirectResponse(f"{self._base_url(request)}{_XML}", 302)
        raise HTTPException(405, "Post the question as XML.", {"Allow": "POST"})

    async def _outlook_json(self, request: Request) -> Response:
        query = {name.lower(): value for name, value in request.query_params.items()}
        in_path = request.scope["path"].rpartition("/")[2]
        address = query.get("email") or (in_path if "@" in in_path else "")
        await self._servers(request, _domain_asked(request, address))
        protocol = query.get("protocol", "")
        if protocol.lower() != "autodiscoverv1":
            text = "The protocol is not supported. Supported is AutodiscoverV1."
            return JSONResponse({"ErrorCode": "InvalidProtocol", "ErrorMessage": text}, 400)
        url = f"{self._base_url(request)}{_XML}"
        return _cacheable(JSONResponse({"Protocol": "AutodiscoverV1", "Url": url}))

    async def _apple(self, request: Request) -> Response:
        address = _address(request.query_params.get("emailaddress", ""))
        servers = await self._servers(request, _domain_of(address))
        if not servers.imap_host:
            raise HTTPException(
                404,
                f"Apple's Mail sets up an account only with a mailbox. Say where those of {servers.domain} are with the "
                "domain's setting imap_host, or add the outgoing server by hand.",
            )
        return Response(
            apple.profile(servers, address),
            media_type="application/x-apple-aspen-config",
            headers={
                "Content-Disposition": f'attachment; filename="{servers.domain}.mobileconfig"',
                "Cache-Control": "no-store",
            },
        )

    async def _servers(self, request: Request, domain: str) -> Servers:
        """Return the servers of a domain; raises HTTPException where it is none of ours, or asked under another's name."""
        found = await self._domain(domain) if self._may_ask(_host_of(request), domain) else None
        if found is None or found.state is not DomainState.ACTIVE or not self._access.is_offered:
            raise HTTPException(404, "This is not a sending domain of this installation.")
        return servers_of(found, self._access)

    def _may_ask(self, host: str, domain: str) -> bool:
        return self._is_own_name(host) or host == domain or host in {f"{label}{domain}" for label in _LABELS}

    async def _domain(self, name: str) -> SendingDomain | None:
        now = self._clock()
        kept = self._known.get(name)
        if kept is not None and now - kept[0] < _KEPT_MS:
            return kept[1]
        found = await self._find(name)
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[name] = (now, found)
        return found

    def _base_url(self, request: Request) -> str:
        access = self._access
        if not access.setup_host:
            return f"{request.scope['scheme']}://{request.headers.get('host', '')}"
        port = "" if access.setup_port == 443 else f":{access.setup_port}"
        return f"https://{access.setup_host}{port}"


def _address(given: str) -> str:
    try:
        return parse_path(given, is_utf8=True)
    except AddressError as error:
        raise HTTPException(400, f"{error}.") from error


def _domain_of(address: str) -> str:
    return address.rpartition("@")[2]


def _domain_asked(request: Request, given: str) -> str:
    """Return the domain of the address that was given, else the one that the host's name is about."""
    if given:
        return _domain_of(_address(given))
    host = _host_of(request)
    for label in _LABELS:
        host = host.removeprefix(label)
    return host


def _host_of(request: Request) -> str:
    return name_of(request.headers.get("host", ""))


def _cacheable(response: Response) -> Response:
    response.headers["Cache-Control"] = "public, max-age=600"
    return response
