"""Messages with their bytes, as sessions need them: read in batches, signed once, and shared among recipients.

A message whose recipients have variables or a template is taken apart once and made anew for each delivery; only what is
about to leave is held.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from postroad.delivery.tracked import Tracked, Tracking
from postroad.model.channel import FORWARD_CHANNEL
from postroad.model.delivery import Delivery
from postroad.model.domain import SendingDomain
from postroad.model.message import Message
from postroad.model.options import NO_OPTIONS
from postroad.net.clock import Clock
from postroad.protocol.dkim.key import SigningKey
from postroad.rendering.errors import ImpossibleCopyError
from postroad.rendering.merge import Merged, MergePlan, plan
from postroad.rendering.merge_values import Filling
from postroad.rendering.pipeline import Rendered, render
from postroad.rendering.placeholder import Addressee
from postroad.rendering.track import Layout
from postroad.storage import bodies, messages
from postroad.storage.database import Database
from postroad.tracking.token import Place

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


class TemplateContents(Protocol):
    """Makes the content of messages that ask for a stored template."""

    async def content_of(self, message: Message, delivery: Delivery, content: bytes, addressee: Addressee) -> Merged:
        """Return a message with the template's texts in place of its own, for one recipient, and what had no value.

        Args:
            message: ``options.template`` names the template with its version as it was at accept.
            delivery: Whose copy it is; ``options.variables`` are the recipient's own.
            content: What was submitted, its placeholders replaced; ``rendering.template_content`` puts it together.
            addressee: The recipient.

        Raises:
            LookupError: The template is gone.
            ImpossibleCopyError: It cannot be rendered for this recipient; the text says why.
        """


class Stored(msgspec.Struct, frozen=True):
    """A message and its content as it was accepted."""

    message: Message
    content: bytes

    @property
    def octets(self) -> int:
        """What keeping it takes."""
        return len(self.content)


class Planned(msgspec.Struct, frozen=True):
    """A message taken apart, to be made for each of its recipients."""

    message: Message
    plan: MergePlan
    size: int
    layouts: dict[Place, Layout] = {}
    """What is tracked, where all but the tokens is the same for every recipient; by where the links lead."""

    @property
    def octets(self) -> int:
        """What keeping it takes: the content, its pieces, the texts among them once read, and those of what is tracked."""
        return (3 if self.message.options.is_tracked else 2) * self.size + self.plan.text_octets


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
    """Why a message cannot leave as it is now, which may be cured."""

    text: str


class Impossible(msgspec.Struct, frozen=True):
    """Why a recipient's copy can never be made."""

    text: str
    origin: Origin


Made = Outgoing | Unfit | Impossible


async def _fit(rendering: Awaitable[Outgoing | Impossible]) -> Made:
    try:
        return await rendering
    except (LookupError, ValueError) as error:
        # One message's trouble (a domain or key that is gone, a header that cannot be signed) is not the others'.
        return Unfit(str(error) or type(error).__name__)


async def _run(
    copy: Callable[[bytes, dict[Place, Layout]], bytes], content: bytes, layouts: dict[Place, Layout]
) -> bytes:
    return await asyncio.to_thread(copy, content, layouts) if len(content) > _LARGE else copy(content, layouts)


