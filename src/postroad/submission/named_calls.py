"""Calls that have a name: who repeats one gets the first answer, whatever has become of its recipients meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import msgspec
import structlog

from postroad.model.dedupe import AnsweredCall, NamedCall, NamedMessage
from postroad.model.event import Event
from postroad.model.ids import IdSource, text_of
from postroad.model.submission import Rejected, Submission
from postroad.net.clock import Clock
from postroad.policy.admission import RULES
from postroad.storage import call_keys, deliveries
from postroad.storage.database import Database
from postroad.storage.deliveries import Selector
from postroad.storage.errors import StorageError
from postroad.submission.batch import Fit, Receipt
from postroad.submission.rows import repeat_event

log = structlog.get_logger()

_MOST_TOLD = 100
"""Recipients in whose stories a repeat is noted."""
_LOOKS_AGAIN_AFTER_S = (0.0, 0.1, 0.4)
"""Another worker takes the last room in a quota first, and has stored the answer two commits later."""


class NamedCalls:
    """Knows what calls were answered with."""

    def __init__(self, database: Database, ids: IdSource, clock: Clock) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def alone(self, call: NamedCall) -> AsyncIterator[None]:
        """Let the calls of one name that come to this worker take turns: each would take room in quotas otherwise."""
        turn = self._turns.get(call.key)
        if turn is None:
            # It is forgotten when nobody holds it or waits for it any more.
            turn = self._turns[call.key] = asyncio.Lock()
        async with turn:
            yield

    async def answer(self, submission: Submission) -> tuple[Receipt, ...] | Rejected | None:
        """Return what the named call that a submission is of was answered with; None where it is new.

        Where the name stands for another call, that is the refusal of this one. Raises StorageError.
        """
        call = submission.call
        known = None if call is None else await self._database.read(call_keys.find, call.key, self._clock())
        if call is None or known is None:
            return None
        if known.call.content != call.content:
            return _of_another(known)
        return tuple(Receipt(one.message_id, one.message_id_header) for one in known.messages)

    async def is_answered_meanwhile(self, submission: Submission) -> bool:
        """Whether another worker carries out the named call that a submission is of; waits for it. Raises StorageError."""
        for pause_s in _LOOKS_AGAIN_AFTER_S:
            await asyncio.sleep(pause_s)
            if await self.answer(submission) is not None:
                return True
        return False

    async def note_repeat(self, submission: Submission, receipts: Sequence[Receipt]) -> None:
        """Write into the stories of the first call's messages that it came again."""
        try:
            await self._database.append_events(await self._repeats(submission, receipts))
        except StorageError as error:
            # What was stored must be answered for, whether or not its story can be written.
            log.warning("repeat_not_noted", why=str(error))

    async def _repeats(self, submission: Submission, receipts: Sequence[Receipt]) -> list[Event]:
        now, events = self._clock(), list[Event]()
        for receipt in receipts:
            room = _MOST_TOLD - len(events)
            if room <= 0:
                break
            selector = Selector(message_id=receipt.message_id)
            events += [
                repeat_event(self._ids, now, one, (one.message_id, one.id), submission.client.address)
                for one in await self._database.read(deliveries.search, selector, room)
            ]
        return events


def answered_together(fit: Sequence[Fit]) -> Sequence[Fit]:
    """Return messages of which the first keeps the answer to the call that they are of, where that has a name."""
    first = fit[0]
    if first.submission.call is None:
        return fit
    told = tuple(NamedMessage(one.accepted.message.id, one.accepted.message.message_id_header) for one in fit)
    accepted = msgspec.structs.replace(first.accepted, call=AnsweredCall(first.submission.call, told))
    return (msgspec.structs.replace(first, accepted=accepted), *fit[1:])


def _of_another(known: AnsweredCall) -> Rejected:
    first = text_of(known.messages[0].message_id)
    rule = "call_key_reused"
    return Rejected(
        rule,
        RULES[rule][0],
        f"The idempotency key was used for another call, which message {first} is of; take a new key.",
    )
