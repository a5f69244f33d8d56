"""What people see of calls: how webhooks stand, and the log of the attempts; what is not their account's does not exist."""

from collections.abc import Sequence

import msgspec

from postroad.dialects.samples import sample
from postroad.dialects.sendgrid.signature import public_key
from postroad.model.actor import Actor
from postroad.model.event import Event, EventType
from postroad.model.ids import text_of
from postroad.model.message import Message
from postroad.model.refused import MissingError
from postroad.model.webhook import CallAttempt, Webhook
from postroad.policy.permission import require_sight
from postroad.storage import domains, webhook_calls, webhook_log, webhook_standing
from postroad.storage.database import Database
from postroad.storage.webhook_log import LogPage, LogSelector
from postroad.storage.webhook_standing import Standing
from postroad.webhooks.attempt import sealed
from postroad.webhooks.facts import WebhookFacts
from postroad.webhooks.happenings import happenings_of

MOST_ATTEMPTS = 200
"""Of one call, that are shown; 72 hours have room for fewer."""
MOST_OF_MESSAGE = 50


class CallStory(msgspec.Struct, frozen=True, kw_only=True):
    """One call with all attempts at it."""

    attempts: Sequence[CallAttempt]
    """Oldest first; at least one."""
    events: Sequence[Event]
    """What it tells of, as far as it is still kept; made up where it is a test."""
    next_try_at: int | None
    """None where it is not tried again."""
    body: bytes | None
    """What the last attempt posted, made again from the events; None where they are no longer kept."""

    @property
    def last(self) -> CallAttempt:
        """The newest attempt."""
        return self.attempts[-1]


class CallLog:
    """Answers people."""

    def __init__(self, database: Database, facts: WebhookFacts) -> None:
        self._database = database
        self._facts = facts

    async def standings(self, found: Sequence[Webhook]) -> dict[int, Standing]:
        """Return how webhooks stand that the actor sees."""
        return await self._database.read(webhook_standing.standings, [one.id for one in found])

    async def search(self, actor: Actor, selector: LogSelector, limit: int, before: int | None = None) -> LogPage:
        """Return attempts of the actor's account, the newest first."""
        selector = msgspec.structs.replace(selector, account_id=actor.account_id)
        if selector.domain_id is not None or selector.receiver is not None:
            return await self._database.read(webhook_log.look, selector, limit, before)
        mine = [one.id for one in await self._database.read(domains.list_all, actor.account_id)]
        return await self._database.read(webhook_log.look_over, mine, selector, limit, before)

    async def story(self, actor: Actor, call_id: int) -> CallStory:
        """Return one call. Raises MissingError."""
        name = f"call {text_of(call_id)} in the log"
        attempts = await self._database.read(webhook_log.page, LogSelector(call_id=call_id), MOST_ATTEMPTS)
        require_sight(actor, attempts[0].account_id if attempts else None, name)
        if not attempts:
            raise MissingError(f"There is no {name}.")
        last = attempts[-1]
        if last.is_test:
            events, body = await self._of_test(last)
        else:
            events, body = await self._of_events(last)
        due_at = await self._database.read(webhook_standing.next_try_at, call_id)
        return CallStory(attempts=attempts, events=events, next_try_at=due_at, body=body)

    async def public_key(self, account_id: int) -> str:
        """Return the key that receivers of SendGrid's format verify an account's calls with."""
        return public_key(await self._facts.event_key(account_id))

    async def of_message(self, message: Message) -> list[CallAttempt]:
        """Return the newest attempts that told of a message that the actor sees, the newest first."""
        return await self._database.read(webhook_log.of_message, message.id, MOST_OF_MESSAGE)

    async def _of_events(self, attempt: CallAttempt) -> tuple[Sequence[Event], bytes | None]:
        material = await self._database.read(webhook_calls.material_of, attempt.event_ids)
        events = [material.events[one] for one in attempt.event_ids if one in material.events]
        facts = await self._facts.of_attempt(attempt)
        if facts is None or len(events) < len(attempt.event_ids):
            return events, None
        happenings = happenings_of(events, facts, material)
        return events, sealed(facts, attempt.call_id, happenings, attempt.at).body

    async def _of_test(self, attempt: CallAttempt) -> tuple[Sequence[Event], bytes | None]:
        facts = await self._facts.of_attempt(attempt)
        if facts is None:
            return (), None
        made = [sample(EventType(kind), domain=facts.domain.name, at=attempt.at) for kind in attempt.event_types]
        return [one.event for one in made], sealed(facts, attempt.call_id, made, attempt.at).body
