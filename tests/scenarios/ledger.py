"""Who was promised what, and what came of it: the book that the kill tests keep.

A submitter offers messages with ids of their own and writes down each reply; a recorder, the receiving server, writes
down each message it takes responsibility for, before it says so. Afterwards ``lost`` are the ids answered with 250
and never received, and a repeat has to be explained by a kill at or shortly after the first receipt: the receiver had
replied, and whoever should have committed that was dead.
"""

import asyncio
import base64
import contextlib
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

from tests.peers.ports import LOOPBACK

EXPLAINED_WITHIN_S = 1.0
"""How long before a kill a message may have been received for its repeat to be the kill's doing."""
RECIPIENT_DOMAIN = "there.example"

_REPLY_S = 30.0
_PAUSE_S = 0.05
_BUFFERED_S = 0.1
# AUTH is for a submitter that talks to the recorder straight, to test the two of them.
_USUAL_REPLIES = {
    "EHLO": b"250-recorder.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
    "AUTH": b"235 Ok\r\n",
    "DATA": b"354 Go on\r\n",
    "QUIT": b"221 Bye\r\n",
}
_FILLING = "The quick brown fox jumps over the lazy dog and looks back once, with care.\r\n" * 12


@dataclass
class Receipt:
    """One time that a message was received."""

    at: float
    greeting: str
    """The name that the sending node gave in EHLO."""


@dataclass(frozen=True)
class Kill:
    """From the first signal until all are dead and what they had still written has been read."""

    began_at: float
    ended_at: float

    def explains(self, first: Receipt, second: Receipt) -> bool:
        """Whether the first receipt came too late to be committed by whom was killed, and the second after that."""
        is_hit = self.began_at - EXPLAINED_WITHIN_S <= first.at <= self.ended_at
        return is_hit and second.at > self.began_at


@dataclass
class Ledger:
    """Every id that was offered, with all that is known of it. Instants are monotonic seconds."""

    answered: dict[str, float] = field(default_factory=dict)
    """Answered with 250: these must be received."""
    unanswered: set[str] = field(default_factory=set)
    """The connection ended before the reply: these may be received or not."""
    refused: dict[str, str] = field(default_factory=dict)
    """Answered with anything else: these must not be received."""
    received: defaultdict[str, list[Receipt]] = field(default_factory=lambda: defaultdict(list))
    mismatched: list[str] = field(default_factory=list)
    """Received with the content of another message."""
    kills: list[Kill] = field(default_factory=list)
    interruptions: Counter[str] = field(default_factory=Counter)
    """Why sessions ended before their time; what was said instead of the expected reply."""

    async def kill(self, how: Callable[[], None]) -> None:
        """Kill something, by a function that returns when it is dead, and write down from when to when that took."""
        began_at = time.monotonic()
        await asyncio.to_thread(how)
        # What the dead had sent may still lie in the recorder's sockets.
        await asyncio.sleep(_BUFFERED_S)
        self.kills.append(Kill(began_at, time.monotonic()))

    def lost(self) -> set[str]:
        """Return the ids that were accepted and never arrived."""
        return self.answered.keys() - self.received.keys()

    def strangers(self) -> set[str]:
        """Return the ids that arrived although nobody was told that they were accepted, or ever offered them."""
        return self.received.keys() - self.answered.keys() - self.unanswered

    def repeated(self) -> set[str]:
        """Return the ids that arrived more than once."""
        return {identifier for identifier, receipts in self.received.items() if len(receipts) > 1}

    def unexplained(self) -> set[str]:
        """Return the ids that arrived again without a kill at or just after the time before."""
        return {
            identifier
            for identifier in self.repeated()
            for first, second in itertools.pairwise(self.received[identifier])
            if not any(kill.explains(first, second) for kill in self.kills)
        }

    def greetings(self) -> set[str]:
        """Return the names of the nodes that delivered."""
        return {receipt.greeting for receipts in self.received.values() for receipt in receipts}

    def summary(self) -> str:
        """Return the figures in one line, for a failing test."""
        return (
            f"{len(self.answered)} accepted, {len(self.unanswered)} unanswered, {len(self.refused)} refused, "
            f"{len(self.received)} received, {len(self.lost())} lost, {len(self.repeated())} repeated "
            f"({len(self.unexplained())} unexplained), {len(self.kills)} kills; sessions interrupted by {self.interruptions.most_common(5)}"
        )

    async def settle(self, timeout_s: float, quiet_s: float = 2.0) -> None:
        """Wait until nothing is lost and nothing more comes in for a while, or until time is up."""
        deadline = time.monotonic() + timeout_s
        count, changed_at = -1, time.monotonic()
        while time.monotonic() < deadline:
            total = sum(map(len, self.received.values()))
            if total != count:
                count, changed_at = total, time.monotonic()
            elif not self.lost() and time.monotonic() - changed_at > quiet_s:
                return
            await asyncio.sleep(0.1)


