"""API keys: one kind sends for one sending domain, the other manages an account."""

import os
from collections.abc import Callable

import msgspec

from postroad.accounts.network_values import checked_networks
from postroad.model.actor import Actor
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.credential import ApiKey, Secret
from postroad.model.domain import SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.net.clock import Clock
from postroad.policy.key_text import RANDOM_BYTES, KeyTextKind, digest_of, key_text, shown_part
from postroad.policy.permission import require_change, require_sight
from postroad.storage import api_keys, domains
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.errors import Conflict

_NOTE_LENGTH = 500
_TRIES = 5


class AddedKey(msgspec.Struct, frozen=True):
    """A key that was added, with its text, which nobody sees again."""

    key: ApiKey
    text: Secret


class ApiKeys:
    """Adds, changes and removes API keys on somebody's behalf; what breaks a rule raises RefusedError."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add_for_domain(self, actor: Actor, domain_name: str, *, note: str = "", networks: str = "") -> AddedKey:
        """Add a key that sends for one domain, from the networks of a list if it names any."""
        domain = await self._database.read(domains.seen, actor, domain_name)
        require_change(actor, domain.account_id, f"sending domain {domain_name}")
        return await self._add(actor, domain.account_id, domain, note, networks)

    async def add_for_account(self, actor: Actor, account_id: int, *, note: str = "", networks: str = "") -> AddedKey:
        """Add a key that manages an account, from the networks of a list if it names any."""
        require_change(actor, account_id, "account")
        return await self._add(actor, account_id, None, note, networks)

    async def all(self, actor: Actor, *, account_id: int | None = None, domain_id: int | None = None) -> list[ApiKey]:
        """Return the keys of a domain, of an account, or all that the actor sees, oldest first."""
        scope = actor.account_id if account_id is None else account_id
        found = await self._database.read(api_keys.list_all, scope, domain_id)
        return [key for key in found if actor.sees(key.account_id)]

    async def get(self, actor: Actor, key_id: int) -> ApiKey:
        """Return a key; raises MissingError."""
        key = await self._database.read(api_keys.get, key_id)
        return _seen(actor, key, "such API key")

    async def find(self, actor: Actor, prefix: str) -> ApiKey:
        """Return the key whose text begins with what people see of it; raises MissingError."""
        stored = await self._database.read(api_keys.by_prefix, shown_part(prefix.strip()))
        return _seen(actor, None if stored is None else stored.key, f"API key {shown_part(prefix.strip())}")

    async def edit(self, actor: Actor, key_id: int, note: str) -> ApiKey:
        """Give a key another note."""
        chosen = _checked_note(note)
        return await self._change(actor, key_id, lambda key: msgspec.structs.replace(key, note=chosen))

    async def set_networks(self, actor: Actor, key_id: int, networks: str) -> ApiKey:
        """Let a key be used only from the networks of a list; from everywhere where the list is empty."""
        chosen = checked_networks([networks])
        return await self._change(actor, key_id, lambda key: msgspec.structs.replace(key, networks=chosen))

    async def allow(self, actor: Actor, key_id: int, networks: str) -> ApiKey:
        """Let a key be used from further networks; one that was open to everywhere is from then on to these alone."""
        further = checked_networks([networks])
        if not further:
            raise RefusedError("Name at least one address or range.", field="networks")
        return await self._change(
            actor,
            key_id,
            lambda key: msgspec.structs.replace(key, networks=checked_networks((*key.networks, *further))),
        )

    async def remove(self, actor: Actor, key_id: int) -> ApiKey:
        """Remove a key: it is refused everywhere within five seconds."""
        key = await self._find_to_change(actor, key_id)
        entry = self._entry(actor, "api_key.removed", key, before=_facts(key, await self._domain_name(key)))
        try:
            await self._database.write(recorded, entry, api_keys.remove, key.id)
        except Conflict as error:
            raise MissingError("There is no such API key.") from error
        return key

    async def _add(
        self, actor: Actor, account_id: int, domain: SendingDomain | None, note: str, networks: str
    ) -> AddedKey:
        kind = KeyTextKind.ACCOUNT if domain is None else KeyTextKind.DOMAIN
        wanted = ApiKey(
            id=0,
            account_id=account_id,
            domain_id=None if domain is None else domain.id,
            prefix="",
            note=_checked_note(note),
            networks=checked_networks([networks]),
            created_at=self._clock(),
        )
        domain_name = None if domain is None else domain.name
        for _ in range(_TRIES):
            text = key_text(kind, os.urandom(RANDOM_BYTES))
            key = msgspec.structs.replace(wanted, prefix=shown_part(text))
            entry = self._entry(actor, "api_key.added", key, after=_facts(key, domain_name))
            try:
                return AddedKey(await self._database.write(recorded, entry, api_keys.add, key, digest_of(text)), text)
            except Conflict:
                continue  # another key begins with the same ten characters
        raise RefusedError("No key could be made just now; try again.")

    async def _change(self, actor: Actor, key_id: int, choose: Callable[[ApiKey], ApiKey]) -> ApiKey:
        found = await self._find_to_change(actor, key_id)
        domain = await self._domain_name(found)

        def entry_of_change(before: ApiKey, after: ApiKey) -> AuditEntry:
            facts = _facts(before, domain), _facts(after, domain)
            return self._entry(actor, "api_key.changed", before, before=facts[0], after=facts[1])

        try:
            return await self._database.write(api_keys.change, found.id, choose, entry_of_change)
        except Conflict as error:
            raise MissingError("There is no such API key.") from error

    async def _find_to_change(self, actor: Actor, key_id: int) -> ApiKey:
        key = await self.get(actor, key_id)
        require_change(actor, key.account_id, "such API key")
        return key

    async def _domain_name(self, key: ApiKey) -> str | None:
        domain = None if key.domain_id is None else await self._database.read(domains.get, key.domain_id)
        return None if domain is None else domain.name

    def _entry(
        self,
        actor: Actor,
        action: str,
        key: ApiKey,
        *,
        before: dict[str, object] | None = None,
        after: dict[str, object] | None = None,
    ) -> AuditEntry:
        at = self._clock()
        return entry_of(actor, action, key.prefix, at=at, account_id=key.account_id, before=before, after=after)


def _seen(actor: Actor, key: ApiKey | None, what: str) -> ApiKey:
    if key is None:
        raise MissingError(f"There is no {what}.")
    require_sight(actor, key.account_id, what)
    return key


def _facts(key: ApiKey, domain: str | None) -> dict[str, object]:
    return {"domain": domain, "note": key.note, "networks": list(key.networks)}


def _checked_note(note: str) -> str:
    if len(note.strip()) > _NOTE_LENGTH:
        raise RefusedError(f"A note has at most {_NOTE_LENGTH} characters.", field="note")
    return note.strip()
