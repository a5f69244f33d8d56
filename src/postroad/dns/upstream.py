"""One resolver as we talk to it: many questions at once over one UDP socket, and TCP for what does not fit."""

import asyncio
import contextlib
import struct
from collections.abc import Callable

import dns.exception
import dns.flags
import dns.message
import msgspec

from postroad.net.address import parse_address

# RFC 5452 §9.2: a port that changes now and then is hard to aim forged answers at.
_QUESTIONS_PER_SOCKET = 2_000
_FORGERIES_PER_SOCKET = 20


class Nameserver(msgspec.Struct, frozen=True):
    """The address and port of a resolver."""

    address: str
    port: int = 53

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return host if self.port == 53 else f"{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine, so that nobody between can forge its word that an answer is authentic."""
        address = parse_address(self.address)
        return address is not None and address.is_loopback


class NoAnswer(Exception):  # noqa: N818 - an outcome of an exchange rather than an error of the program
    """A resolver cannot be talked to; the message says why."""


class _Channel(asyncio.DatagramProtocol):
    """One connected UDP socket and the questions that wait on it, by their id."""

    def __init__(self) -> None:
        self.pending: dict[int, tuple[bytes, asyncio.Future[dns.message.Message]]] = {}
        self.asked = 0
        self.forgeries = 0
        self.is_retired = False
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; it is a datagram transport by construction."""
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - the socket is connected
        """Give a response to the question it answers; everything else is dropped."""
        identifier = int.from_bytes(data[:2])
        question, waiter = self.pending.get(identifier, (b"", None))
        # RFC 5452 §9.1: the id alone is not enough, the question must be echoed as well.
        if waiter is None or not _echoes(data, question):
            self.forgeries += 1
            return
        if waiter.done():
            return
        try:
            # What was cut off may end in the middle of a record: only its head is read.
            is_cut = bool(data[2] & 0x02)
            waiter.set_result(dns.message.from_wire(data, ignore_trailing=True, question_only=is_cut))
        except (dns.exception.DNSException, ValueError) as error:
            waiter.set_exception(NoAnswer(f"a malformed answer ({type(error).__name__})"))

    def error_received(self, exc: Exception) -> None:
        """Fail every question at once when the system reports that nobody listens there (ICMP)."""
        self._fail(NoAnswer(_os_reason(exc)))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what still waits when the socket is gone."""
        self.is_retired = True
        self._fail(NoAnswer(_os_reason(exc) if exc else "the socket was closed"))

    @property
    def is_worn(self) -> bool:
        """Whether the next question should go over a new socket."""
        return self.is_retired or self.asked >= _QUESTIONS_PER_SOCKET or self.forgeries >= _FORGERIES_PER_SOCKET

    def send(self, wire: bytes) -> None:
        """Send one question."""
        assert self._transport is not None
        self.asked += 1
        self._transport.sendto(wire)

    def close_when_idle(self) -> None:
        """Close the socket of a worn channel after its last question."""
        if self.is_worn and not self.pending:
            self.close()

    def close(self) -> None:
        """Close the socket now."""
        self.is_retired = True
        if self._transport is not None:
            self._transport.close()

    def _fail(self, error: NoAnswer) -> None:
        for _, waiter in self.pending.values():
            if not waiter.done():
                waiter.set_exception(error)


class Upstream:
    """A resolver that questions can be put to."""

    def __init__(self, nameserver: Nameserver, new_id: Callable[[], int]) -> None:
        self.nameserver = nameserver
        self._new_id = new_id
        self._channel: _Channel | None = None
        self._opening = asyncio.Lock()

    async def ask(self, query: dns.message.Message, timeout_s: float) -> dns.message.Message:
        """Return the complete response to ``query``; raises NoAnswer, also when the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._ask_by_udp(query)
                if response.flags & dns.flags.TC:
                    # RFC 7766 §5: an answer that was cut off is asked for again by TCP.
                    response = await self._ask_by_tcp(query)
                return response
        except TimeoutError:
            raise NoAnswer(f"no answer within {timeout_s:.1f} s") from None
        except OSError as error:
            raise NoAnswer(_os_reason(error)) from error

    async def _ask_by_udp(self, query: dns.message.Message) -> dns.message.Message:
        channel = await self._open_channel()
        query.id = identifier = self._free_id(channel)
        wire = query.to_wire()
        waiter: asyncio.Future[dns.message.Message] = asyncio.get_running_loop().create_future()
        channel.pending[identifier] = (_question_of(wire), waiter)
        try:
            channel.send(wire)
            return await waiter
        finally:
            del channel.pending[identifier]
            channel.close_when_idle()

    def _free_id(self, channel: _Channel) -> int:
        if len(channel.pending) > 32_768:
            raise NoAnswer("too many questions are open")
        while (identifier := self._new_id()) in channel.pending:
            pass
        return identifier

    async def _open_channel(self) -> _Channel:
        channel = self._channel
        if channel is not None and not channel.is_worn:
            return channel
        async with self._opening:
            if self._channel is not None and not self._channel.is_worn:
                return self._channel
            loop = asyncio.get_running_loop()
            _, fresh = await loop.create_datagram_endpoint(
                _Channel, remote_addr=(self.nameserver.address, self.nameserver.port)
            )
            worn, self._channel = self._channel, fresh
            if worn is not None:
                worn.close_when_idle()
            return fresh

    async def _ask_by_tcp(self, query: dns.message.Message) -> dns.message.Message:
        query.id = self._new_id()
        wire = query.to_wire()
        reader, writer = await asyncio.open_connection(self.nameserver.address, self.nameserver.port)
        try:
            # RFC 1035 §4.2.2: two octets of length go before each message.
            writer.write(struct.pack(">H", len(wire)) + wire)
            size = int.from_bytes(await reader.readexactly(2))
            data = await reader.readexactly(size)
            if data[:2] != wire[:2] or not _echoes(data, _question_of(wire)):
                raise NoAnswer("the answer belongs to another question")
            return dns.message.from_wire(data, ignore_trailing=True)
        except asyncio.IncompleteReadError as error:
            raise NoAnswer("the connection was closed before the answer was complete") from error
        except (dns.exception.DNSException, ValueError) as error:
            raise NoAnswer(f"a malformed answer ({type(error).__name__})") from error
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def close(self) -> None:
        """Close the socket; questions that still wait end as unanswered."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def _question_of(wire: bytes) -> bytes:
    """Return the question section of a query of ours: one name in full, its type and class."""
    end = wire.index(0, 12) + 5
    return wire[12:end]


def _echoes(data: bytes, question: bytes) -> bool:
    """Tell whether a response carries this question; the case of letters does not count (RFC 4343 §3)."""
    is_response = len(data) > 12 and data[2] & 0x80
    return bool(is_response) and data[12 : 12 + len(question)].lower() == question.lower()


def _os_reason(error: BaseException | None) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
