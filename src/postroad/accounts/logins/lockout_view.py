"""A worker's view of who is locked out: counts at once, writes what has gathered, and learns what others wrote."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
import structlog

from postroad.net.clock import Clock
from postroad.policy import lockout
from postroad.policy.lockout import CLEAN, LockoutRule, Standing
from postroad.storage import lockouts
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.lockouts import MOST_PER_CALL, Failures, Lockout

log = structlog.get_logger()

_CAPACITY = 20_000
"""Subjects that a worker remembers; the oldest go first, and the table still has those."""
_MOST_PENDING = 5_000
"""Subjects whose failures may wait to be written; further failures count in this worker only."""
_OVERLAP_MS = 60_000
"""How far each look for news goes back beyond the last: transactions take a while, and clocks of nodes differ."""

Key = tuple[str, str]
"""Scope and subject."""


class Listener(Protocol):
    """Hears what was locked."""

    async def locked(self, found: Sequence[Lockout]) -> None:
        """Take note of subjects that this worker's failures have locked; each lock is told once."""


class LockoutView:
    """What one worker knows of subjects that failed, within its bounds; ``write`` must be called now and then, and so must ``learn``."""

    def __init__(
        self, database: Database, clock: Clock, rules: Mapping[str, LockoutRule], listener: Listener | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules
        self._listener = listener
        self._standings: dict[Key, Standing] = {}
        self._pending: dict[Key, Failures] = {}
        self._looked_at: int | None = None

    def standing(self, scope: str, subject: str) -> Standing:
        """Return what is known of a subject."""
        return self._standings.get((scope, subject), CLEAN)

    def failed(self, failures: Failures) -> None:
        """Count failures; they hold in this worker at once, and everywhere within five seconds."""
        key = (failures.scope, failures.subject)
        self._count(key, failures, self.standing(*key))
        before = self._pending.get(key)
        if before is not None:
            self._pending[key] = _together(before, failures)
        elif len(self._pending) < _MOST_PENDING:
            self._pending[key] = failures

    async def write(self) -> None:
        """Write the failures that have gathered, and tell of the subjects that they locked."""
        while self._pending:
            batch = dict(list(self._pending.items())[:MOST_PER_CALL])
            for key in batch:
                del self._pending[key]
            try:
                noted = await self._database.write(
                    lockouts.note_failures, tuple(batch.values()), self._rules, self._clock()
                )
            except StorageError:
                for key, failures in batch.items():
                    newer = self._pending.get(key)
                    self._pending[key] = failures if newer is None else _together(failures, newer)
                raise
            for one in noted:
                self._learn(one.lockout)
            locked = [one.lockout for one in noted if one.has_just_locked]
            if locked:
                await self._tell(locked)

    def read_news(self, connection: Any, now: int) -> list[Lockout]:
        """Read which locks other workers set, and which were released."""
        if self._looked_at is None:
            return lockouts.locked_at(connection, self._rules.keys(), now, _CAPACITY)
        return lockouts.changed_since(connection, self._rules.keys(), self._looked_at - _OVERLAP_MS, _CAPACITY)

    def learn(self, found: Sequence[Lockout], now: int) -> None:
        """Take in what was read."""
        self._looked_at = now
        for one in found:
            self._learn(one)

    def _learn(self, stored: Lockout) -> None:
        key = (stored.scope, stored.subject)
        pending = self._pending.get(key)
        if pending is not None:
            self._count(key, pending, stored.standing)
        elif stored.failures:
            self._remember(key, stored.standing)
        else:
            self._standings.pop(key, None)

    def _count(self, key: Key, failures: Failures, before: Standing) -> None:
        rule = self._rules[failures.scope]
        after = lockout.failed(before, rule, self._clock(), times=failures.times, may_lock=failures.may_lock)
        self._remember(key, after)

    def _remember(self, key: Key, standing: Standing) -> None:
        # Put at the end: the oldest go first.
        self._standings.pop(key, None)
        if len(self._standings) >= _CAPACITY:
            del self._standings[next(iter(self._standings))]
        self._standings[key] = standing

    async def _tell(self, locked: Sequence[Lockout]) -> None:
        for one in locked:
            log.warning(
                "locked_out",
                scope=one.scope,
                subject=one.subject,
                times_locked=one.times_locked,
                locked_until=one.locked_until,
                last_address=one.last_address,
            )
        if self._listener is not None:
            await self._listener.locked(locked)


def _together(before: Failures, after: Failures) -> Failures:
    return msgspec.structs.replace(after, times=before.times + after.times, may_lock=before.may_lock and after.may_lock)