class Contents:
    """The messages a worker has at hand."""

    def __init__(
        self,
        database: Database,
        domains: Domains,
        clock: Clock,
        cache_bytes: int,
        templates: TemplateContents | None = None,
        *,
        tracking: Tracking | None = None,
    ) -> None:
        self._tracking = tracking
        self._templates = templates
        self._database = database
        self._domains = domains
        self._clock = clock
        self._room = cache_bytes
        self._kept: OrderedDict[int, Stored | Planned | Outgoing] = OrderedDict()

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
            case Planned(plan=kept):
                return kept.content
            case _:
                read: dict[int, bytes] = await self._database.read(bodies.read_many, [message.id])
                return read.get(message.id)

    async def outgoing(self, deliveries: Sequence[Delivery], found: Mapping[int, Message]) -> dict[int, Made]:
        """Return, by delivery, messages as they leave; those whose content is gone are left out.

        A message is rendered and signed once for all of its recipients that are served soon. One with recipient
        variables or a template is looked at once and made for each delivery.
        """
        now = self._clock()
        own_ids = await self.personal(deliveries, found)
        others = [one for one in deliveries if one.id not in own_ids] if own_ids else deliveries
        shared = await self._shared({one.message_id: found[one.message_id] for one in others}, now)
        ready = {one.id: shared[one.message_id] for one in others if one.message_id in shared}
        if own_ids:
            ready |= await self._personal([one for one in deliveries if one.id in own_ids], found, now)
        return ready

    async def personal(self, deliveries: Iterable[Delivery], found: Mapping[int, Message]) -> set[int]:
        """Return those of deliveries whose bytes are their own and shared with no other."""
        own: set[int] = set()
        tracked: dict[int, bool] = {}
        for one in deliveries:
            message = found[one.message_id]
            options = message.options
            if options is NO_OPTIONS:
                continue
            is_own = one.options.variables is not None or options.template is not None
            if not is_own and options.is_tracked:
                if message.id not in tracked:
                    tracked[message.id] = await self._has_terms(message)
                is_own = tracked[message.id]
            if is_own:
                own.add(one.id)
        return own

    async def _has_terms(self, message: Message) -> bool:
        """Whether the links of a message that asks to be tracked have somewhere to lead."""
        if self._tracking is None:
            return False
        try:
            return self._tracking.terms_for(await self._domains.get(message.domain_id)) is not None
        except LookupError:
            # Its domain is gone: it is found unfit, once for all of its recipients.
            return False

    async def _shared(self, wanted: Mapping[int, Message], now: int) -> dict[int, Made]:
        ready: dict[int, Made] = {}
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
            ready[stored.message.id] = await _fit(self._render(stored, now))
            if count % _RENDERED_IN_A_ROW == 0:
                await asyncio.sleep(0)
        return ready

    async def _render(self, stored: Stored, now: int) -> Outgoing:
        message = stored.message
        outgoing = await self._signed(message, stored.content, now)
        if message.recipient_count > 1:
            self._keep(outgoing)
        else:
            self._forget(message.id)
        return outgoing

    async def _personal(
        self, deliveries: Sequence[Delivery], found: Mapping[int, Message], now: int
    ) -> dict[int, Made]:
        ready: dict[int, Made] = {}
        planned = await self._planned({one.message_id: found[one.message_id] for one in deliveries})
        for count, delivery in enumerate(deliveries, 1):
            if delivery.message_id in planned:
                ready[delivery.id] = await _fit(self._make_for(delivery, planned[delivery.message_id], now))
            if count % _RENDERED_IN_A_ROW == 0:
                await asyncio.sleep(0)
        return ready

    async def _planned(self, wanted: Mapping[int, Message]) -> dict[int, Planned]:
        """Return messages taken apart, which those for several recipients stay."""
        planned: dict[int, Planned] = {}
        stored: dict[int, bytes] = {}
        for message_id in wanted:
            match self._kept.get(message_id):
                case Planned() as kept:
                    planned[message_id] = kept
                case Stored(content=content):
                    stored[message_id] = content
        missing = [message_id for message_id in wanted if message_id not in planned and message_id not in stored]
        if missing:
            stored |= await self._database.read(bodies.read_many, missing)
        for message_id, content in stored.items():
            made = await asyncio.to_thread(plan, content) if len(content) > _LARGE else plan(content)
            planned[message_id] = Planned(wanted[message_id], made, len(content))
            if wanted[message_id].recipient_count > 1:
                self._keep(planned[message_id])
            else:
                self._forget(message_id)
        return planned

    async def _make_for(self, delivery: Delivery, planned: Planned, now: int) -> Outgoing | Impossible:
        try:
            return await self._render_for(delivery, planned, now)
        except ImpossibleCopyError as error:
            return Impossible(str(error), await self.origin(planned.message))

    async def _render_for(self, delivery: Delivery, planned: Planned, now: int) -> Outgoing:
        """Make one delivery's own message."""
        message, merge = planned.message, planned.plan
        tracked = await self._tracked(delivery, message)
        addressee = Addressee(
            address=delivery.recipient,
            display_name=delivery.options.display_name or merge.display_names.get(delivery.recipient.lower(), ""),
            variables=delivery.options.variables or {},
            links={} if tracked is None else tracked.links,
        )
        options = message.options
        filling = Filling(
            addressee=addressee,
            on_missing=options.on_missing,
            escapes_html=options.escapes_html,
            only_links=delivery.options.variables is None,
        )
        is_same = delivery.options.variables is None and (not addressee.links or merge.is_fixed)
        if is_same:
            merged = Merged(merge.content, frozenset())
        elif planned.size > _LARGE:
            merged = await asyncio.to_thread(merge.filled, filling)
        else:
            merged = merge.filled(filling)
        if options.template is not None:
            if self._templates is None:
                raise LookupError("the message asks for a stored template, and none are served here")
            made = await self._templates.content_of(message, delivery, merged.content, addressee)
            merged = Merged(made.content, merged.missing | made.missing)
            is_same = False
        if tracked is not None:
            content = await _run(tracked.copy, merged.content, planned.layouts if is_same else {})
            merged = Merged(content, merged.missing)
        return await self._signed(message, merged.content, now, sorted(merged.missing))

    async def _tracked(self, delivery: Delivery, message: Message) -> Tracked | None:
        if self._tracking is None or not message.options.is_tracked:
            return None
        terms = self._tracking.terms_for(await self._domains.get(message.domain_id))
        return None if terms is None else Tracked(terms, delivery, message.options)

    async def _signed(self, message: Message, content: bytes, now: int, missing: Sequence[str] = ()) -> Outgoing:
        # Whoever wrote what is passed on, it was not the domain: its signature would vouch for a stranger.
        is_ours = message.channel != FORWARD_CHANNEL
        keys = await self._domains.signing_keys(message.domain_id) if is_ours else ()
        if len(content) > _LARGE:
            rendered = await asyncio.to_thread(render, content, keys, now // 1000, missing)
        else:
            rendered = render(content, keys, now // 1000, missing)
        return Outgoing(message=message, origin=await self.origin(message), rendered=rendered, rendered_at=now)

    def _keep(self, item: Stored | Planned | Outgoing) -> None:
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
