"""Registration: adding sending domains, the operator's decisions on them, and their keys.

A name belongs to the account that verified it. Until an account has, it only holds a claim: nobody else can add the
name while the claim is fresh, and after ``domains.claim_s`` another account's claim replaces it
(decision 0003).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from postroad.domains.keys import free_selector, new_key
from postroad.domains.settings import DomainsSettings
from postroad.model.actor import Actor
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.domain import (
    DkimKey,
    DomainQuery,
    DomainSettings,
    DomainState,
    KeyAlgorithm,
    KeyState,
    SendingDomain,
)
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.net.clock import Clock
from postroad.policy.alignment import OrganisationalDomainOf
from postroad.policy.network_list import read_networks
from postroad.policy.permission import require_change, require_operator, require_sight
from postroad.policy.quota import Demand, demands_of_domain
from postroad.protocol.smtp.address import AddressError, normal_domain
from postroad.storage import dkim_keys, domain_pauses, domains, quotas
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.errors import Conflict
from postroad.storage.secrets import Vault

log = structlog.get_logger()

_PLURALS = {"SMTP user": "SMTP users", "API key": "API keys", "delivery": "deliveries"}
_LONGEST_REASON = 500
DISABLED_FROM = frozenset({DomainState.ACTIVE, DomainState.UNVERIFIED})
"""States of a domain that can be disabled."""
_CLAIMS = frozenset({DomainState.VETTING, DomainState.UNVERIFIED})


class Registration:
    """Adds and changes sending domains on somebody's behalf; what breaks a rule raises RefusedError."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        settings: DomainsSettings,
        organisational_domain_of: OrganisationalDomainOf,
        clock: Clock,
        *,
        console_host: str = "",
    ) -> None:
        self._console_host = console_host.lower()
        self._database = database
        self._vault = vault
        self._settings = settings
        self._organisational_domain_of = organisational_domain_of
        self._clock = clock

    async def add(
        self, actor: Actor, account_id: int, name: str, settings: DomainSettings | None = None
    ) -> SendingDomain:
        """Add a domain with its first keys."""
        require_change(actor, account_id, "account")
        normal = self._read_name(name)
        _refuse_number(normal)
        existing = await self._database.read(domains.by_name, normal)
        if existing is not None and existing.account_id == account_id:
            raise RefusedError(f"{normal} is a domain of this account already.", field="name")
        if existing is not None and not self._has_lapsed(existing):
            raise RefusedError(f"{normal} is held by another account of this installation.", field="name")
        now = self._clock()
        domain = SendingDomain(
            id=0,
            account_id=account_id,
            name=normal,
            state=self._first_state(),
            created_at=now,
            verified_at=None,
        )
        if settings is not None:
            domain = msgspec.structs.replace(domain, settings=await self._read_settings(domain, settings))
        keys = [await self._new_key(algorithm, ()) for algorithm in _algorithms(domain.settings)]
        entry = entry_of(
            actor, "domain.added", normal, at=now, account_id=account_id, after={"state": domain.state.value}
        )
        lapsed_claim = None if existing is None else existing.id
        try:
            return await self._database.write(
                recorded, entry, domains.add_with_keys, self._vault, domain, keys, lapsed_claim
            )
        except Conflict as error:
            raise RefusedError(f"{normal} was added by someone else just now.", field="name") from error

    async def approve(self, actor: Actor, name: str) -> SendingDomain:
        """Let a domain that waits for the operator, or was rejected, be verified."""
        domain = await self.find(actor, name)
        require_operator(actor)
        allowed = {DomainState.VETTING, DomainState.REJECTED}
        return await self._move(actor, domain, allowed, self._approved_state(), "domain.approved")

    async def reject(self, actor: Actor, name: str) -> SendingDomain:
        """Refuse a domain for good, whatever it did before: its account cannot bring it back."""
        domain = await self.find(actor, name)
        require_operator(actor)
        allowed = set(DomainState) - {DomainState.REJECTED}
        return await self._move(actor, domain, allowed, DomainState.REJECTED, "domain.rejected")

    async def disable(self, actor: Actor, name: str) -> SendingDomain:
        """Stop a domain's mail until it is released."""
        domain = await self._find_to_change(actor, name)
        return await self._move(actor, domain, DISABLED_FROM, DomainState.DISABLED, "domain.disabled")

    async def enable(self, actor: Actor, name: str) -> SendingDomain:
        """Let a disabled domain be verified again."""
        domain = await self._find_to_change(actor, name)
        return await self._move(actor, domain, {DomainState.DISABLED}, self._approved_state(), "domain.enabled")

    async def pause(self, actor: Actor, name: str, reason: str = "") -> SendingDomain:
        """Put off a domain's new mail until it is resumed; what it has in the queue still leaves."""
        domain = await self._find_to_change(actor, name)
        why = pause_reason(reason) or f"Paused by {actor.name}."
        if domain.paused_at is not None:
            raise RefusedError(f"{domain.name} is paused already.")
        now = self._clock()
        entry = self._entry(actor, "domain.paused", domain, None, {"reason": why})
        if not await self._database.write(domain_pauses.pause, entry, domain.id, at=now, reason=why):
            raise RefusedError(f"{domain.name} was changed by someone else just now; look at it again.")
        log.info("domain_paused", domain=domain.name, why=why)
        return msgspec.structs.replace(domain, paused_at=now, pause_reason=why)

    async def resume(self, actor: Actor, name: str) -> SendingDomain:
        """End a domain's pause; bounces and complaints are counted anew from now on."""
        domain = await self._find_to_change(actor, name)
        entry = self._entry(actor, "domain.resumed", domain, {"reason": domain.pause_reason}, None)
        if not await self._database.write(domain_pauses.resume, entry, domain.id, at=self._clock()):
            raise RefusedError(f"{domain.name} is not paused.")
        log.info("domain_resumed", domain=domain.name)
        return await self.find(actor, domain.name)

    async def change_settings(
        self, actor: Actor, name: str, settings: DomainSettings, *, seen: DomainSettings | None = None
    ) -> SendingDomain:
        """Give a domain other settings, and the keys that these ask for; only in place of those ``seen``, if any were."""
        domain = await self._find_to_change(actor, name)
        if seen not in (None, domain.settings):
            raise _changed_meanwhile(domain)
        settings = await self._read_settings(domain, settings)
        keys = await self._database.read(dkim_keys.of_domain, self._vault, domain.id)
        present = {key.algorithm for key in keys if key.state is not KeyState.RETIRED}
        lacking = [algorithm for algorithm in _algorithms(settings) if algorithm not in present]
        added = [await self._new_key(algorithm, keys) for algorithm in lacking]
        changed = msgspec.structs.replace(domain, settings=settings)
        before, after = msgspec.structs.asdict(domain.settings), msgspec.structs.asdict(settings)
        if before != after:
            entry = self._entry(actor, "domain.changed", domain, before, after)
            await self._change(entry, domain, changed, added)
        return changed

    async def rotate_dkim(self, actor: Actor, name: str) -> list[DkimKey]:
        """Make new keys under the other selectors; each takes over when its record is seen in DNS."""
        domain = await self._find_to_change(actor, name)
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
        selectors = {"selectors": [key.selector for key in added]}
        entry = self._entry(actor, "domain.dkim_rotated", domain, None, selectors)
        await self._change(entry, domain, domain, retired + added)
        return await self._database.read(dkim_keys.of_domain, self._vault, domain.id)

    async def remove(self, actor: Actor, name: str) -> None:
        """Remove a domain that nothing is bound to any more: no SMTP user, no API key, no mail under way."""
        domain = await self._find_to_change(actor, name)
        if domain.state is DomainState.REJECTED and not actor.is_operator:
            # Adding it anew would be a way round the operator's decision.
            raise ForbiddenError(f"{domain.name} was rejected: only an operator of this installation may remove it.")
        bound = await self._database.read(domains.bound_to, domain.id)
        if bound:
            raise RefusedError(f"{domain.name} cannot be removed yet: it still has {_listed(bound)}.")
        entry = self._entry(actor, "domain.removed", domain, {"state": domain.state.value}, None)
        try:
            await self._database.write(recorded, entry, domains.remove, domain.id)
        except Conflict as error:
            raise RefusedError(f"{domain.name} cannot be removed yet: {error.what}.") from error

    async def all(self, actor: Actor, account_id: int | None = None) -> list[SendingDomain]:
        """Return the domains of an account, or all that the actor sees, in the order of their names."""
        found = await self._database.read(domains.list_all, actor.account_id if account_id is None else account_id)
        return [domain for domain in found if actor.sees(domain.account_id)]

    async def page(self, actor: Actor, account_id: int, wanted: DomainQuery) -> tuple[list[SendingDomain], int]:
        """Return some domains of an account, and how many there are of that kind."""
        require_sight(actor, account_id, "account")
        return await self._database.read(domains.page, account_id, wanted)

    async def find(self, actor: Actor, name: str) -> SendingDomain:
        """Return a domain by its name; raises MissingError where the actor sees none of it."""
        domain = await self._database.read(domains.by_name, spelt(name))
        if domain is None:
            raise MissingError(f"There is no sending domain {name}.")
        require_sight(actor, domain.account_id, f"sending domain {name}")
        return domain

    async def keys_of(self, domain: SendingDomain) -> list[DkimKey]:
        """Return the keys of a domain, also retired ones."""
        return await self._database.read(dkim_keys.of_domain, self._vault, domain.id)

    async def keys_in_use(
        self, actor: Actor, account_id: int, *, name: str = "", selector: str = "", limit: int, skip: int = 0
    ) -> list[tuple[str, DkimKey]]:
        """Return keys of an account's domains that are not retired, each with its domain's name and without its secret."""
        require_sight(actor, account_id, "account")
        return await self._database.read(
            dkim_keys.in_use, account_id, name=name, selector=selector, limit=limit, skip=skip
        )

    async def usage_of(self, domain: SendingDomain) -> list[tuple[Demand, int]]:
        """Return each quota of a domain with how many recipients of it are used now."""
        demands = demands_of_domain(domain, self._clock())
        return list(zip(demands, await self._database.read(quotas.used, demands), strict=True))

    async def _find_to_change(self, actor: Actor, name: str) -> SendingDomain:
        domain = await self.find(actor, name)
        require_change(actor, domain.account_id, f"sending domain {name}")
        return domain

    async def _read_settings(self, domain: SendingDomain, settings: DomainSettings) -> DomainSettings:
        return msgspec.structs.replace(
            settings,
            imap_host=_host_name(settings.imap_host.strip(), "imap_host"),
            tracking_host=await self._tracking_host(domain, settings.tracking_host),
            submission_networks=_networks(settings.submission_networks),
        )

    async def _tracking_host(self, domain: SendingDomain, text: str) -> str:
        """Return where a domain's links are to lead; raises RefusedError where others are reached there."""
        host = _host_name(text.strip(), "tracking_host")
        if not host or host == domain.settings.tracking_host:
            return host
        if host == self._console_host:
            raise RefusedError(
                f"The console is at {host}: tracked links need a host of their own.", field="tracking_host"
            )
        others = [one for one in await self._database.read(domains.list_all) if one.account_id != domain.account_id]
        if any(host in {one.name, one.settings.tracking_host} for one in others):
            raise RefusedError(f"{host} is in use by another account of this installation.", field="tracking_host")
        return host

    async def _new_key(self, algorithm: KeyAlgorithm, keys: Sequence[DkimKey]) -> DkimKey:
        selector = free_selector(algorithm, keys)
        assert selector is not None, "callers look for a key that waits first"
        state = KeyState.PUBLISHED if self._settings.verification == "on" else KeyState.ACTIVE
        return await new_key(selector, algorithm, state, self._clock())

    async def _move(
        self, actor: Actor, domain: SendingDomain, allowed: Collection[DomainState], state: DomainState, action: str
    ) -> SendingDomain:
        if domain.state not in allowed:
            raise RefusedError(f"{domain.name} is {domain.state.value}: this cannot be done now.")
        moved = msgspec.structs.replace(domain, state=state, failing_since=None)
        before, after = {"state": domain.state.value}, {"state": state.value}
        await self._change(self._entry(actor, action, domain, before, after), domain, moved)
        log.info("domain_state_changed", domain=domain.name, before=domain.state.value, after=state.value)
        return moved

    async def _change(
        self, entry: AuditEntry, before: SendingDomain, after: SendingDomain, keys: Sequence[DkimKey] = ()
    ) -> None:
        if not await self._database.write(domains.change_recorded, entry, self._vault, before, after, keys=keys):
            raise _changed_meanwhile(before)

    def _entry(
        self,
        actor: Actor,
        action: str,
        domain: SendingDomain,
        before: dict[str, Any] | None,
        after: dict[str, Any] | None,
    ) -> AuditEntry:
        return entry_of(
            actor, action, domain.name, at=self._clock(), account_id=domain.account_id, before=before, after=after
        )

    def _read_name(self, name: str) -> str:
        normal = spelt(name)
        if normal.startswith("["):
            raise RefusedError(f"{name} is an address: a sending domain has a name.", field="name")
        if self._organisational_domain_of(normal) is None:
            raise RefusedError(
                f"{normal} is a public suffix, under which anyone may register: add a name below it.", field="name"
            )
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


