"""A worker's view of the groups: read when first needed, dropped when they change."""

from postroad.model.unsubscribe_group import UnsubscribeGroup
from postroad.storage import revision, unsubscribe_groups
from postroad.storage.database import Database

_MOST_REMEMBERED = 10_000
_LARGEST_ID = (1 << 63) - 1


class GroupDirectory:
    """Gives groups from memory; ``refresh`` keeps the memory true and must be called after each change."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: dict[int, UnsubscribeGroup] = {}
        self._revision: int | None = None
        self._generation = 0

    async def get(self, domain_id: int, group_id: int) -> UnsubscribeGroup | None:
        """Return a group of a domain; what is not found is looked for each time, as it may have been added just now."""
        if not 0 < group_id <= _LARGEST_ID:
            return None
        found = self._found.get(group_id)
        if found is None:
            generation = self._generation
            found = await self._database.read(unsubscribe_groups.get, group_id)
            # What was read before a change must not stay in memory after it.
            if found is not None and generation == self._generation and len(self._found) < _MOST_REMEMBERED:
                self._found[group_id] = found
        return found if found is not None and found.domain_id == domain_id else None

    async def refresh(self) -> None:
        """Drop what is in memory when the control plane has changed."""
        current = await self._database.read(revision.current)
        if current != self._revision:
            self._revision = current
            self._generation += 1
            self._found.clear()
