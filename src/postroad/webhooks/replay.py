"""Calls of the log that are made again: one, or those of a span of time."""

import msgspec

from postroad.model.actor import Actor
from postroad.model.audit import entry_of
from postroad.model.ids import text_of
from postroad.model.refused import MissingError, RefusedError
from postroad.model.webhook import CallResult
from postroad.net.clock import Clock
from postroad.policy.permission import require_change
from postroad.storage import audit, webhook_calls, webhook_log
from postroad.storage.database import Database
from postroad.storage.outbox import NewId
from postroad.storage.webhook_log import LogSelector

MOST_CALLS = 100_000
"""That one replay makes."""
_PAGE = 200
_ENDED = (CallResult.DELIVERED, CallResult.REFUSED, CallResult.GIVEN_UP)
_FAILED = (CallResult.REFUSED, CallResult.GIVEN_UP)


class Replayed(msgspec.Struct, frozen=True):
    """What a replay came to."""

    calls: int
    is_more: bool = False
    """It stopped at the most that one replay makes."""


class Replay:
    """Makes new calls, with new ids, of events that were posted or given up; receivers cannot tell them from first ones."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def call(self, actor: Actor, call_id: int) -> Replayed:
        """Make one call of the log again. Raises RefusedError where nothing of it is left."""
        found = await self._database.read(webhook_log.page, LogSelector(call_id=call_id), _PAGE)
        found = [one for one in found if actor.sees(one.account_id)]
        if not found:
            raise MissingError(f"There is no call {text_of(call_id)} in the log.")
        require_change(actor, found[0].account_id, f"call {text_of(call_id)}")
        if found[0].is_test:
            raise RefusedError("That call was a test of an address: `webhook test` tries it again.")
        made = await self._database.write(webhook_calls.replay, found[-1:], set(), self._new_id, self._clock())
        if not made:
            raise RefusedError("Its events are no longer kept, or its webhook has been removed.")
        await self._note(actor, found[0].account_id, found[0].url, made)
        return Replayed(made)

    async def count(self, actor: Actor, selector: LogSelector, *, only_failed: bool = False, most: int) -> int:
        """Return how many calls ``span`` would make, counted up to a little over ``most``."""
        if selector.account_id is not None:
            require_change(actor, selector.account_id, "account")
        selector = msgspec.structs.replace(selector, results=_FAILED if only_failed else _ENDED)
        return await self._database.read(webhook_log.count_of_events, selector, most + 1)

    async def span(self, actor: Actor, selector: LogSelector, target: str, *, only_failed: bool = False) -> Replayed:
        """Make the calls again that ended in a span of time: all, or those that were refused or given up.

        Those that still wait are tried anyway. The caller has narrowed the selector to what the actor may change.
        """
        selector = msgspec.structs.replace(selector, results=_FAILED if only_failed else _ENDED)
        seen: set[tuple[int, int]] = set()
        made, after = 0, 0
        while made < MOST_CALLS:
            page = await self._database.read(webhook_log.page, selector, _PAGE, after)
            if not page:
                break
            after = page[-1].id
            kept = [one for one in page if not one.is_test]
            made += await self._database.write(webhook_calls.replay, kept, seen, self._new_id, self._clock())
        if made:
            await self._note(actor, selector.account_id, target, made)
        return Replayed(made, is_more=made >= MOST_CALLS)

    async def _note(self, actor: Actor, account_id: int | None, target: str, made: int) -> None:
        entry = entry_of(
            actor, "webhook.replayed", target, at=self._clock(), account_id=account_id, after={"calls": made}
        )
        await self._database.write(audit.record, entry)
