"""A submission client that is lighter than what it loads: N sessions, AUTH PLAIN, pipelined commands.

``python -m bench.load.generator`` runs as a process of its own and prints one JSON object. With ``--login once`` each
session logs in once and sends one message after the other over its connection; with ``--login each`` every message
has a connection and a login of its own, as most applications do it. Without ``--username`` nobody logs in. The
password is read from the environment variable ``LOAD_PASSWORD``. With ``--tls`` every connection has a handshake of
its own, in full: as with most clients nothing is resumed. On the cores of the server it waits for its turn, as a client
on another machine interrupts nobody.
"""

import argparse
import base64
import contextlib
import enum
import os
import selectors
import socket
import ssl
import sys
import time
from array import array
from collections import deque
from collections.abc import Iterator
from typing import Literal, cast

import msgspec

from postroad.node.cpu_scheduling import prefer_throughput

_RECIPIENTS = 1000
_CONNECT_TIMEOUT_S = 60.0
_READ_SIZE = 65_536


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, where and how."""

    host: str
    port: int
    messages: int
    sessions: int
    size: int
    sender: str
    recipient_domain: str
    username: str | None
    password: str
    logs_in_each_time: bool
    tls: Literal["none", "starttls", "implicit"] = "none"
    pace_per_s: float | None = None
    """Messages begun in a second; without it as many as the server takes."""
    limit_s: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order. Instants are of the system-wide monotonic clock."""

    accepted: int
    began_at: float
    ended_at: float
    p50_ms: float
    """From the final dot to the reply that takes responsibility: half of the messages waited less."""
    p99_ms: float


class UnexpectedReplyError(Exception):
    """The server did not take a message: what is measured then is not its speed."""


