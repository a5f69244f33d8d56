"""The test button: a sample of every type of event goes the way that real ones go."""

import asyncio
from collections.abc import Collection

from postroad.dialects.samples import sample
from postroad.model.actor import Actor
from postroad.model.audit import entry_of
from postroad.model.event import EventType
from postroad.model.ids import partition_of
from postroad.model.refused import MissingError, RefusedError
from postroad.model.webhook import CallAttempt, Webhook
from postroad.net.clock import Clock
from postroad.policy.permission import require_change
from postroad.storage import audit, webhook_log
from postroad.storage.database import Database
from postroad.storage.outbox import NewId
from postroad.webhooks.attempt import sealed, told
from postroad.webhooks.facts import ReceiverFacts, WebhookFacts
from postroad.webhooks.post import Poster, result_of

_PARTITION = 0


class Trial:
    """Posts samples: with the same client, signed the same, and in the log, but not repeated and of no consequence."""

    def __init__(self, database: Database, facts: WebhookFacts, poster: Poster, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._facts = facts
        self._poster = poster
        self._clock = clock
        self._new_id = new_id

    async def run(self, actor: Actor, webhook: Webhook, kinds: Collection[EventType] = ()) -> list[CallAttempt]:
        """Post a sample of each type that a webhook takes, or of some of them; returns what came of each."""
        require_change(actor, webhook.account_id, f"webhook {webhook.id}")
        facts = await self._facts.of_webhook(webhook)
        if facts is None:
            raise MissingError(f"There is no webhook {webhook.id}.")
        wanted = [kind for kind in webhook.event_types if not kinds or kind in kinds]
        if not wanted:
            raise RefusedError("Choose types of events that the webhook takes.", field="kinds")
        # All at once: somebody waits, and a receiver that does not answer takes its whole time for each.
        attempts = await asyncio.gather(*(self._try(facts, kind) for kind in wanted))
        await self._database.write(webhook_log.append, attempts)
        entry = entry_of(actor, "webhook.tested", webhook.url, at=self._clock(), account_id=webhook.account_id)
        await self._database.write(audit.record, entry)
        return attempts

    async def _try(self, facts: ReceiverFacts, kind: EventType) -> CallAttempt:
        now = self._clock()
        call_id = self._new_id(_PARTITION)
        happening = sample(kind, domain=facts.domain.name, at=now)
        call = sealed(facts, call_id, [happening], now)
        answer = await self._poster.post(facts.url, call, now)
        return told(
            facts,
            event_ids=[happening.event.id],
            event_types=[kind.value],
            attempt_id=self._new_id(partition_of(call_id)),
            call_id=call_id,
            at=now,
            attempt=1,
            call=call,
            answer=answer,
            result=result_of(answer, facts.format),
            is_test=True,
        )
