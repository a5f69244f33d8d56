"""A process that logs in at a fixed rate, whatever the answers: an attacker, or clients that were quiet for a while.

``python -m bench.login.attempts`` goes on until SIGTERM and then prints one JSON object. Attackers come from all of 127/8,
which on Linux is the machine itself: each attempt from another /24 (``everywhere``), or all from twenty of them
(``few``). Every attempt has a connection of its own, as those of the usual tools do.
"""

import argparse
import asyncio
import base64
import os
import random
import signal
import sys
import time
from array import array
from collections import Counter
from typing import Literal, cast

import msgspec
import uvloop

_FEW = 20
_ANSWER_WITHIN_S = 60.0
_STRANGE_NAMES = 10_000


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to try, how often."""

    host: str
    port: int
    kind: Literal["everywhere", "few", "cold"]
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


class Attempt(asyncio.Protocol):
    """One connection with one log-in."""

    def __init__(self, username: str, password: str) -> None:
        """Take what to log in with."""
        initial = base64.b64encode(f"\0{username}\0{password}".encode())
        self._commands = b"EHLO client.example\r\nAUTH PLAIN " + initial + b"\r\n"
        self._unread = b""
        self._has_spoken = False
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\r\n")
        for line in lines:
            if line[3:4] == b"-" or self.answer.done():
                continue
            if not self._has_spoken:
                self._has_spoken = True
                self._transport.write(self._commands)
            elif not line.startswith(b"250"):
                self.answer.set_result(line[:3].decode())
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_result("lost (closed)")


class Round:
    """Attempts at a fixed rate."""

    def __init__(self, order: Order) -> None:
        """Take the order."""
        self._order = order
        self._answers: Counter[str] = Counter()
        self._waits_s = array("d")

    async def run(self) -> Report:
        """Begin each attempt when its time has come, until SIGTERM, and wait for the last answers."""
        order, loop = self._order, asyncio.get_running_loop()
        ends = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, ends.set)
        began_at, count = loop.time(), 0
        async with asyncio.TaskGroup() as group:
            while not ends.is_set():
                group.create_task(self._try(count))
                count += 1
                # Who is late gives way all the same, or nothing that was begun would go on.
                await asyncio.sleep(max(0.0, began_at + count / order.per_s - loop.time()))
        waits = sorted(self._waits_s) or [0.0]
        return Report(
            attempts=count,
            answers=dict(sorted(self._answers.items())),
            p50_ms=waits[len(waits) // 2] * 1000,
            p99_ms=waits[len(waits) * 99 // 100] * 1000,
        )

    async def _try(self, serial: int) -> None:
        order, loop, began_at = self._order, asyncio.get_running_loop(), time.perf_counter()
        username, password = self._credentials(serial)
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                _, attempt = await loop.create_connection(
                    lambda: Attempt(username, password), order.host, order.port, local_addr=(self._address(), 0)
                )
                answer = await attempt.answer
        except (OSError, TimeoutError) as error:
            answer = f"lost ({type(error).__name__})"
        self._answers[answer] += 1
        self._waits_s.append(time.perf_counter() - began_at)

    def _address(self) -> str:
        match self._order.kind:
            case "cold":
                return "127.0.0.1"
            case "few":
                return f"127.77.{random.randrange(_FEW)}.1"
            case "everywhere":
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
    parser.add_argument("--kind", choices=("everywhere", "few", "cold"), required=True)
    parser.add_argument("--per-s", type=float, required=True)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--users", type=int, required=True)
    parsed = parser.parse_args(arguments)
    return Order(**vars(parsed), password=os.environ.get("LOAD_PASSWORD", ""))


def main(arguments: list[str]) -> int:
    """Carry out the order on the command line."""
    order = _read_order(arguments)
    report = uvloop.run(Round(order).run())
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