class Recorder:
    """A receiving server that writes each message into the ledger and then takes it."""

    def __init__(self, ledger: Ledger) -> None:
        """Take the ledger to write into."""
        self.port = 0
        self._ledger = ledger
        self._sessions: set[_ReceivingSession] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _ReceivingSession(self._ledger, self._sessions), LOOPBACK, 0, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for session in self._sessions:
            session.transport.close()
        await self._server.wait_closed()


class _ReceivingSession(asyncio.Protocol):
    """One connection: commands in any pipelining, one recipient for each message."""

    def __init__(self, ledger: Ledger, sessions: "set[_ReceivingSession]") -> None:
        self._ledger = ledger
        self._sessions = sessions
        self._unread = b""
        self._is_in_content = False
        self._greeting = ""
        self._identifier = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._sessions.add(self)
        self.transport.write(b"220 recorder.example ESMTP\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._sessions.discard(self)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while True:
            end = b"\r\n.\r\n" if self._is_in_content else b"\r\n"
            piece, found, rest = self._unread.partition(end)
            if not found:
                return
            self._unread = rest
            if self._is_in_content:
                self._take_content(piece)
            else:
                self._take_command(piece.decode("ascii"))

    def _take_command(self, line: str) -> None:
        verb = line[:4].upper()
        match verb:
            case "EHLO":
                self._greeting = line[5:]
            case "RCPT":
                self._identifier = line.partition("<")[2].partition("@")[0]
            case "DATA":
                self._is_in_content = True
        self.transport.write(_USUAL_REPLIES.get(verb, b"250 Ok\r\n"))
        if verb == "QUIT":
            self.transport.close()

    def _take_content(self, content: bytes) -> None:
        self._is_in_content = False
        if f"\r\nSubject: {self._identifier}\r\n".encode() not in content:
            self._ledger.mismatched.append(self._identifier)
        self._ledger.received[self._identifier].append(Receipt(time.monotonic(), self._greeting))
        self.transport.write(b"250 Taken\r\n")


@dataclass
class Submitter:
    """Offers messages over several sessions at once until it is told to stop, come what may."""

    ledger: Ledger
    ports: Sequence[int]
    """Submission ports; the sessions are spread over them."""
    username: str
    password: str
    sessions: int = 8
    messages_for_each_session: int = 20
    """After so many a session is closed and begun anew, so that all workers get their share."""
    _stopping: bool = False

    async def __aenter__(self) -> Self:
        numbers = itertools.count(1)
        self._tasks = [
            asyncio.create_task(self._keep_submitting(self.ports[slot % len(self.ports)], numbers))
            for slot in range(self.sessions)
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def _keep_submitting(self, port: int, numbers: Iterator[int]) -> None:
        while not self._stopping:
            try:
                await self._one_session(port, numbers)
            except (OSError, EOFError, TimeoutError) as interruption:
                # The node is being killed or started: that is what the test is about.
                self.ledger.interruptions[repr(interruption)] += 1
                await asyncio.sleep(_PAUSE_S)

    async def _one_session(self, port: int, numbers: Iterator[int]) -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            await _expect(reader, "220")
            writer.write(b"EHLO ledger.example\r\n")
            await _expect(reader, "250")
            login = base64.b64encode(f"\0{self.username}\0{self.password}".encode()).decode()
            writer.write(f"AUTH PLAIN {login}\r\n".encode())
            await _expect(reader, "235")
            for _ in range(self.messages_for_each_session):
                if self._stopping:
                    break
                await self._submit(reader, writer, f"m{next(numbers):07d}")
            writer.write(b"QUIT\r\n")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _submit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, identifier: str) -> None:
        recipient = f"{identifier}@{RECIPIENT_DOMAIN}"
        writer.write(f"MAIL FROM:<{self.username}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode())
        for expected in ("250", "250", "354"):
            await _expect(reader, expected)
        head = f"From: {self.username}\r\nTo: {recipient}\r\nSubject: {identifier}\r\n\r\n"
        self.ledger.unanswered.add(identifier)
        writer.write(f"{head}{_FILLING}.\r\n".encode())
        reply = await _reply(reader)
        self.ledger.unanswered.remove(identifier)
        if reply.startswith("250"):
            self.ledger.answered[identifier] = time.monotonic()
        else:
            self.ledger.refused[identifier] = reply


class UnexpectedReplyError(ConnectionError):
    """The node did not say what the dialogue goes on with; the session is given up."""


async def _expect(reader: asyncio.StreamReader, code: str) -> None:
    reply = await _reply(reader)
    if not reply.startswith(code):
        raise UnexpectedReplyError(f"expected {code}, got {reply}")


async def _reply(reader: asyncio.StreamReader) -> str:
    """Return the last line of the next reply; raises EOFError at the connection's end."""
    while True:
        line = await asyncio.wait_for(reader.readuntil(b"\r\n"), _REPLY_S)
        if line[3:4] != b"-":
            return line.decode().rstrip("\r\n")
