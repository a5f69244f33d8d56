"""HTTP/1.1 of the doors with bounds that the library has none for.

How many connections a client has, how long heads are and take, how slowly bodies come and answers are read, and how many
requests wait in a connection.
"""

import asyncio
import logging
import ssl
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from postroad.httpd.clients import Clients
from postroad.httpd.tls_transport import TlsTransport

LONGEST_TARGET = 16 * 1024
"""Octets of path and query; RFC 9112 §3 wants 8,000 at least for the whole line."""
MOST_HEAD = 64 * 1024
"""Octets of a head that is not over yet."""
HEAD_WITHIN_S = 30.0
LOOK_S = 15.0
"""How often a connection is looked at for what does not go on."""
BODY_QUIET_S = 60.0
SLOWEST_BODY = 100
"""Octets a second of a body that takes longer."""
UNREAD_S = 300.0
"""How long a client may read nothing of an answer."""
MOST_WAITING = 100
"""Requests of one connection that wait for the answer to the one before."""

_log = logging.getLogger("uvicorn.error.connections")
# What strangers send that is no request, or asks for another protocol, would else be a line each time.
_log.setLevel(logging.ERROR)
# How an answer is broken off on purpose, that its client does not take it for whole.
_log.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], ConnectionAbortedError)))


def _parser_for(protocol: HttpToolsProtocol) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(protocol)
    # As the library does: who asks for an end after the first of several requests still gets its answer.
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


class BoundedHttp(HttpToolsProtocol):
    """Refuses a client's connections beyond its share, and requests that are too long, too slow, or too many at a time.

    With ``tls_context`` it is HTTPS, by the layer that the SMTP doors have: asyncio's own tells of a connection once the
    handshake is over only, and each costs 50 KB meanwhile, however many there are.
    """

    _address: str | None = None
    _tls: TlsTransport | None = None
    _head_timer: asyncio.TimerHandle | None = None
    _watch: asyncio.TimerHandle | None = None
    _is_in_head = False
    _has_offer = False
    """The head that was read offers another protocol: it is read again without that."""
    _has_come_on = False
    """A message, its body or its end came with what was read last."""
    _octets_since = 0
    """Octets that came since: of a head, of trailers, or of what stands between chunks."""
    _body_since: float | None = None
    _body_at = 0.0
    _body_octets = 0
    _unread_since: float | None = None
    _ending_since: float | None = None
    _refusal = HTTPStatus.BAD_REQUEST

    def __init__(self, *arguments: Any, clients: Clients, tls_context: ssl.SSLContext | None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._clients = clients
        self._tls_context = tls_context
        self.logger = _log

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the first request, of a client that has not too many connections."""
        if self._tls_context is not None:
            transport = self._tls = TlsTransport(transport, self._tls_context)
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        refusal = self._clients.enter(self._address)
        self._watch = self.loop.call_later(LOOK_S, self._look)
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
        if self._watch is not None:
            self._watch.cancel()
        if self._address is not None:
            self._clients.leave(self._address)
        super().connection_lost(exc)
        # They know this connection, and would else be there until the collector's rarest round.
        self.pipeline.clear()
        self.cycle = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Take what came of the connection."""
        if self._tls is None:
            self._read(data)
            return
        text = self._tls.receive(data)
        if text:
            self._read(text)
        if self._tls.is_ended and not self._is_to_be_answered():
            self._tls.close()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Say whether a connection on which the client sends nothing more stays."""
        return self._is_to_be_answered()

    def _is_to_be_answered(self) -> bool:
        """Whether the last request is whole and its answer not begun; the connection then ends with that.

        RFC 9112 §9.6 and RFC 8446 §6.1: who ends one direction may still read the other, and would send again.
        """
        if self.cycle is None or self.cycle.response_started or self._body_since is not None or self._is_in_head:
            return False
        self.cycle.keep_alive = False
        return True

    def _read(self, data: bytes) -> None:
        """Feed the parser, and count what came of a head, or of trailers, that began before."""
        self._has_come_on = False
        self._unset_keepalive_if_required()
        self._parse(data)
        if self._has_come_on or self.transport.is_closing():
            self._octets_since = 0
            return
        self._octets_since += len(data)
        if self._octets_since > MOST_HEAD:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if self._is_in_head else HTTPStatus.BAD_REQUEST)

    def _parse(self, data: bytes) -> None:
        """Have requests read, whatever other protocols they offer: RFC 9110 §7.8 lets a server pass that over.

        The library's parser takes what stands behind such a head for the other protocol, and its body for a request.
        """
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                    break
                except httptools.HttpParserUpgrade as offered:
                    data = self._head_without_offer() + data[offered.args[0] :]
                    self.parser, self._has_offer = _parser_for(self), False
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _head_without_offer(self) -> bytes:
        first = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = [b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade"]
        return b"".join([first, *fields, b"\r\n"])

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._is_in_head = self._has_come_on = True
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_WITHIN_S, self._give_up)

    def on_url(self, url: bytes) -> None:
        """Take a part of the target; what is raised here ends the parsing, and the parser has it refused."""
        super().on_url(url)
        if len(self.url) > LONGEST_TARGET:
            self._refusal = HTTPStatus.REQUEST_URI_TOO_LONG
            raise ValueError(self._refusal.phrase)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of a head; those behind a body (RFC 9112 §7.1.2) say nothing that anybody asks for."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End a head; what is raised here ends the parsing."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise ValueError("nothing is reached through this server")
            self._has_offer = True
            return
        if len(self.pipeline) >= MOST_WAITING:
            raise ValueError("too many requests wait for their answers")
        self._is_in_head, self._has_come_on = False, True
        self._stop_timer()
        self._body_since = self._body_at = self.loop.time()
        self._body_octets = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._has_come_on = True
        self._body_at = self.loop.time()
        self._body_octets += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if self._has_offer:
            return
        self._has_come_on, self._body_since = True, None
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Note since when the client does not read what it is told."""
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on where the client reads again."""
        self._unread_since = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong with a request that could not be read, and close."""
        if self._refusal is HTTPStatus.BAD_REQUEST:
            super().send_400_response(msg)
        else:
            self._refuse(self._refusal)

    def _look(self) -> None:
        """End a connection whose client neither goes on with a body nor reads what it is told."""
        self._watch = self.loop.call_later(LOOK_S, self._look)
        now = self.loop.time()
        if self._unread_since is not None and now - self._unread_since > UNREAD_S:
            self.transport.abort()
        elif self.transport.is_closing():
            # What is left to be sent may be less than what a client has to fall behind by to be noted as not reading.
            self._ending_since = self._ending_since or now
            if now - self._ending_since > UNREAD_S:
                self.transport.abort()
        elif self.flow.read_paused:
            # It is this end that takes nothing for now.
            self._body_since, self._body_at, self._body_octets = self._body_since and now, now, 0
        elif self._body_since is not None and self._is_too_slow(now - self._body_since, now - self._body_at):
            if self.cycle.response_started:
                self.transport.abort()
            else:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _is_too_slow(self, lasted_s: float, quiet_s: float) -> bool:
        return quiet_s > BODY_QUIET_S or self._body_octets < SLOWEST_BODY * (lasted_s - BODY_QUIET_S)

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
