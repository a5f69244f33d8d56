"""A worker's check of API keys: those seen before from memory, which is dropped when the control plane moves."""

import asyncio
import enum
import hmac
from typing import Protocol

import msgspec

from postroad.accounts.refusal_log import API_KEYS, RefusalLog, Refused
from postroad.accounts.settings import AccountsSettings
from postroad.model.credential import KeyPrincipal
from postroad.model.domain import DomainState
from postroad.net.address import Networks, normalise
from postroad.net.clock import Clock
from postroad.policy.key_text import KeyTextKind, digest_of, kind_of, shown_part
from postroad.policy.lockout import network_of
from postroad.policy.network_list import networks_in
from postroad.storage import accounts, api_keys, domains, revision
from postroad.storage.api_keys import StoredKey, Use
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.outage import Outage

_CAPACITY = 50_000
_TOUCH_AFTER_MS = 60_000
"""Uses and refusals are written at most this often per key: control-plane rows are read-mostly."""
_KINDS = frozenset({KeyTextKind.DOMAIN, KeyTextKind.ACCOUNT})


class Refusal(enum.Enum):
    """Why an API key was refused; the values label the metric."""

    UNKNOWN = "unknown"
    """No key of ours, or one that was removed."""
    ADDRESS = "address"
    """The key is right and may not be used from this address."""
    SUSPENDED = "suspended"
    """Its account may do nothing at the moment."""
    DOMAIN_GONE = "domain_gone"
    """The one domain it sends for is no more, or was rejected by the operator."""


class KeyRefused(msgspec.Struct, frozen=True):
    """An API key that was refused."""

    reason: Refusal


class Meter(Protocol):
    """What is counted of API keys."""

    def api_key_checked(self, result: str) -> None:
        """Count one check by its result: ``ok``, or why the key was refused."""


class _Known(msgspec.Struct, frozen=True):
    """A key that was read, ready to be checked."""

    secret_hash: bytes
    principal: KeyPrincipal
    networks: Networks
    domain_networks: Networks
    refusal: Refusal | None
    """Why it may not be used from anywhere."""


class ApiKeyCheck:
    """Checks API keys for one worker; ``refresh`` keeps its view true after each change, and ``run`` is to run beside it."""

    def __init__(self, database: Database, clock: Clock, *, settings: AccountsSettings, meter: Meter) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._meter = meter
        self._log = RefusalLog(clock, API_KEYS)
        self._revision: int | None = None
        self._known: dict[str, _Known] = {}
        self._uses: dict[int, Use] = {}
        self._refusals: dict[int, Use] = {}
        self._noted: dict[tuple[int, bool], int] = {}

    async def verify(self, text: str, client_address: str) -> KeyPrincipal | KeyRefused:
        """Return who a key stands for when it comes from an address, or why it stands for nobody."""
        known = await self._find(text)
        if known is None:
            return self._refused(Refusal.UNKNOWN, shown_part(text) if kind_of(text) else "", client_address)
        if known.refusal is not None:
            return self._refused(known.refusal, known.principal.key.prefix, client_address)
        if any(networks and client_address not in networks for networks in (known.networks, known.domain_networks)):
            self._note(self._refusals, known, client_address)
            return self._refused(Refusal.ADDRESS, known.principal.key.prefix, client_address)
        self._note(self._uses, known, client_address)
        self._meter.api_key_checked("ok")
        return known.principal

    def is_remembered(self, text: str) -> bool:
        """Whether a key is known without a look-up."""
        known = self._known.get(shown_part(text)) if kind_of(text) in _KINDS else None
        return known is not None and hmac.compare_digest(known.secret_hash, digest_of(text))

    async def refresh(self) -> bool:
        """Forget what was read where the control plane has changed; tells whether it had."""
        current = await self._database.read(revision.current)
        if current == self._revision:
            return False
        self._revision = current
        self._known.clear()
        return True

    async def write(self) -> None:
        """Write the refusals that have gathered to the log, and store the last uses."""
        self._log.flush()
        if self._uses or self._refusals:
            uses, self._uses = self._uses, {}
            refusals, self._refusals = self._refusals, {}
            now = self._clock()
            self._noted = {mark: at for mark, at in self._noted.items() if now - at < _TOUCH_AFTER_MS}
            await self._database.write(api_keys.touch, uses, refusals)

    async def run(self) -> None:
        """Write what has gathered at the polling interval until cancelled."""
        outage = Outage("api_key_uses_not_written")
        while True:
            asks_storage = bool(self._uses or self._refusals)
            try:
                await self.write()
                if asks_storage:
                    outage.passed()
            except StorageError as error:
                outage.failed(error)
            await asyncio.sleep(self._settings.poll_s)

    async def _find(self, text: str) -> _Known | None:
        """Return the key that a text is, or None; a text that cannot be a key costs no look-up."""
        if kind_of(text) not in _KINDS:
            return None
        prefix = shown_part(text)
        known = self._known.get(prefix)
        while known is None:
            seen = self._revision
            stored = await self._database.read(api_keys.by_prefix, prefix)
            known = await self._ready(stored) if stored is not None else None
            if seen != self._revision:
                known = None  # the view moved on while this was read
                continue
            # Keys that do not exist are not kept: strangers make up as many as they like.
            if known is None:
                return None
            if len(self._known) < _CAPACITY:
                self._known[prefix] = known
        return known if hmac.compare_digest(known.secret_hash, digest_of(text)) else None

    async def _ready(self, stored: StoredKey) -> _Known | None:
        key = stored.key
        account = await self._database.read(accounts.get, key.account_id)
        domain = None if key.domain_id is None else await self._database.read(domains.get, key.domain_id)
        if account is None:
            return None
        refusal = None
        if account.suspended_at is not None:
            refusal = Refusal.SUSPENDED
        elif key.domain_id is not None and (domain is None or domain.state is DomainState.REJECTED):
            refusal = Refusal.DOMAIN_GONE
        principal = KeyPrincipal(key, account.name, None if domain is None else domain.name)
        of_domain = "" if domain is None else domain.settings.submission_networks
        networks, domain_networks = Networks(key.networks), Networks(networks_in(of_domain))
        return _Known(stored.secret_hash, principal, networks, domain_networks, refusal)

    def _refused(self, reason: Refusal, prefix: str, client_address: str) -> KeyRefused:
        self._log.refused(
            Refused(
                name=prefix,
                client_address=client_address,
                network=network_of(client_address),
                reason=reason.value,
            )
        )
        self._meter.api_key_checked(reason.value)
        return KeyRefused(reason)

    def _note(self, noted: dict[int, Use], known: _Known, client_address: str) -> None:
        now, key_id = self._clock(), known.principal.key.id
        mark = (key_id, noted is self._refusals)
        if now - self._noted.get(mark, 0) >= _TOUCH_AFTER_MS:
            self._noted[mark] = now
            noted[key_id] = Use(now, normalise(client_address))
