"""The groups of sending domains: added, changed and removed; who left one is on the domain's list of unsubscribes."""

from collections.abc import Sequence
from typing import Any

import msgspec

from postroad.model.actor import Actor
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.domain import SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.model.suppression import Suppression, SuppressionKind
from postroad.model.unsubscribe_group import (
    LONGEST_DESCRIPTION,
    LONGEST_NAME,
    MOST,
    MOST_COUNTED,
    MOST_TOLD,
    UnsubscribeGroup,
)
from postroad.net.clock import Clock
from postroad.policy.permission import require_change, require_sight
from postroad.policy.suppression import understood
from postroad.protocol.smtp.address import AddressError
from postroad.storage import domains, unsubscribe_groups
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.errors import Conflict

_FORGOTTEN_AT_ONCE = 500


class Groups:
    """Answers programs; what is not their account's does not exist for them. What breaks a rule raises RefusedError."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def all(self, actor: Actor, targets: Sequence[SendingDomain]) -> list[UnsubscribeGroup]:
        """Return the groups of some domains, the oldest first, no more than ``MOST_TOLD``."""
        for domain in targets:
            require_sight(actor, domain.account_id, f"sending domain {domain.name}")
        return await self._database.read(unsubscribe_groups.of_domains, [one.id for one in targets], MOST_TOLD)

    async def get(self, actor: Actor, group_id: int) -> UnsubscribeGroup:
        """Return a group; raises MissingError."""
        found = await self._database.read(unsubscribe_groups.get, group_id)
        if found is None:
            raise MissingError("There is no such group.")
        require_sight(actor, found.account_id, "such group")
        return found

    async def counts(self, of: Sequence[UnsubscribeGroup]) -> dict[int, int]:
        """Return how many left each of some groups; no more than ``MOST_COUNTED`` are counted of one."""
        return await self._database.read(unsubscribe_groups.counts, of, MOST_COUNTED)

    async def members(self, of: Sequence[UnsubscribeGroup], limit: int, offset: int = 0) -> list[Suppression]:
        """Return entries of who left some groups, by domain, group and address."""
        return await self._database.read(unsubscribe_groups.page, of, limit, offset)

    async def left_among(self, group: UnsubscribeGroup, addresses: Sequence[str]) -> list[str]:
        """Return which of some addresses left a group, as they were given; raises RefusedError for what is none."""
        compared = {}
        for one in addresses:
            try:
                compared[one] = understood(one, SuppressionKind.UNSUBSCRIBE)
            except AddressError as error:
                raise RefusedError(f"{one[:100]!r} is no address: {error}.", field="recipient_emails") from error
        found = await self._database.read(unsubscribe_groups.left_among, group, set(compared.values()))
        return [one for one in addresses if compared[one] in found]

    async def add(
        self, actor: Actor, domain: SendingDomain, name: str, *, description: str = "", is_default: bool = False
    ) -> UnsubscribeGroup:
        """Add a group to a domain."""
        require_change(actor, domain.account_id, f"sending domain {domain.name}")
        now = self._clock()
        wanted = UnsubscribeGroup(
            id=0,
            account_id=domain.account_id,
            domain_id=domain.id,
            name=_checked(name, LONGEST_NAME, "name"),
            description=_checked(description, LONGEST_DESCRIPTION, "description"),
            is_default=is_default,
            created_at=now,
        )
        if not wanted.name:
            raise RefusedError("Give the group a name, which recipients read.", field="name")
        if len(await self._database.read(unsubscribe_groups.of_domains, [domain.id], MOST)) >= MOST:
            raise _full(domain)
        entry = self._entry(actor, "group.added", domain, wanted, after=_facts(wanted))
        try:
            return await self._database.write(recorded, entry, unsubscribe_groups.add, wanted, MOST)
        except unsubscribe_groups.TooMany as error:
            raise _full(domain) from error
        except Conflict as error:
            raise _taken(domain, wanted) from error

    async def change(self, actor: Actor, group: UnsubscribeGroup, changed: UnsubscribeGroup) -> UnsubscribeGroup:
        """Give a group another name, description or mark of a default."""
        domain = await self._to_change(actor, group)
        changed = msgspec.structs.replace(
            changed,
            name=_checked(changed.name, LONGEST_NAME, "name"),
            description=_checked(changed.description, LONGEST_DESCRIPTION, "description"),
        )
        if not changed.name:
            raise RefusedError("Give the group a name, which recipients read.", field="name")
        entry = self._entry(actor, "group.changed", domain, changed, before=_facts(group), after=_facts(changed))
        try:
            await self._database.write(recorded, entry, unsubscribe_groups.change, changed)
        except Conflict as error:
            await self.get(actor, group.id)
            raise _taken(domain, changed) from error
        return changed

    async def remove(self, actor: Actor, group: UnsubscribeGroup) -> None:
        """Remove a group, and forget who left it; messages of it that are under way go to them as well."""
        domain = await self._to_change(actor, group)
        entry = self._entry(actor, "group.removed", domain, group, before=_facts(group))
        # Where this ends halfway, the group is there to be removed once more.
        await self._forget(group)
        try:
            await self._database.write(recorded, entry, unsubscribe_groups.remove, group.id)
        except Conflict as error:
            raise MissingError("There is no such group.") from error
        # Some may have left meanwhile.
        await self._forget(group)

    async def _forget(self, group: UnsubscribeGroup) -> None:
        # A list may be long: others write between its parts.
        while await self._database.write(unsubscribe_groups.forget_some, group, _FORGOTTEN_AT_ONCE):
            pass

    async def _to_change(self, actor: Actor, group: UnsubscribeGroup) -> SendingDomain:
        require_change(actor, group.account_id, "such group")
        domain = await self._database.read(domains.get, group.domain_id)
        if domain is None:
            raise MissingError("There is no such group.")
        return domain

    def _entry(
        self, actor: Actor, action: str, domain: SendingDomain, group: UnsubscribeGroup, **facts: dict[str, Any]
    ) -> AuditEntry:
        target = f"{group.name} of {domain.name}"
        return entry_of(actor, action, target, at=self._clock(), account_id=domain.account_id, **facts)


def _checked(text: str, most: int, field: str) -> str:
    text = " ".join(text.split())
    if len(text) > most:
        raise RefusedError(f"The {field} of a group has at most {most} characters.", field=field)
    if not text.isprintable():
        raise RefusedError(f"The {field} of a group has no control characters.", field=field)
    return text


def _full(domain: SendingDomain) -> RefusedError:
    return RefusedError(f"{domain.name} has {MOST} groups; remove one first.", field="domain")


def _taken(domain: SendingDomain, group: UnsubscribeGroup) -> RefusedError:
    return RefusedError(f"{domain.name} has a group {group.name} already.", field="name")


def _facts(group: UnsubscribeGroup) -> dict[str, Any]:
    return {"name": group.name, "description": group.description, "is_default": group.is_default}
