"""A receiver of webhook calls on the loopback, which answers as a test says: late, wrongly, without end or not at all."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec


class Received(NamedTuple):
    """One call as it came."""

    path: str
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes
    at: float
    """Seconds of a monotonic clock."""

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Reply(NamedTuple):
    """How a call is answered."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b"ok"
    after_s: float = 0.0
    raw: bytes | None = None
    """Written as it is, in place of an answer."""
    never_ends: bool = False
    """The content goes on for as long as somebody reads it."""


Answering = Callable[[Received], Reply]


class WebhookReceiver:
    """Takes calls in threads of its own; use it as a context manager."""

    def __init__(self, answer: Answering = lambda _: Reply()) -> None:
        self.answer = answer
        self.calls: list[Received] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._is_closing = threading.Event()

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                with contextlib.suppress(OSError):
                    receiver._take(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing of callers that were killed."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def port(self) -> int:
        port: int = self._server.server_address[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        received = Received(handler.path, headers, body, time.monotonic())
        with self._lock:
            self.calls.append(received)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            reply = self.answer(received)
            self._is_closing.wait(reply.after_s)
        finally:
            with self._lock:
                self._at_once -= 1
        self._write(handler, reply)

    def _write(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.raw is not None:
            handler.wfile.write(reply.raw)
            handler.close_connection = True
            return
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if not reply.never_ends:
            handler.send_header("Content-Length", str(len(reply.body)))
            handler.end_headers()
            handler.wfile.write(reply.body)
            return
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        while not self._is_closing.wait(0.05):
            handler.wfile.write(reply.body)
