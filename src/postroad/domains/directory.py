"""A worker's view of the sending domains and their signing keys: read when first needed, dropped when they change."""

import asyncio

import msgspec

from postroad.domains.keys import signing_keys
from postroad.model.domain import SendingDomain
from postroad.policy.alignment import OrganisationalDomainOf
from postroad.protocol.dkim.key import SigningKey
from postroad.storage import dkim_keys, domains, revision
from postroad.storage.database import Database
from postroad.storage.secrets import Vault


class _Entry(msgspec.Struct, frozen=True):
    domain: SendingDomain
    keys: tuple[SigningKey, ...]


class DomainDirectory:
    """Gives domains and signing keys from memory; ``refresh`` keeps the memory true and must be called after each change."""

    def __init__(self, database: Database, vault: Vault, organisational_domain_of: OrganisationalDomainOf) -> None:
        self._database = database
        self._vault = vault
        self._organisational_domain_of = organisational_domain_of
        self._entries: dict[int, _Entry] = {}
        self._loads: dict[int, asyncio.Task[_Entry | None]] = {}
        self._revision: int | None = None
        self._generation = 0

    async def get(self, domain_id: int) -> SendingDomain | None:
        """Return a domain, or None where there is none."""
        entry = self._entries.get(domain_id) or await self._load_once(domain_id)
        return None if entry is None else entry.domain

    async def signing_keys(self, domain_id: int) -> tuple[SigningKey, ...]:
        """Return the keys that sign a domain's mail now; none where there is no such domain."""
        entry = self._entries.get(domain_id) or await self._load_once(domain_id)
        return () if entry is None else entry.keys

    async def refresh(self) -> bool:
        """Drop what is in memory when the control plane has changed, and tell whether it had."""
        current = await self._database.read(revision.current)
        if current == self._revision:
            return False
        self._revision = current
        self._generation += 1
        self._entries.clear()
        self._loads.clear()
        return True

    async def _load_once(self, domain_id: int) -> _Entry | None:
        # After a change all sessions of a domain come at once, and reading a key takes milliseconds.
        load = self._loads.get(domain_id)
        if load is None:
            load = self._loads[domain_id] = asyncio.get_running_loop().create_task(self._load(domain_id))
            load.add_done_callback(lambda done: self._forget_load(domain_id, done))
        return await asyncio.shield(load)

    def _forget_load(self, domain_id: int, done: "asyncio.Task[_Entry | None]") -> None:
        if self._loads.get(domain_id) is done:
            del self._loads[domain_id]
        if not done.cancelled():
            done.exception()  # whoever waited has it; where nobody does any more, it is no news

    async def _load(self, domain_id: int) -> _Entry | None:
        generation = self._generation
        domain = await self._database.read(domains.get, domain_id)
        if domain is None:
            return None
        keys = await self._database.read(dkim_keys.of_domain, self._vault, domain_id)
        ready = signing_keys(
            domain.name,
            keys,
            self._organisational_domain_of(domain.name),
            ed25519_too=domain.settings.ed25519,
        )
        entry = _Entry(domain, ready)
        # What was read before a change must not stay in memory after it.
        if generation == self._generation:
            self._entries[domain_id] = entry
        return entry