def spelt(name: str) -> str:
    """Return the one spelling of a domain's name; raises RefusedError for what can be none."""
    try:
        return normal_domain(name.strip().rstrip("."))
    except AddressError as error:
        raise RefusedError(f"{error}.", field="name") from error


def _refuse_number(name: str) -> None:
    """Raise RefusedError for a new name that is an address, or looks like one; what is there already can be removed."""
    # RFC 3696 §2: no top-level domain is a number, so that what ends in one is taken for an address.
    if name.rpartition(".")[2].isdigit():
        raise RefusedError(
            f"{name} ends in a number, as addresses do: a sending domain has a name, such as news.example.com.",
            field="name",
        )


def pause_reason(text: str) -> str:
    """Return a reason on one line; raises RefusedError for what is no text for people."""
    reason = " ".join(text.split())
    if len(reason) > _LONGEST_REASON:
        raise RefusedError(f"A reason has at most {_LONGEST_REASON} characters.", field="reason")
    if not reason.isprintable():
        raise RefusedError("The reason has characters that cannot be shown.", field="reason")
    return reason


def _host_name(text: str, field: str) -> str:
    """Return the name of a host as clients are told it, or nothing for nothing; raises RefusedError."""
    try:
        name = normal_domain(text) if text else ""
    except AddressError as error:
        raise RefusedError(f"{error}.", field=field) from error
    if name and ("." not in name or name.startswith("[")):
        raise RefusedError(
            f"{text} is not the whole name of a host, such as {field.partition('_')[0]}.example.com.", field=field
        )
    return name


def _networks(text: str) -> str:
    """Return networks in their one spelling; raises RefusedError that names each entry that is none."""
    read = read_networks(text)
    if read.problems:
        raise RefusedError(" ".join(read.problems), field="submission_networks")
    return ", ".join(read.networks)


def _changed_meanwhile(domain: SendingDomain) -> RefusedError:
    return RefusedError(f"{domain.name} was changed by someone else just now; look at it again.")


def _algorithms(settings: DomainSettings) -> tuple[KeyAlgorithm, ...]:
    return (KeyAlgorithm.RSA, KeyAlgorithm.ED25519) if settings.ed25519 else (KeyAlgorithm.RSA,)


def _listed(bound: Mapping[str, int]) -> str:
    """Return counts in words: ``2 SMTP users and 1 API key``."""
    words = [f"{count} {noun if count == 1 else _PLURALS[noun]}" for noun, count in bound.items()]
    return " and ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} and {words[-1]}"
