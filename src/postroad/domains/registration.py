"""Registration: adding sending domains, the operator's decisions on them, and their keys.

A name belongs to the account that verified it. Until an account has, it only holds a claim: nobody else can add the
name while the claim is fresh, and after ``domains.claim_s`` another account's claim replaces it
(decision 0003).
"""

from collections.abc import Sequence

import msgspec
import structlog

from postroad.domains.keys import free_selector, new_key
from postroad.domains.settings import DomainsSettings
from postroad.model.domain import DkimKey, DomainSettings, DomainState, KeyAlgorithm, KeyState, SendingDomain
from postroad.model.refused import RefusedError
from postroad.net.clock import Clock
from postroad.policy.alignment import OrganisationalDomainOf
from postroad.protocol.smtp.address import AddressError, normal_domain
from postroad.storage import dkim_keys, domains
from postroad.storage.database import Database
from postroad.storage.errors import Conflict
from postroad.storage.secrets import Vault

log = structlog.get_logger()

_CLAIMS = frozenset({DomainState.VETTING, DomainState.UNVERIFIED})


class Registration:
    """Adds and changes sending domains; what breaks a rule raises RefusedError."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        settings: DomainsSettings,
        organisational_domain_of: OrganisationalDomainOf,
        clock: Clock,
    ) -> None:
        self._database = database
        self._vault = vault
        self._settings = settings
        self._organisational_domain_of = organisational_domain_of
        self._clock = clock

    async def add(self, account_id: int, name: str, settings: DomainSettings | None = None) -> SendingDomain:
        """Add a domain with its first keys."""
        normal = self._read_name(name)
        existing = await self._database.read(domains.by_name, normal)
        if existing is not None and existing.account_id == account_id:
            raise RefusedError(f"{normal} is a domain of this account already.")
        if existing is not None and not self._has_lapsed(existing):
            raise RefusedError(f"{normal} is held by another account of this installation.")
        now = self._clock()
        domain = SendingDomain(
            id=0,
            account_id=account_id,
            name=normal,
            state=self._first_state(),
            settings=settings or DomainSettings(),
            created_at=now,
            verified_at=None,
        )
        keys = [await self._new_key(algorithm, ()) for algorithm in _algorithms(domain.settings)]
        try:
            return await self._database.write(
                domains.add_with_keys, self._vault, domain, keys, None if existing is None else existing.id
            )
        except Conflict as error:
            raise RefusedError(f"{normal} was added by someone else just now.") from error

    async def approve(self, name: str) -> SendingDomain:
        """Let a domain that waits for the operator be verified."""
        return await self._move(name, {DomainState.VETTING, DomainState.REJECTED}, self._approved_state())

    async def reject(self, name: str) -> SendingDomain:
        """Refuse a domain for good."""
        return await self._move(name, {DomainState.VETTING, DomainState.UNVERIFIED}, DomainState.REJECTED)

    async def disable(self, name: str) -> SendingDomain:
        """Stop a domain's mail until it is released."""
        return await self._move(name, {DomainState.ACTIVE, DomainState.UNVERIFIED}, DomainState.DISABLED)

    async def enable(self, name: str) -> SendingDomain:
        """Let a disabled domain be verified again."""
        return await self._move(name, {DomainState.DISABLED}, self._approved_state())

    async def change_settings(self, name: str, settings: DomainSettings) -> SendingDomain:
        """Give a domain other settings, and the keys that these ask for."""
        domain = await self.find(name)
        keys = await self._database.read(dkim_keys.of_domain, self._vault, domain.id)
        present = {key.algorithm for key in keys if key.state is not KeyState.RETIRED}
        lacking = [algorithm for algorithm in _algorithms(settings) if algorithm not in present]
        added = [await self._new_key(algorithm, keys) for algorithm in lacking]
        changed = msgspec.structs.replace(domain, settings=settings)
        await self._database.write(domains.change, self._vault, domain, changed, added)
        return changed

    async def rotate_dkim(self, name: str) -> list[DkimKey]:
        """Make new keys under the other selectors; each takes over when its record is seen in DNS."""
        domain = await self.find(name)
        keys = await self._database.read(dkim_keys.of_domain, self._vault, domain.id)
        waiting = [key.selector for key in keys if key.state is KeyState.PUBLISHED]
        if waiting:
            raise RefusedError(
                f"A key of {domain.name} still waits to be seen in DNS at the selector {waiting[0]}: "
                "publish it, or verify the domain again."
            )
        added = [await self._new_key(algorithm, keys) for algorithm in _algorithms(domain.settings)]
        # Without verification nothing will ever see the new key in DNS: it takes over at once.
        replaced = {key.algorithm for key in added if key.state is KeyState.ACTIVE}
        retired = [
            msgspec.structs.replace(key, state=KeyState.RETIRED)
            for key in keys
            if key.state is KeyState.ACTIVE and key.algorithm in replaced
        ]
        await self._database.write(domains.change, self._vault, domain, domain, retired + added)
        return await self._database.read(dkim_keys.of_domain, self._vault, domain.id)

    async def find(self, name: str) -> SendingDomain:
        """Return a domain by its name."""
        domain = await self._database.read(domains.by_name, self._read_name(name))
        if domain is None:
            raise RefusedError(f"There is no sending domain {name}.")
        return domain

    async def keys_of(self, domain: SendingDomain) -> list[DkimKey]:
        """Return the keys of a domain, also retired ones."""
        return await self._database.read(dkim_keys.of_domain, self._vault, domain.id)

    async def _new_key(self, algorithm: KeyAlgorithm, keys: Sequence[DkimKey]) -> DkimKey:
        selector = free_selector(algorithm, keys)
        assert selector is not None, "callers look for a key that waits first"
        state = KeyState.PUBLISHED if self._settings.verification == "on" else KeyState.ACTIVE
        return await new_key(selector, algorithm, state, self._clock())

    async def _move(self, name: str, allowed: set[DomainState], state: DomainState) -> SendingDomain:
        domain = await self.find(name)
        if domain.state not in allowed:
            raise RefusedError(f"{domain.name} is {domain.state.value}: this cannot be done now.")
        moved = msgspec.structs.replace(domain, state=state, failing_since=None)
        if not await self._database.write(domains.change, self._vault, domain, moved):
            raise RefusedError(f"{domain.name} was changed by someone else just now; look at it again.")
        log.info("domain_state_changed", domain=domain.name, before=domain.state.value, after=state.value)
        return moved

    def _read_name(self, name: str) -> str:
        try:
            normal = normal_domain(name.strip().rstrip("."))
        except AddressError as error:
            raise RefusedError(f"{error}.") from error
        if normal.startswith("["):
            raise RefusedError(f"{name} is an address: a sending domain has a name.")
        if self._organisational_domain_of(normal) is None:
            raise RefusedError(f"{normal} is a public suffix, under which anyone may register: add a name below it.")
        return normal

    def _has_lapsed(self, claim: SendingDomain) -> bool:
        return (
            claim.verified_at is None
            and claim.state in _CLAIMS
            and self._clock() - claim.created_at >= self._settings.claim_s * 1000
        )

    def _first_state(self) -> DomainState:
        return DomainState.VETTING if self._settings.vetting == "manual" else self._approved_state()

    def _approved_state(self) -> DomainState:
        return DomainState.UNVERIFIED if self._settings.verification == "on" else DomainState.ACTIVE


def _algorithms(settings: DomainSettings) -> tuple[KeyAlgorithm, ...]:
    return (KeyAlgorithm.RSA, KeyAlgorithm.ED25519) if settings.ed25519 else (KeyAlgorithm.RSA,)
