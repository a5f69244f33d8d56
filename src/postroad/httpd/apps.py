"""The applications that a node serves, put together of their parts."""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from postroad.httpd.api.app import api_app, is_asked_of_apis
from postroad.httpd.api.services import ApiServices
from postroad.httpd.autoconfig.app import MailClientSetup, is_asked_by_mail_clients
from postroad.httpd.console.app import console_app
from postroad.httpd.console.console import Console
from postroad.httpd.console.inbox import inbox_routes
from postroad.httpd.health import NodeStatus, health_routes
from postroad.httpd.hosts import is_local_name
from postroad.httpd.proofs import FindProof, Proofs
from postroad.httpd.tracker.app import is_asked_of_tracker
from postroad.model.client_access import ClientAccess
from postroad.model.domain import SendingDomain
from postroad.net.clock import now_ms
from postroad.storage import domains
from postroad.storage.database import Database

NOTHING_OFFERED = ClientAccess()


def web_app(
    console: Console,
    api: ApiServices,
    database: Database,
    *,
    clients: ClientAccess = NOTHING_OFFERED,
    tracker: ASGIApp,
    find_proof: FindProof | None = None,
    public_url: str = "",
) -> ASGIApp:
    """Return what a node serves on its HTTP doors."""
    public_host = (urlsplit(public_url).hostname or "").lower()
    by_path = _ByPath(
        api=api_app(api),
        tracker=tracker,
        mail_clients=_mail_client_setup(database, clients, public_host),
        console=console_app(console, public_host=public_host),
    )
    # Port 80 may belong to a proxy, which then hands the authority's questions on to here.
    return by_path if find_proof is None else Proofs(by_path, find_proof)


def dev_web_app(
    console: Console,
    api: ApiServices,
    database: Database,
    status: NodeStatus,
    *,
    clients: ClientAccess,
    tracker: ASGIApp,
) -> ASGIApp:
    """Return what ``postroad dev`` serves on its one port: the same, the capture inbox, and the admin routes."""
    beside = [*inbox_routes(database), *health_routes(status)]
    return _ByPath(
        api=api_app(api),
        tracker=tracker,
        mail_clients=_mail_client_setup(database, clients, ""),
        console=console_app(console, beside=beside),
    )


def _mail_client_setup(database: Database, access: ClientAccess, public_host: str) -> ASGIApp:
    async def find(name: str) -> SendingDomain | None:
        return await database.read(domains.by_name, name)

    return MailClientSetup(
        find, access, now_ms, is_own_name=lambda name: is_local_name(name) or (bool(name) and name == public_host)
    )


def beside_tracker(app: ASGIApp, tracker: ASGIApp) -> ASGIApp:
    """Return an application with the tracker before it: for links over hosts that have no certificate."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        is_tracked = scope["type"] == "http" and is_asked_of_tracker(scope["path"])
        await (tracker if is_tracked else app)(scope, receive, send)

    return serve


class _ByPath:
    """Gives requests of the HTTP APIs, mail clients and recipients to their applications, all others to the console.

    The APIs answer under every name of this node: nothing a browser keeps speaks for a program, so no other name can
    borrow it. Mail clients ask under names of sending domains; a token of a tracked link says which name it is for.
    """

    def __init__(self, *, api: ASGIApp, tracker: ASGIApp, mail_clients: ASGIApp, console: ASGIApp) -> None:
        self._api = api
        self._tracker = tracker
        self._mail_clients = mail_clients
        self._console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        await self._application(scope)(scope, receive, send)

    def _application(self, scope: Scope) -> ASGIApp:
        if scope["type"] == "http" and is_asked_of_apis(scope["path"]):
            return self._api
        if scope["type"] == "http" and is_asked_of_tracker(scope["path"]):
            return self._tracker
        if scope["type"] == "http" and is_asked_by_mail_clients(scope["path"]):
            return self._mail_clients
        return self._console
