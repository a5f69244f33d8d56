"""Messages with their bytes, as sessions need them: read in batches, signed once, and shared among recipients."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from postroad.model.domain import SendingDomain
from postroad.model.message import Message
from postroad.net.clock import Clock
from postroad.protocol.dkim.key import SigningKey
from postroad.rendering.pipeline import Rendered, render
from postroad.storage import bodies, messages
from postroad.storage.database import Database

_LARGE = 256 * 1024
_RENDERED_IN_A_ROW = 8
"""Signing takes a third of a millisecond; after so many others of the event loop have their turn."""
_RENDERED_FOR_MS = 600_000
"""How long a signature is used again: its time stamp should not be far from when the message leaves."""


class Domains(Protocol):
    """What delivery must know of sending domains; answers are remembered by whoever gives them."""

    async def get(self, domain_id: int) -> SendingDomain:
        """Return a sending domain; raises LookupError where it is gone."""

    async def signing_keys(self, domain_id: int) -> Sequence[SigningKey]:
        """Return the keys that sign a domain's mail, in the order of their signatures."""

    async def return_path_host(self, domain_id: int) -> str:
        """Return the host of a domain's return paths."""


class Stored(msgspec.Struct, frozen=True):
    """A message and its content as it was accepted."""

    message: Message
    content: bytes

    @property
    def octets(self) -> int:
        """What keeping it takes."""
        return len(self.content)


class Origin(msgspec.Struct, frozen=True):
    """A message with what is known of its sending domain."""

    message: Message
    domain: SendingDomain
    return_path_host: str


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it leaves."""

    message: Message
    origin: Origin
    rendered: Rendered
    rendered_at: int

    @property
    def octets(self) -> int:
        """What keeping it takes."""
        return len(self.rendered.content)


class Unfit(msgspec.Struct, frozen=True):
    """Why a message cannot leave as it is."""

    text: str


class Contents:
    """The messages a worker has at hand."""

    def __init__(self, database: Database, domains: Domains, clock: Clock, cache_bytes: int) -> None:
        self._database = database
        self._domains = domains
        self._clock = clock
        self._room = cache_bytes
        self._kept: OrderedDict[int, Stored | Outgoing] = OrderedDict()

    def keep(self, message: Message, content: bytes) -> None:
        """Remember a message that was just accepted, so that it need not be read back."""
        self._keep(Stored(message, content))

    async def messages(self, message_ids: Iterable[int]) -> dict[int, Message]:
        """Return the facts of messages; those that are gone are left out."""
        found: dict[int, Message] = {}
        missing: list[int] = []
        for message_id in dict.fromkeys(message_ids):
            kept = self._kept.get(message_id)
            if kept is None:
                missing.append(message_id)
            else:
                found[message_id] = kept.message
        if missing:
            found |= await self._database.read(messages.get_many, missing)
        return found

    async def origin(self, message: Message) -> Origin:
        """Return a message with the facts of its sending domain."""
        domain = await self._domains.get(message.domain_id)
        return Origin(message, domain, await self._domains.return_path_host(message.domain_id))

    async def stored(self, message: Message) -> bytes | None:
        """Return a message's content as it was accepted, or as it left; null where it is gone."""
        match self._kept.get(message.id):
            case Stored(content=content):
                return content
            case Outgoing(rendered=rendered):
                return rendered.content
            case _:
                read: dict[int, bytes] = await self._database.read(bodies.read_many, [message.id])
                return read.get(message.id)

    async def outgoing(self, wanted: Mapping[int, Message]) -> dict[int, Outgoing | Unfit]:
        """Return messages as they leave; those whose content is gone are left out.

        A message is rendered and signed once for all of its recipients that are served soon.
        """
        now = self._clock()
        ready: dict[int, Outgoing | Unfit] = {}
        to_render: list[Stored] = []
        missing: list[int] = []
        for message_id in wanted:
            match self._kept.get(message_id):
                case Outgoing(rendered_at=rendered_at) as kept if now - rendered_at < _RENDERED_FOR_MS:
                    ready[message_id] = kept
                case Stored() as kept:
                    to_render.append(kept)
                case _:
                    missing.append(message_id)
        if missing:
            read = await self._database.read(bodies.read_many, missing)
            to_render += [Stored(wanted[message_id], content) for message_id, content in read.items()]
        for count, stored in enumerate(to_render, 1):
            ready[stored.message.id] = await self._fit(stored, now)
            if count % _RENDERED_IN_A_ROW == 0:
                await asyncio.sleep(0)
        return ready

    async def _fit(self, stored: Stored, now: int) -> Outgoing | Unfit:
        try:
            return await self._render(stored, now)
        except (LookupError, ValueError) as error:
            # One message's trouble (a domain or key that is gone, a header that cannot be signed) is not the others'.
            return Unfit(str(error) or type(error).__name__)

    async def _render(self, stored: Stored, now: int) -> Outgoing:
        message = stored.message
        keys = await self._domains.signing_keys(message.domain_id)
        if len(stored.content) > _LARGE:
            rendered = await asyncio.to_thread(render, stored.content, keys, now // 1000)
        else:
            rendered = render(stored.content, keys, now // 1000)
        origin = await self.origin(message)
        outgoing = Outgoing(message=message, origin=origin, rendered=rendered, rendered_at=now)
        if message.recipient_count > 1:
            self._keep(outgoing)
        else:
            self._forget(message.id)
        return outgoing

    def _keep(self, item: Stored | Outgoing) -> None:
        self._forget(item.message.id)
        self._kept[item.message.id] = item
        self._room -= item.octets
        while self._room < 0:
            _, oldest = self._kept.popitem(last=False)
            self._room += oldest.octets

    def _forget(self, message_id: int) -> None:
        kept = self._kept.pop(message_id, None)
        if kept is not None:
            self._room += kept.octets
