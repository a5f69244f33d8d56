"""The tags of a domain's mail: looked at, described, forgotten."""

from collections.abc import Sequence

from postroad.model.actor import Actor
from postroad.model.audit import entry_of
from postroad.model.domain import SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.net.clock import Clock
from postroad.policy.permission import require_change, require_sight
from postroad.storage import tags
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.tags import SeenTag

_MOST_DESCRIPTION = 500


class Tags:
    """Answers people and programs; tags are compared without case, and shown as they are compared."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def page(
        self,
        actor: Actor,
        domain: SendingDomain,
        limit: int,
        *,
        beginning: str = "",
        beside: str = "",
        is_backwards: bool = False,
    ) -> list[SeenTag]:
        """Return tags by name: those after ``beside``, or before it."""
        require_sight(actor, domain.account_id, f"sending domain {domain.name}")
        return await self._database.read(
            tags.page,
            domain.id,
            limit,
            beginning=beginning.casefold(),
            beside=beside.casefold(),
            is_backwards=is_backwards,
        )

    async def names(
        self, actor: Actor, targets: Sequence[SendingDomain], limit: int, *, offset: int = 0, beginning: str = ""
    ) -> list[str]:
        """Return the tags of some domains by name, each once."""
        for domain in targets:
            require_sight(actor, domain.account_id, f"sending domain {domain.name}")
        domain_ids = [one.id for one in targets]
        return await self._database.read(tags.names, domain_ids, limit, offset=offset, beginning=beginning.casefold())

    async def get(self, actor: Actor, domain: SendingDomain, tag: str) -> SeenTag:
        """Return a tag that mail was sent with; raises MissingError."""
        require_sight(actor, domain.account_id, f"sending domain {domain.name}")
        found = await self._database.read(tags.get, domain.id, tag.casefold())
        if found is None:
            raise MissingError(f"{domain.name} has sent nothing with the tag {tag}.", field="tag")
        return found

    async def describe(self, actor: Actor, domain: SendingDomain, tag: str, description: str) -> None:
        """Say what a tag is for; raises MissingError."""
        require_change(actor, domain.account_id, f"sending domain {domain.name}")
        description = description.strip()
        if len(description) > _MOST_DESCRIPTION:
            raise RefusedError(f"A description has at most {_MOST_DESCRIPTION} characters.", field="description")
        found = await self.get(actor, domain, tag)
        entry = entry_of(
            actor,
            "tag.described",
            f"{found.tag} of {domain.name}",
            at=self._clock(),
            account_id=domain.account_id,
            before={"description": found.description},
            after={"description": description},
        )
        await self._database.write(recorded, entry, tags.describe, domain.id, found.tag, description)

    async def forget(self, actor: Actor, domain: SendingDomain, tag: str) -> None:
        """Remove a tag with all that was counted of it; raises MissingError."""
        require_change(actor, domain.account_id, f"sending domain {domain.name}")
        found = await self.get(actor, domain, tag)
        entry = entry_of(
            actor,
            "tag.removed",
            f"{found.tag} of {domain.name}",
            at=self._clock(),
            account_id=domain.account_id,
            before={"description": found.description},
        )
        await self._database.write(recorded, entry, tags.forget, domain.id, found.tag)
