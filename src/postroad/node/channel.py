"""What a supervisor and its workers say to one another: JSON lines over a socket pair.

The supervisor's first line is the plan. When either end closes, the other stops: a worker never outlives its node.
"""

import asyncio
import socket
from collections.abc import AsyncIterator

import msgspec

from postroad.config import Settings

_LINE_LIMIT = 1 << 20


class Plan(msgspec.Struct, frozen=True, kw_only=True, tag="plan"):
    """All that a worker needs to begin."""

    settings: Settings
    slot: int
    roles: tuple[str, ...]
    sockets: dict[str, tuple[int, ...]]
    """Inherited listening sockets by door: file descriptors."""
    is_dev: bool = False
    is_checkpointer: bool = False
    """The one worker of the node that moves SQLite's log into the database file."""


class Reload(msgspec.Struct, frozen=True, tag="reload"):
    """Read certificates anew."""


class WhyAsked(msgspec.Struct, frozen=True, tag="why-asked"):
    """Which limit does this delivery wait for, if you hold it?"""

    delivery_id: int


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """The worker serves."""

    number: int
    incarnation: int


class Beat(msgspec.Struct, frozen=True, kw_only=True, tag="beat"):
    """The worker's event loop turns; sent every second."""

    sessions: int
    leased_deliveries: int


class Why(msgspec.Struct, frozen=True, tag="why"):
    """The answer; null when this worker does not hold the delivery."""

    delivery_id: int
    reason: str | None


Word = Plan | Reload | WhyAsked | Ready | Beat | Why
_decoder = msgspec.json.Decoder(Word)


class Channel:
    """One end of the pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, pair_end: socket.socket) -> "Channel":
        """Return a channel over one connected socket."""
        return cls(*await asyncio.open_connection(sock=pair_end, limit=_LINE_LIMIT))

    def say(self, word: Word) -> None:
        """Send one word; the peer may be gone, which its own end of the words shows."""
        if not self._writer.is_closing():
            self._writer.write(msgspec.json.encode(word) + b"\n")

    async def words(self) -> AsyncIterator[Word]:
        """Yield what the peer says until it closes."""
        while line := await self._line():
            yield _decoder.decode(line)

    async def _line(self) -> bytes:
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return b""
        # A peer that was killed may have got half a word out.
        return line if line.endswith(b"\n") else b""

    def close(self) -> None:
        """Close this end."""
        self._writer.close()
