"""Messages for people: finding them, their story, and what may be done to their deliveries by hand."""

import msgspec

from postroad.messages.steering import Steered, Verb, steer, steer_all
from postroad.model.actor import Actor
from postroad.model.channel import NOTICE_CHANNEL
from postroad.model.delivery import DeliveryState, Standing
from postroad.model.domain import SendingDomain
from postroad.model.ids import HIGHEST_ID, text_of
from postroad.model.refused import MissingError
from postroad.net.clock import Clock
from postroad.policy.message_query import Reading, readings
from postroad.policy.permission import require_change, require_sight
from postroad.storage import bodies, domains, message_search, messages, rendered
from postroad.storage.database import Database
from postroad.storage.deliveries import NewId, Selector
from postroad.storage.message_search import Page, Wanted
from postroad.storage.messages import Story

_MOST_CANCELLED = 100_000


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody looks for in the console."""

    typed: str = ""
    """What stands in the one box: an id, an address, words, or the beginning of one."""
    since: int | None = None
    until: int | None = None
    standing: Standing | None = None
    domain_id: int | None = None

    @property
    def is_narrowed(self) -> bool:
        """Whether anything besides the domain leaves messages out."""
        return bool(self.typed.strip() or self.since or self.until or self.standing)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A page of messages, and which way of understanding what was typed led to it."""

    page: Page
    reading: int
    """Its number, which the next page asks for."""


class Messages:
    """Answers people; what is not their account's does not exist for them."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def search(
        self, actor: Actor, search: Search, limit: int, *, before: int | None = None, reading: int | None = None
    ) -> Result:
        """Return messages, newest first, by the first reading that finds any, or by the one that is named."""
        await self._require_domain(actor, search.domain_id)
        ways = list(enumerate(readings(search.typed, self._clock())))
        if reading is not None:
            ways = ways[reading : reading + 1]
        found = Result(page=Page(found=(), before=None), reading=0)
        for number, way in ways:
            wanted = _wanted(actor, search, way)
            page = await self._database.read(message_search.search, wanted, limit, before)
            if page.found:
                return Result(page=page, reading=number)
            # What one reading was not searched for to the end is gone on with where no other finds anything.
            if page.is_cut and not found.page.is_cut:
                found = Result(page=page, reading=number)
        return found

    async def find(self, actor: Actor, wanted: Wanted, limit: int, before: int | None = None) -> Page:
        """Return messages by exact wishes, newest first."""
        await self._require_domain(actor, wanted.domain_id)
        if actor.account_id is not None:
            wanted = msgspec.structs.replace(wanted, account_id=actor.account_id)
        return await self._database.read(message_search.search, wanted, limit, before)

    async def story(self, actor: Actor, message_id: int) -> Story:
        """Return everything that is known of a message."""
        story = await self._database.read(messages.show, message_id)
        if story is None:
            raise MissingError(f"There is no {_name(message_id)}.")
        require_sight(actor, story.message.account_id, _name(message_id))
        return story

    async def content(self, actor: Actor, message_id: int) -> bytes | None:
        """Return a message's bytes, or None where they are no longer kept.

        What Postroad itself wrote is shown to nobody: it may hold a link that is worth a password.
        """
        story = await self.story(actor, message_id)
        if story.message.channel == NOTICE_CHANNEL:
            return None
        return (await self._database.read(bodies.read_many, [message_id])).get(message_id)

    async def rendered(self, actor: Actor, message_id: int, delivery_id: int) -> bytes | None:
        """Return what a delivery in test mode would have left as, or None where nothing is kept of it."""
        story = await self.story(actor, message_id)
        if delivery_id not in {one.id for one in story.deliveries}:
            raise MissingError(f"There is no such delivery of {_name(message_id)}.")
        return await self._database.read(rendered.get, delivery_id)

    async def steer(self, actor: Actor, message_id: int, verb: Verb) -> int:
        """Hold, release, retry or cancel what waits of a message; returns how many deliveries were changed."""
        story = await self.story(actor, message_id)
        account_id = story.message.account_id
        require_change(actor, account_id, _name(message_id))
        selector = Selector(message_id=message_id, account_id=account_id)
        return await steer(
            self._database,
            actor,
            verb,
            Steered(selector=selector, target=_name(message_id), account_id=account_id),
            now=self._clock(),
            new_id=self._new_id,
            limit=len(story.deliveries),
        )

    async def cancel_waiting(self, actor: Actor, domain: SendingDomain) -> bool:
        """Cancel what waits of a domain; returns whether that is all of it: so much is done at once."""
        require_change(actor, domain.account_id, f"sending domain {domain.name}")
        selector = Selector(
            domain_id=domain.id,
            account_id=domain.account_id,
            states=(DeliveryState.SCHEDULED, DeliveryState.HELD),
        )
        steered = Steered(selector=selector, target=f"all that waits of {domain.name}", account_id=domain.account_id)
        _, is_all = await steer_all(
            self._database,
            actor,
            Verb.CANCEL,
            steered,
            clock=self._clock,
            new_id=self._new_id,
            most=_MOST_CANCELLED,
        )
        return is_all

    async def _require_domain(self, actor: Actor, domain_id: int | None) -> None:
        if domain_id is None:
            return
        domain = await self._database.read(domains.get, domain_id)
        require_sight(actor, None if domain is None else domain.account_id, "such domain")


def _wanted(actor: Actor, search: Search, way: Reading) -> Wanted:
    lowest, highest = way.id_range or (0, HIGHEST_ID)
    return Wanted(
        account_id=actor.account_id,
        domain_id=search.domain_id,
        lowest_id=lowest,
        highest_id=highest,
        since=search.since,
        until=search.until,
        terms=way.terms,
        beginnings=way.beginnings,
        standing=search.standing,
    )


def _name(message_id: int) -> str:
    return f"message {text_of(message_id)}"