class Letters:
    """Makes the messages of one order, which differ in serial number and recipient only."""

    def __init__(self, order: Order, run: str) -> None:
        """Take the order and a name for the run that makes its messages' ids unique."""
        sender = order.sender
        head = (
            f"From: Load <{sender}>\r\nTo: Someone <someone@{order.recipient_domain}>\r\n"
            "Subject: A message of the load bench\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n"
            f"Message-ID: <{run}."
        )
        tail = f"@{sender.rpartition('@')[2]}>\r\n\r\n"
        line = "The quick brown fox jumps over the lazy dog and looks back once, with care.\r\n"
        room = max(0, order.size - len(head) - len(tail) - 8)
        body = (line * (room // len(line) + 1))[: max(0, room - 2)].rstrip("\r\n") + "\r\n"
        self._head = head.encode()
        self._tail = (tail + body + ".\r\n").encode()
        self._envelopes = [
            f"MAIL FROM:<{sender}>\r\nRCPT TO:<user{number}@{order.recipient_domain}>\r\nDATA\r\n".encode()
            for number in range(_RECIPIENTS)
        ]

    def envelope(self, serial: int) -> bytes:
        """Return the commands of one message, to be written at once (RFC 2920)."""
        return self._envelopes[serial % _RECIPIENTS]

    def content(self, serial: int) -> bytes:
        """Return one message's text with its final dot."""
        return b"%b%08d%b" % (self._head, serial, self._tail)


class Run:
    """What the sessions of one order share."""

    def __init__(self, order: Order, run: str) -> None:
        """Prepare all bytes before the clock starts."""
        self.order = order
        self.letters = Letters(order, run)
        self.serials: Iterator[int] = iter(range(order.messages))
        self.waits_s = array("d")
        self.began_at = 0.0
        self.login = b""
        if order.username is not None:
            initial = base64.b64encode(f"\0{order.username}\0{order.password}".encode())
            self.login = b"AUTH PLAIN " + initial + b"\r\n"
        self.tls_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.tls_context.check_hostname = False
        self.tls_context.verify_mode = ssl.CERT_NONE


class Step(enum.Enum):
    """Which reply a session waits for."""

    GREETING = "220"
    EHLO = "250 to EHLO"
    STARTTLS = "220 to STARTTLS"
    AUTH = "235"
    MAIL = "250 to MAIL"
    RCPT = "250 to RCPT"
    DATA = "354"
    FINAL_DOT = "250 to the final dot"
    QUIT = "221"


_EXPECTED = {
    Step.GREETING: b"220",
    Step.EHLO: b"250",
    Step.STARTTLS: b"220",
    Step.AUTH: b"235",
    Step.MAIL: b"250",
    Step.RCPT: b"250",
    Step.DATA: b"354",
    Step.FINAL_DOT: b"250",
    Step.QUIT: b"221",
}


class Session:
    """One connection, over a socket that never blocks; ``is_over`` when all of it was said and answered."""

    def __init__(self, run: Run, serial: int) -> None:
        """Connect for a first message; raises OSError where nobody listens."""
        self._run = run
        self._serial = serial
        self._unread = b""
        self._unsent = b""
        self._awaited = deque([Step.GREETING])
        self._dot_at = 0.0
        self._shakes_hands = False
        self._is_encrypted = False
        self.is_over = False
        self.socket = socket.create_connection((run.order.host, run.order.port), _CONNECT_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        if run.order.tls == "implicit":
            self._encrypt()

    @property
    def awaited_events(self) -> int:
        """What of the socket the session waits for."""
        return selectors.EVENT_READ | selectors.EVENT_WRITE if self._unsent else selectors.EVENT_READ

    def go_on(self) -> None:
        """Do what can be done now; raises UnexpectedReplyError, OSError."""
        try:
            if self._shakes_hands:
                self._shake_hands()
            if self._unsent:
                self._send()
            data = self.socket.recv(_READ_SIZE)
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        if not data:
            step = self._awaited[0].value if self._awaited else "nothing"
            raise UnexpectedReplyError(f"connection lost while waiting for {step}")
        *lines, self._unread = (self._unread + data).split(b"\r\n")
        for line in lines:
            if line[3:4] != b"-":
                self._take_reply(line)

    def _encrypt(self) -> None:
        wrap, host = self._run.tls_context.wrap_socket, self._run.order.host
        self.socket = wrap(self.socket, do_handshake_on_connect=False, server_hostname=host)
        self._shakes_hands = self._is_encrypted = True
        with contextlib.suppress(ssl.SSLWantReadError):
            self._shake_hands()

    def _shake_hands(self) -> None:
        cast("ssl.SSLSocket", self.socket).do_handshake()
        self._shakes_hands = False
        if Step.GREETING not in self._awaited:  # behind STARTTLS the greeting was long ago
            self._write(b"EHLO load.example\r\n", Step.EHLO)

    def _take_reply(self, line: bytes) -> None:
        step = self._awaited.popleft() if self._awaited else Step.QUIT
        if not line.startswith(_EXPECTED[step]):
            raise UnexpectedReplyError(f"expected {step.value}, got: {line.decode('utf-8', 'replace')}")
        match step:
            case Step.GREETING:
                self._write(b"EHLO load.example\r\n", Step.EHLO)
            case Step.EHLO if self._run.order.tls == "starttls" and not self._is_encrypted:
                self._write(b"STARTTLS\r\n", Step.STARTTLS)
            case Step.STARTTLS:
                self._encrypt()
            case Step.EHLO if self._run.login:
                self._write(self._run.login, Step.AUTH)
            case Step.EHLO | Step.AUTH:
                self._offer()
            case Step.DATA:
                self._write(self._run.letters.content(self._serial), Step.FINAL_DOT)
                self._dot_at = time.perf_counter()
            case Step.FINAL_DOT:
                self._run.waits_s.append(time.perf_counter() - self._dot_at)
                self._take_next()
            case Step.QUIT:
                self.is_over = True

    def _take_next(self) -> None:
        following = None if self._run.order.logs_in_each_time else next(self._run.serials, None)
        if following is None:
            self._write(b"QUIT\r\n", Step.QUIT)
        else:
            self._serial = following
            self._offer()

    def _offer(self) -> None:
        self._write(self._run.letters.envelope(self._serial), Step.MAIL, Step.RCPT, Step.DATA)

    def _write(self, octets: bytes, *awaited: Step) -> None:
        self._awaited.extend(awaited)
        self._unsent += octets
        self._send()

    def _send(self) -> None:
        with contextlib.suppress(ssl.SSLWantWriteError, BlockingIOError):
            while self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]


class Senders:
    """The order's senders, each with one connection at a time until no message is left."""

    def __init__(self, run: Run) -> None:
        """Let all of them be idle."""
        self._run = run
        self._idle = min(run.order.sessions, run.order.messages)
        self._selector = selectors.DefaultSelector()
        self._next_serial = next(run.serials, None)

    def send_all(self) -> None:
        """Send every message; raises UnexpectedReplyError, OSError, and TimeoutError after the order's limit."""
        self._begin_due()
        while self._next_serial is not None or self._selector.get_map():
            if time.monotonic() - self._run.began_at > self._run.order.limit_s:
                raise TimeoutError(f"not done within {self._run.order.limit_s:.0f} s")
            for key, _ in self._selector.select(self._pause_s()):
                self._go_on(key)
            self._begin_due()

    def _go_on(self, key: selectors.SelectorKey) -> None:
        session: Session = key.data
        session.go_on()
        if session.is_over:
            self._selector.unregister(key.fileobj)
            session.socket.close()
            self._idle += 1
        elif session.socket is not key.fileobj:  # encrypted since; a wrapped socket takes the descriptor along
            self._selector.unregister(key.fileobj)
            self._selector.register(session.socket, session.awaited_events, session)
        elif key.events != session.awaited_events:
            self._selector.modify(session.socket, session.awaited_events, session)

    def _pause_s(self) -> float:
        """Return how long to wait for sockets at most."""
        if self._next_serial is None or not self._idle:
            return 1.0
        return min(1.0, max(0.0, self._due_at(self._next_serial) - time.monotonic()))

    def _due_at(self, serial: int) -> float:
        pace = self._run.order.pace_per_s
        return 0.0 if pace is None else self._run.began_at + serial / pace

    def _begin_due(self) -> None:
        while self._idle and self._next_serial is not None and self._due_at(self._next_serial) <= time.monotonic():
            session = Session(self._run, self._next_serial)
            self._selector.register(session.socket, session.awaited_events, session)
            self._idle -= 1
            self._next_serial = next(self._run.serials, None)


def _carry_out(order: Order, run_name: str) -> Report:
    run = Run(order, run_name)
    began_at = run.began_at = time.monotonic()
    Senders(run).send_all()
    ended_at = time.monotonic()
    waits = sorted(run.waits_s)
    return Report(
        accepted=len(waits),
        began_at=began_at,
        ended_at=ended_at,
        p50_ms=waits[len(waits) // 2] * 1000,
        p99_ms=waits[len(waits) * 99 // 100] * 1000,
    )


def _read_order(arguments: list[str]) -> Order:
    parser = argparse.ArgumentParser(prog="python -m bench.load.generator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--sender", required=True)
    parser.add_argument("--recipient-domain", default="there.example")
    parser.add_argument("--username")
    parser.add_argument("--login", choices=("once", "each"), default="once")
    parser.add_argument("--tls", choices=("none", "starttls", "implicit"), default="none")
    parser.add_argument("--pace-per-s", type=float)
    parser.add_argument("--limit-s", type=float, default=600)
    parsed = parser.parse_args(arguments)
    return Order(
        host=parsed.host,
        port=parsed.port,
        messages=parsed.messages,
        sessions=parsed.sessions,
        size=parsed.size,
        sender=parsed.sender,
        recipient_domain=parsed.recipient_domain,
        username=parsed.username,
        password=os.environ.get("LOAD_PASSWORD", ""),
        logs_in_each_time=parsed.login == "each",
        tls=parsed.tls,
        pace_per_s=parsed.pace_per_s,
        limit_s=parsed.limit_s,
    )


def main(arguments: list[str]) -> int:
    """Carry out the order on the command line; 1 with a sentence on stderr when the server refused."""
    order = _read_order(arguments)
    prefer_throughput()
    try:
        report = _carry_out(order, f"{os.getpid()}.{time.monotonic_ns()}")
    except (UnexpectedReplyError, OSError) as failure:
        sys.stderr.write(f"{failure!r}\n")
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
