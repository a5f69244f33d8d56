"""HTTP/1.1 of the doors with bounds that the library has none for: connections of a client, and heads of requests."""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from postroad.net.address import Networks, client_of
from postroad.net.client_counts import ClientCounts

LONGEST_TARGET = 16 * 1024
"""Octets of path and query; RFC 9112 §3 wants 8,000 at least for the whole line."""
MOST_HEAD = 64 * 1024
"""Octets of a head that is not over yet."""
HEAD_WITHIN_S = 30.0


class BoundedHttp(HttpToolsProtocol):
    """Refuses a client's connections beyond its share, and a request whose target or head is too long or too slow.

    Behind ``proxies`` are many clients, so that their connections are not counted.
    """

    _client: str | None = None
    _head_timer: asyncio.TimerHandle | None = None
    _is_in_head = False
    _head_octets = 0
    _refusal = HTTPStatus.BAD_REQUEST

    def __init__(self, *arguments: Any, counts: ClientCounts, proxies: Networks, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._counts = counts
        self._proxies = proxies

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the first request, of a client that has not too many connections."""
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        if address not in self._proxies:
            self._client = client_of(address)
            if not self._counts.claim(self._client):
                self._refuse(HTTPStatus.TOO_MANY_REQUESTS)
                return
        self._head_timer = self.loop.call_later(HEAD_WITHIN_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Await nothing more."""
        self._stop_timer()
        if self._client is not None:
            self._counts.release(self._client)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
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
