"""A submission client that is lighter than what it loads: N sessions, AUTH PLAIN, pipelined commands.

``python -m bench.load.generator`` runs as a process of its own and prints one JSON object. With ``--login once`` each
session logs in once and sends one message after the other over its connection; with ``--login each`` every message
has a connection and a login of its own, as most applications do it. Without ``--username`` nobody logs in. The
password is read from the environment variable ``LOAD_PASSWORD``. With ``--tls`` every connection has a handshake of
its own, in full: as with most clients nothing is resumed.
"""

import argparse
import asyncio
import base64
import enum
import functools
import os
import ssl
import sys
import time
from array import array
from collections import deque
from collections.abc import Iterator
from typing import Literal, cast

import msgspec
import uvloop

_RECIPIENTS = 1000
_CONNECT_TIMEOUT_S = 60.0


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

    def content(self, serial: int) -> tuple[bytes, bytes, bytes]:
        """Return one message's text with its final dot."""
        return self._head, b"%08d" % serial, self._tail


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


class Session(asyncio.Protocol):
    """One connection; ``ended`` says whether another one is wanted by the same sender."""

    def __init__(self, run: Run, serial: int) -> None:
        """Take the serial number of the first message to send."""
        self._run = run
        self._serial = serial
        self._unread = b""
        self._awaited = deque([Step.GREETING])
        self._dot_at = 0.0
        self._is_encrypted = run.order.tls == "implicit"
        self._handshake: asyncio.Task[None] | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\r\n")
        for line in lines:
            if line[3:4] != b"-" and not self.ended.done():
                self._take_reply(line)

    async def _encrypt(self) -> None:
        loop, context = asyncio.get_running_loop(), self._run.tls_context
        try:
            encrypted = await loop.start_tls(self._transport, self, context, server_hostname=self._run.order.host)
        except OSError as error:
            self.connection_lost(error)
            return
        assert encrypted is not None
        self._transport, self._is_encrypted = encrypted, True
        self._write(b"EHLO load.example\r\n", Step.EHLO)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            step = self._awaited[0].value if self._awaited else "nothing"
            self.ended.set_exception(UnexpectedReplyError(f"connection lost while waiting for {step}: {exc}"))

    def _take_reply(self, line: bytes) -> None:
        step = self._awaited.popleft() if self._awaited else Step.QUIT
        if not line.startswith(_EXPECTED[step]):
            text = line.decode("utf-8", "replace")
            self.ended.set_exception(UnexpectedReplyError(f"expected {step.value}, got: {text}"))
            self._transport.abort()
            return
        match step:
            case Step.GREETING:
                self._write(b"EHLO load.example\r\n", Step.EHLO)
            case Step.EHLO if self._run.order.tls == "starttls" and not self._is_encrypted:
                self._write(b"STARTTLS\r\n", Step.STARTTLS)
            case Step.STARTTLS:
                self._handshake = asyncio.ensure_future(self._encrypt())
            case Step.EHLO if self._run.login:
                self._write(self._run.login, Step.AUTH)
            case Step.EHLO | Step.AUTH:
                self._offer()
            case Step.DATA:
                self._transport.writelines(self._run.letters.content(self._serial))
                self._dot_at = time.perf_counter()
                self._awaited.append(Step.FINAL_DOT)
            case Step.FINAL_DOT:
                self._run.waits_s.append(time.perf_counter() - self._dot_at)
                self._go_on()
            case Step.QUIT:
                self.ended.set_result(None)
                self._transport.close()

    def _go_on(self) -> None:
        following = None if self._run.order.logs_in_each_time else next(self._run.serials, None)
        if following is None:
            self._write(b"QUIT\r\n", Step.QUIT)
        else:
            self._serial = following
            self._offer()

    def _offer(self) -> None:
        self._write(self._run.letters.envelope(self._serial), Step.MAIL, Step.RCPT, Step.DATA)

    def _write(self, commands: bytes, *awaited: Step) -> None:
        self._awaited.extend(awaited)
        self._transport.write(commands)


async def _send_in_turn(run: Run) -> None:
    """Send messages over one connection at a time until none is left."""
    loop = asyncio.get_running_loop()
    while (serial := next(run.serials, None)) is not None:
        if run.order.pace_per_s is not None:
            await asyncio.sleep(max(0.0, run.began_at + serial / run.order.pace_per_s - time.monotonic()))
        factory = functools.partial(Session, run, serial)
        context = run.tls_context if run.order.tls == "implicit" else None
        opened = loop.create_connection(factory, run.order.host, run.order.port, ssl=context)
        _, session = await asyncio.wait_for(opened, _CONNECT_TIMEOUT_S)
        await session.ended


async def _carry_out(order: Order, run_name: str) -> Report:
    run = Run(order, run_name)
    began_at = run.began_at = time.monotonic()
    async with asyncio.timeout(order.limit_s), asyncio.TaskGroup() as senders:
        for _ in range(min(order.sessions, order.messages)):
            senders.create_task(_send_in_turn(run))
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
    report: Report | None
    try:
        report = uvloop.run(_carry_out(order, f"{os.getpid()}.{time.monotonic_ns()}"))
    except* (UnexpectedReplyError, OSError, TimeoutError) as failures:
        report = None
        sys.stderr.write(f"{failures.exceptions[0]!r}\n")
    if report is None:
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
