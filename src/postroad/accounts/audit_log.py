"""The audit log as people read it: those of an account see what was done in it, operators all of it."""

import msgspec

from postroad.model.actor import Actor
from postroad.model.audit import AuditEntry
from postroad.model.refused import MissingError
from postroad.storage import audit
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database


class AuditPage(msgspec.Struct, frozen=True):
    """Entries, the newest first, and where the next page begins."""

    entries: list[AuditEntry]
    before: int | None
    """The id to go on from; None on the last page."""


class AuditLog:
    """Searches the audit log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(
        self, actor: Actor, selector: AuditSelector, *, limit: int = 50, before: int | None = None
    ) -> AuditPage:
        """Return a page of what the selector finds, within what the actor may see."""
        if actor.account_id is not None:
            if selector.account_id not in {None, actor.account_id}:
                raise MissingError("There is no such account.")
            selector = msgspec.structs.replace(selector, account_id=actor.account_id)
        elif not actor.is_operator:
            raise MissingError("There is no such account.")
        found = await self._database.read(audit.search, selector, limit + 1, before)
        page = found[:limit]
        return AuditPage(page, page[-1].id if len(found) > limit else None)
