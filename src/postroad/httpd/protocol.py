"""HTTP/1.1 of the doors with bounds that the library has none for: connections of a client, and heads of requests."""

import asyncio
import ssl
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from postroad.httpd.clients import Clients
from postroad.httpd.tls_transport import TlsTransport

LONGEST_TARGET = 16 * 1024
"""Octets of path and query; RFC 9112 §3 wants 8,000 at least for the whole line."""
MOST_HEAD = 64 * 1024
"""Octets of a head that is not over yet."""
HEAD_WITHIN_S = 30.0


class BoundedHttp(HttpToolsProtocol):
    """Refuses a client's connections beyond its share, and a request whose target or head is too long or too slow.

    With ``tls_context`` it is HTTPS, by the layer that the SMTP doors have: asyncio's own tells of a connection once the
    handshake is over only, and each costs 50 KB meanwhile, however many there are.
    """

    _address: str | None = None
    _tls: TlsTransport | None = None
    _head_timer: asyncio.TimerHandle | None = None
    _is_in_head = False
    _head_octets = 0
    _refusal = HTTPStatus.BAD_REQUEST

    def __init__(self, *arguments: Any, clients: Clients, tls_context: ssl.SSLContext | None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._clients = clients
        self._tls_context = tls_context

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the first request, of a client that has not too many connections."""
        if self._tls_context is not None:
            transport = self._tls = TlsTransport(transport, self._tls_context)
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        refusal = self._clients.enter(self._address)
        if refusal is None:
            self._head_timer = self.loop.call_later(HEAD_WITHIN_S, self._give_up)
        elif self._tls is None:
            self._refuse(refusal)
        else:
            # Before the handshake there is nothing to say it in.
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Await nothing more."""
        self._stop_timer()
        if self._address is not None:
            self._clients.leave(self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came of the connection."""
        if self._tls is None:
            self._read(data)
            return
        text = self._tls.receive(data)
        if text:
            self._read(text)
        if self._tls.is_ended:
            self._tls.close()

    def _read(self, data: bytes) -> None:
        """Feed the parser, and count what came of a head that began before."""
        was_in_head = self._is_in_head
        super().data_received(data)
        if not (was_in_head and self._is_in_head) or self.transport.is_closing():
            return
        self._head_octets += len(data)
        if self._head_octets > MOST_HEAD:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._is_in_head, self._head_octets = True, 0
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_WITHIN_S, self._give_up)

    def on_url(self, url: bytes) -> None:
        """Take a part of the target; what is raised here ends the parsing, and the parser has it refused."""
        super().on_url(url)
        if len(self.url) > LONGEST_TARGET:
            self._refusal = HTTPStatus.REQUEST_URI_TOO_LONG
            raise ValueError(self._refusal.phrase)

    def on_headers_complete(self) -> None:
        """End a head."""
        self._is_in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong with a request that could not be read, and close."""
        if self._refusal is HTTPStatus.BAD_REQUEST:
            super().send_400_response(msg)
        else:
            self._refuse(self._refusal)

    def _give_up(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # The request before is still being answered, and nothing more is read meanwhile.
            self._head_timer = self.loop.call_later(HEAD_WITHIN_S, self._give_up)
        elif self._is_in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: HTTPStatus) -> None:
        text = f"{status.phrase}.\n".encode()
        head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(text)
        self.transport.write(STATUS_LINE[status] + head + text)
        self.transport.close()
