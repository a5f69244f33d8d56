"""A receiving SMTP host that follows a script, for tests of everything that leaves.

    async with Receiver(replies={"RCPT": ["451 4.2.1 Later", "250 Ok"]}) as receiver:
        ...deliver to 127.0.0.1, receiver.port...
    assert receiver.messages[0].content == b"…"

Without a script it behaves as a strict host does: commands out of order get 503, and MAIL inside a transaction too.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

Script = str | Sequence[str] | Callable[[str], str | None]
"""For one verb: the same reply always; replies in turn, then the usual one; or a function of the command line."""


@dataclass
class Received:
    """One message as it was taken, dots undone, with its envelope."""

    reverse_path: str
    recipients: list[str]
    content: bytes
    connection: int
    """Counts the connections from 1."""
    is_tls: bool


@dataclass
class _Dialogue:
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_tls: bool = False
    reverse_path: str | None = None
    recipients: list[str] = field(default_factory=list)

    def forget_transaction(self) -> None:
        self.reverse_path, self.recipients = None, []


class _Disconnect(Exception):
    """The script says that the connection ends here."""


class Receiver:
    """A scripted host on 127.0.0.1.

    Verbs of the script: ``CONNECT`` (the greeting), the commands' own names, ``AUTH-LINE``, and ``DOT`` for the reply
    to the content. ``disconnect_at`` takes a verb as well, and ``CONTENT``: after the first octets of it.
    """

    def __init__(
        self,
        *,
        extensions: Sequence[str] = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 52428800"),
        replies: Mapping[str, Script] | None = None,
        disconnect_at: str | None = None,
        disconnect_times: int = 1_000_000,
        delays: dict[str, float] | None = None,
        tls_context: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        breaks_handshake: bool = False,
        injects_at_starttls: bytes = b"",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.extensions = list(extensions)
        self.replies: dict[str, Script] = dict(replies or {})
        self.disconnect_at = disconnect_at
        self.disconnect_times = disconnect_times
        self.delays = delays or {}
        self.tls_context = tls_context
        self.implicit_tls = implicit_tls
        self.breaks_handshake = breaks_handshake
        self.injects_at_starttls = injects_at_starttls
        self.messages: list[Received] = []
        self.commands: list[str] = []
        self.connections = 0
        self.peers: list[tuple[str, int]] = []
        self.has_seen_pipelining = False
        """Something was behind a command, or in front of its reply, that a client without PIPELINING may not send."""
        self.host = host
        self.port = port
        self._turns: dict[str, int] = {}
        self._open: dict[int, asyncio.StreamWriter] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._transports: list[asyncio.WriteTransport] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        context = self.tls_context if self.implicit_tls else None
        self._server = await asyncio.start_server(self._serve, self.host, self.port, limit=1 << 27, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.disconnect_all()
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in self._transports:
            # One that was upgraded to TLS would wait for the other side's farewell.
            transport.abort()
        await self._server.wait_closed()
        for _ in range(3):
            # An aborted transport closes its socket in a later turn of the loop, one under TLS in the next but one.
            await asyncio.sleep(0)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    @property
    def open_connections(self) -> int:
        """How many connections stand now."""
        return len(self._open)

    def disconnect_all(self) -> None:
        """Hang up on everybody."""
        for writer in self._open.values():
            writer.close()

    def say(self, text: str) -> None:
        """Say something unasked on every connection."""
        for writer in self._open.values():
            writer.write(text.encode())

    # -- dialogue ------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        dialogue = _Dialogue(self.connections, reader, writer, is_tls=self.implicit_tls)
        self.peers.append(writer.get_extra_info("peername"))
        self._open[dialogue.number] = writer
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)  # the loop alone would let go of one whose handshake failed
        try:
            await self._converse(dialogue)
        except (_Disconnect, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()
            self._transports.append(writer.transport)
            del self._open[dialogue.number]

    async def _converse(self, dialogue: _Dialogue) -> None:
        await self._reply(dialogue, "CONNECT", "", "220 receiver.test ESMTP")
        while line := await dialogue.reader.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            self.commands.append(text)
            verb = text.split(" ")[0].upper()
            self.has_seen_pipelining |= bool(dialogue.reader._buffer)  # type: ignore[attr-defined]
            usual = await self._usual_reply(dialogue, verb, text)
            said = await self._reply(dialogue, verb, text, usual)
            await self._follow(dialogue, verb, text, said)

    async def _usual_reply(self, dialogue: _Dialogue, verb: str, text: str) -> str:
        match verb:
            case "EHLO":
                offers = [*self.extensions]
                if (self.tls_context or self.breaks_handshake) and not dialogue.is_tls:
                    offers.append("STARTTLS")
                lines = ["receiver.test", *offers]
                return "\r\n".join(f"250{'-' if i < len(lines) - 1 else ' '}{line}" for i, line in enumerate(lines))
            case "MAIL":
                return "503 5.5.1 Nested MAIL" if dialogue.reverse_path is not None else "250 2.1.0 Ok"
            case "RCPT":
                return "503 5.5.1 MAIL first" if dialogue.reverse_path is None else "250 2.1.5 Ok"
            case "DATA":
                return "354 Go on" if dialogue.recipients else "503 5.5.1 RCPT first"
            case "STARTTLS":
                return "220 2.0.0 Go on"
            case "AUTH":
                return "235 2.7.0 Ok"
            case "QUIT":
                return "221 2.0.0 Bye"
            case _:
                return "250 2.0.0 Ok"

    async def _follow(self, dialogue: _Dialogue, verb: str, text: str, said: str) -> None:
        path = text.partition("<")[2].partition(">")[0]
        match verb, said[:3]:
            case "MAIL", "250":
                dialogue.reverse_path = path
            case "RCPT", "250" | "251":
                dialogue.recipients.append(path)
            case "DATA", "354":
                await self._take_content(dialogue)
            case (("RSET" | "EHLO" | "HELO"), _):
                dialogue.forget_transaction()
            case "STARTTLS", "220":
                await self._start_tls(dialogue)
            case "AUTH", "334":
                await self._take_auth_lines(dialogue)
            case "QUIT", _:
                raise _Disconnect
            case _, "421":
                raise _Disconnect

    async def _take_auth_lines(self, dialogue: _Dialogue) -> None:
        said = "334"
        while said.startswith("334"):
            text = (await dialogue.reader.readline()).decode().rstrip("\r\n")
            self.commands.append(text)
            said = await self._reply(dialogue, "AUTH-LINE", text, "235 2.7.0 Ok")

    async def _start_tls(self, dialogue: _Dialogue) -> None:
        if self.breaks_handshake:
            dialogue.writer.write(b"this is no ServerHello\r\n")
            await dialogue.writer.drain()
            raise _Disconnect
        assert self.tls_context is not None
        # Where the handshake fails, the writer lets go of the connection beneath without closing it.
        self._transports.append(dialogue.writer.transport)
        await dialogue.writer.start_tls(self.tls_context)
        dialogue.is_tls = True
        dialogue.forget_transaction()

    async def _take_content(self, dialogue: _Dialogue) -> None:
        if self._ends_here("CONTENT"):
            await dialogue.reader.read(1)
            raise _Disconnect
        content = b""
        while not (content == b".\r\n" or content.endswith(b"\r\n.\r\n")):
            content += await dialogue.reader.readuntil(b".\r\n")
        content = content[:-3]
        unstuffed = content.replace(b"\r\n..", b"\r\n.")
        unstuffed = unstuffed[1:] if unstuffed.startswith(b".") else unstuffed
        usual = "250 2.0.0 Ok: taken" if dialogue.recipients else "554 5.5.1 No recipient"
        said = await self._reply(dialogue, "DOT", "", usual)
        if said.startswith("250") and dialogue.recipients:
            self.messages.append(
                Received(
                    dialogue.reverse_path or "",
                    dialogue.recipients,
                    unstuffed,
                    dialogue.number,
                    dialogue.is_tls,
                )
            )
        dialogue.forget_transaction()
        if said.startswith("421"):
            raise _Disconnect

    # -- script --------------------------------------------------------------------------------------------------

    async def _reply(self, dialogue: _Dialogue, verb: str, text: str, usual: str) -> str:
        if self._ends_here(verb):
            raise _Disconnect
        if verb in self.delays:
            await asyncio.sleep(self.delays[verb])
        said = self._scripted(verb, text)
        said = usual if said is None else said
        dialogue.writer.write(said.encode() + b"\r\n")
        if verb == "STARTTLS":
            dialogue.writer.write(self.injects_at_starttls)
        await dialogue.writer.drain()
        return said

    def _scripted(self, verb: str, text: str) -> str | None:
        script = self.replies.get(verb)
        if script is None or isinstance(script, str):
            return script
        if callable(script):
            return script(text)
        turn = self._turns.get(verb, 0)
        self._turns[verb] = turn + 1
        return script[turn] if turn < len(script) else None

    def _ends_here(self, verb: str) -> bool:
        if verb != self.disconnect_at or self.disconnect_times == 0:
            return False
        self.disconnect_times -= 1
        return True
