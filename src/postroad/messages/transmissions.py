"""Transmissions: what one call of the SparkPost API sends, under one id, which is one message or several."""

import secrets
from collections.abc import Sequence

import msgspec

from postroad.messages.steering import Steered, Verb, steer_all
from postroad.model.actor import Actor
from postroad.model.channel import SPARKPOST_CHANNEL
from postroad.model.delivery import Delivery, DeliveryState, Standing
from postroad.model.ids import from_text, text_of
from postroad.model.message import Message
from postroad.model.search_words import tag_term
from postroad.net.clock import Clock
from postroad.storage import message_search, messages, send_batches
from postroad.storage.database import Database
from postroad.storage.deliveries import NewId, Selector
from postroad.storage.message_search import Found, Wanted

_MOST_SCHEDULED = 1_000
"""Messages that are looked at together."""
_MOST_ROUNDS = 20


class Transmission(msgspec.Struct, frozen=True, kw_only=True):
    """A transmission as it stands."""

    id: str
    messages: Sequence[Message]
    """The first one first; its id is the transmission's."""
    deliveries: Sequence[Delivery]


def new_batch_id() -> str:
    """Return what the messages of a transmission are found by, where it makes several."""
    return f"transmission-{secrets.token_hex(12)}"


def first_of(message: Message) -> int:
    """Return the id of the first message of the transmission that a message is of."""
    return message.id if message.options.sent_with is None else message.options.sent_with


class Transmissions:
    """Finds transmissions and cancels them; what is not of the key's account and domain does not exist for it."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def find(self, name: str, account_id: int, domain_id: int | None) -> Transmission | None:
        """Return a transmission of an account, or of one of its domains alone."""
        try:
            first_id = from_text(name)
        except ValueError:
            return None
        first = await self._database.read(messages.show, first_id)
        if first is None or first.message.account_id != account_id:
            return None
        if domain_id is not None and first.message.domain_id != domain_id:
            return None
        found = [first]
        if first.message.options.batch_id is not None:
            ids = await self._database.read(send_batches.message_ids, first.message.options.batch_id)
            stories = [await self._database.read(messages.show, one) for one in ids if one != first_id]
            found += [one for one in stories if one is not None and one.message.options.sent_with == first_id]
        return Transmission(
            id=text_of(first_id),
            messages=[one.message for one in found],
            deliveries=[delivery for one in found for delivery in one.deliveries],
        )

    async def scheduled(
        self, account_id: int, domain_id: int | None, campaign: str | None = None
    ) -> tuple[list[Found], bool]:
        """Return the messages of transmissions whose time has not come, newest first, and whether there may be more.

        Args:
            account_id: Whose.
            domain_id: Of one of its sending domains, or None for all.
            campaign: Only those with this campaign: it is their first tag.
        """
        wanted = Wanted(
            account_id=account_id,
            domain_id=domain_id,
            terms=() if campaign is None else (tag_term(campaign),),
            standing=Standing.SCHEDULED,
        )
        page = await self._database.read(message_search.search, wanted, _MOST_SCHEDULED)
        now = self._clock()
        found = [one for one in page.found if _is_scheduled(one.message, campaign, now)]
        return found, page.before is not None or page.is_cut

    async def cancel_campaign(self, actor: Actor, account_id: int, domain_id: int | None, campaign: str) -> bool:
        """Cancel what is scheduled of a campaign; returns whether that is all of it: so much is done at once."""
        for _ in range(_MOST_ROUNDS):
            found, is_more = await self.scheduled(account_id, domain_id, campaign)
            for one in found:
                whole = Transmission(id=text_of(first_of(one.message)), messages=(one.message,), deliveries=())
                await self.cancel(actor, whole)
            if not is_more:
                return True
            if not found:
                break
        return False

    async def cancel(self, actor: Actor, transmission: Transmission) -> int:
        """Cancel what waits of a transmission; returns how many deliveries that were."""
        count = 0
        for message in transmission.messages:
            steered = Steered(
                selector=Selector(
                    message_id=message.id,
                    account_id=message.account_id,
                    states=(DeliveryState.SCHEDULED, DeliveryState.HELD),
                ),
                target=f"transmission {transmission.id}",
                account_id=message.account_id,
            )
            changed, _ = await steer_all(
                self._database, actor, Verb.CANCEL, steered, clock=self._clock, new_id=self._new_id
            )
            count += changed
        return count


def _is_scheduled(message: Message, campaign: str | None, now: int) -> bool:
    options = message.options
    if message.channel != SPARKPOST_CHANNEL or options.deliver_at is None or options.deliver_at <= now:
        return False
    return campaign is None or options.tags[:1] == (campaign,)
