"""What upkeep forgets of failed and good log-ins, once the settings say that it no longer counts."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from postroad.accounts.settings import LockoutSettings
from postroad.storage import lockouts
from postroad.storage.database import Database

_MINUTE_MS = 60_000
_HOUR_MS = 3_600_000
_DAY_MS = 86_400_000


class Slices(Protocol):
    """How much one transaction of upkeep does."""

    @property
    def slice_rows(self) -> int:
        """Rows in one transaction."""


Forgetting = Callable[[Database, int, Slices], Awaitable[int]]


def forgetting(settings: LockoutSettings) -> dict[str, Forgetting]:
    """Return the tasks of upkeep, by the names they are counted under."""

    async def forget_lockouts(database: Database, now: int, slices: Slices) -> int:
        counted_before = now - settings.forget_failures_minutes * _MINUTE_MS
        locked_before = now - settings.forget_locks_hours * _HOUR_MS
        return await database.write(lockouts.delete_before, counted_before, locked_before, slices.slice_rows)

    async def forget_login_networks(database: Database, now: int, slices: Slices) -> int:
        known_since = now - settings.known_days * _DAY_MS
        return await database.write(lockouts.delete_networks_before, known_since, slices.slice_rows)

    return {"forget_lockouts": forget_lockouts, "forget_login_networks": forget_login_networks}
