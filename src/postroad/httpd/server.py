"""An HTTP server for one application on sockets that are already bound, inside the running event loop."""

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import Generator, Sequence

import uvicorn
from starlette.types import ASGIApp

from postroad.httpd.clients import MAX_CONNECTIONS, Clients
from postroad.httpd.protocol import BoundedHttp
from postroad.httpd.transport import StrictTransport

_DATE_S = 1.0
"""How old the date in an answer may be."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    async def main_loop(self) -> None:
        # uvicorn's own wakes ten times a second, to see whether it is to end: most of what an idle process would do.
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), _DATE_S)

    def end(self) -> None:
        self.should_exit = True
        self._ending.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # Signals belong to the node, which stops its parts in order.
        yield


class HttpServer:
    """Serves ``app`` until stopped; with a context over TLS."""

    def __init__(
        self,
        app: ASGIApp,
        sockets: Sequence[socket.socket],
        tls_context: ssl.SSLContext | None = None,
        clients: Clients | None = None,
    ) -> None:
        clients = clients or Clients()
        self._sockets = list(sockets)
        self._server = _Server(
            uvicorn.Config(
                app,
                # It makes a protocol, which is all that is asked of it.
                http=functools.partial(BoundedHttp, clients=clients, tls_context=tls_context),  # type: ignore[arg-type]
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=bool(clients.trusted_proxies),
                forwarded_allow_ips=[text.strip() for text in clients.trusted_proxies],
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=5,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to answer; returns once the sockets are listening."""
        self._task = asyncio.create_task(self._server.serve(sockets=self._sockets), name="http-server")
        while not self._server.started:
            if self._task.done():
                await self._task
                raise RuntimeError("the HTTP server ended before it had started")
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Stop accepting, let requests under way end within five seconds, and close."""
        self._server.end()
        if self._task is not None:
            await self._task


def http_servers(
    app: ASGIApp,
    plain: Sequence[socket.socket],
    tls: Sequence[socket.socket],
    tls_context: ssl.SSLContext,
    clients: Clients,
) -> list[HttpServer]:
    """Return the servers of one application on sockets in the clear and on sockets for HTTPS, not yet started."""
    servers = [HttpServer(app, plain, clients=clients)] if plain else []
    if tls:
        servers.append(HttpServer(StrictTransport(app), tls, tls_context, clients))
    return servers
