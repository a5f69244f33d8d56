"""A process that logs in at a fixed rate, whatever the answers: an attacker, or clients that were quiet for a while.

``python -m bench.login.attempts`` goes on until SIGTERM and then prints one JSON object. Attackers come from all of 127/8,
which on Linux is the machine itself: each attempt from another /24 (``everywhere``), or all from twenty of them
(``few``). Every attempt has a connection of its own, as those of the usual tools do.
"""

import argparse
import base64
import os
import random
import select
import signal
import socket
import sys
import time
from array import array
from collections import Counter
from typing import Literal

import msgspec

_IP_BIND_ADDRESS_NO_PORT = 24
"""Linux (ip(7)): the port is chosen at the connect, so that as many are free as there are pairs of ends."""
_FEW = 20
_ANSWER_WITHIN_S = 60.0
_STRANGE_NAMES = 10_000


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to try, how often."""

    host: str
    port: int
    kind: Literal["everywhere", "few", "cold", "elsewhere"]
    per_s: float
    domain: str
    users: int
    """How many names ``cold0@domain``, ``cold1@domain`` … there are."""
    password: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    attempts: int
    answers: dict[str, int]
    """By reply code; ``lost`` and why for connections that ended without an answer."""
    p50_ms: float
    """From the connect to the answer."""
    p99_ms: float


class Attempt:
    """One connection with one log-in."""

    __slots__ = ("_commands", "_greets", "_has_spoken", "_unread", "began_at", "connection")

    def __init__(self, connection: socket.socket, username: str, password: str, greeting: bytes) -> None:
        """Take a socket that connects, what to log in with, and what to say before."""
        initial = base64.b64encode(f"\0{username}\0{password}".encode())
        self._greets = bool(greeting)
        self._commands = greeting + b"AUTH PLAIN " + initial + b"\r\n"
        self._unread = b""
        self._has_spoken = False
        self.connection = connection
        self.began_at = time.perf_counter()

    def advance(self) -> str | None:
        """Read what has come; returns the answer once it is there."""
        try:
            data = self.connection.recv(4096)
        except OSError as error:
            return f"lost ({type(error).__name__})"
        if not data:
            return "lost (closed)"
        *lines, self._unread = (self._unread + data).split(b"\r\n")
        for line in lines:
            if line[3:4] == b"-":
                continue
            if not self._has_spoken:
                self._has_spoken = True
                self.connection.send(self._commands)
            elif not self._greets or not line.startswith(b"250"):
                return line[:3].decode()
        return None


class Round:
    """Attempts at a fixed rate, until SIGTERM; without an event loop, as it shares the cores with what it measures."""

    def __init__(self, order: Order) -> None:
        """Take the order."""
        self._order = order
        # smtp-sink, which stands for elsewhere, leaves what follows EHLO in the same segment without an answer.
        self._greeting = b"" if order.kind == "elsewhere" else b"EHLO client.example\r\n"
        self._answers: Counter[str] = Counter()
        self._waits_s = array("d")
        self._epoll = select.epoll()
        self._open: dict[int, Attempt] = {}
        self._has_ended = False

    def run(self) -> Report:
        """Begin each attempt when its time has come, and wait for the last answers."""
        signal.signal(signal.SIGTERM, self._end)
        began_at, count = time.perf_counter(), 0
        while not self._has_ended or self._open:
            now = time.perf_counter()
            while not self._has_ended and began_at + count / self._order.per_s <= now:
                self._begin(count)
                count += 1
            due_in_s = 0.1 if self._has_ended else began_at + count / self._order.per_s - time.perf_counter()
            for number, _ in self._epoll.poll(min(max(due_in_s, 0.0), 0.1)):
                answer = self._open[number].advance()
                if answer is not None:
                    self._close(number, answer)
            self._give_up(time.perf_counter() - _ANSWER_WITHIN_S)
        waits = sorted(self._waits_s) or [0.0]
        return Report(
            attempts=count,
            answers=dict(sorted(self._answers.items())),
            p50_ms=waits[len(waits) // 2] * 1000,
            p99_ms=waits[len(waits) * 99 // 100] * 1000,
        )

    def _end(self, *_: object) -> None:
        self._has_ended = True

    def _begin(self, serial: int) -> None:
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        connection.bind((self._address(), 0))
        connection.connect_ex((self._order.host, self._order.port))
        self._open[connection.fileno()] = Attempt(connection, *self._credentials(serial), self._greeting)
        self._epoll.register(connection, select.EPOLLIN)

    def _close(self, number: int, answer: str) -> None:
        attempt = self._open.pop(number)
        attempt.connection.close()
        self._answers[answer] += 1
        self._waits_s.append(time.perf_counter() - attempt.began_at)

    def _give_up(self, begun_before: float) -> None:
        # The oldest come first.
        while self._open:
            number, attempt = next(iter(self._open.items()))
            if attempt.began_at > begun_before:
                return
            self._close(number, "lost (no answer)")

    def _address(self) -> str:
        match self._order.kind:
            case "cold":
                return "127.0.0.1"
            case "few":
                return f"127.77.{random.randrange(_FEW)}.1"
            case "everywhere" | "elsewhere":
                return f"127.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"

    def _credentials(self, serial: int) -> tuple[str, str]:
        order = self._order
        if order.kind == "cold":
            return f"cold{serial % order.users}@{order.domain}", order.password
        # Half of the guesses are at users that there are.
        name = f"cold{random.randrange(order.users)}" if serial % 2 else f"admin{random.randrange(_STRANGE_NAMES)}"
        return f"{name}@{order.domain}", f"Guess-{random.getrandbits(64):x}"


def _read_order(arguments: list[str]) -> Order:
    parser = argparse.ArgumentParser(prog="python -m bench.login.attempts", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--kind", choices=("everywhere", "few", "cold", "elsewhere"), required=True)
    parser.add_argument("--per-s", type=float, required=True)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--users", type=int, required=True)
    parsed = parser.parse_args(arguments)
    return Order(**vars(parsed), password=os.environ.get("LOAD_PASSWORD", ""))


def main(arguments: list[str]) -> int:
    """Carry out the order on the command line."""
    order = _read_order(arguments)
    report = Round(order).run()
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
