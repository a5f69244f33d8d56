"""A worker's view of the SMTP users: read when first needed, read again when the revision of the control plane moves."""

import msgspec

from postroad.model.credential import CredentialKind, Principal, SmtpUser
from postroad.net.address import Network, parse_address, parse_network
from postroad.net.clock import Clock
from postroad.storage import accounts, domains, revision, smtp_users
from postroad.storage.database import Database

_CAPACITY = 50_000
_TOUCH_AFTER_MS = 60_000
"""``last_used_at`` is written at most this often per credential: control-plane rows are read-mostly."""


class KnownCredential(msgspec.Struct, frozen=True):
    """A stored credential with the principal it stands for, and whether it may act now."""

    user: SmtpUser
    principal: Principal
    is_usable: bool
    """Neither it is disabled nor its account suspended."""


class Credentials:
    """Finds credentials by name, address or id, and knows which of those that acted may no longer."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._revision: int | None = None
        self._by_username: dict[str, KnownCredential] = {}
        self._by_network: list[tuple[Network, Principal]] = []
        self._acted: set[int] = set()
        self._revoked: set[int] = set()
        self._uses: dict[int, int] = {}
        self._touched: dict[int, int] = {}

    async def find(self, username: str) -> KnownCredential | None:
        """Return the credential of a name, whether it is usable or not."""
        known = self._by_username.get(username)
        while known is None:
            seen = self._revision
            user = await self._database.read(smtp_users.by_username, username)
            known = await self._known(user) if user is not None else None
            if seen != self._revision:
                known = None  # the view moved on while this was read
                continue
            # Names that do not exist are not kept: strangers make up as many as they like.
            if known is None:
                return None
            if len(self._by_username) < _CAPACITY:
                self._by_username[username] = known
        return known

    def in_network(self, address: str) -> Principal | None:
        """Return the principal whose network holds the address; the smallest network wins."""
        client = parse_address(address)
        if client is None:
            return None
        return next((principal for network, principal in self._by_network if client in network), None)

    def acts(self, principal: Principal) -> None:
        """Note that a credential was used; it is watched from now on."""
        now = self._clock()
        self._acted.add(principal.credential_id)
        if now - self._touched.get(principal.credential_id, 0) >= _TOUCH_AFTER_MS:
            self._touched[principal.credential_id] = now
            self._uses[principal.credential_id] = now

    def may_still_act(self, principal: Principal) -> bool:
        """Whether a credential that acted has since been neither disabled, removed nor bound elsewhere."""
        return principal.credential_id not in self._revoked

    async def refresh(self) -> bool:
        """Read again what changed since the last call; returns whether anything did."""
        current = await self._database.read(revision.current)
        if current == self._revision:
            return False
        self._revision = current
        self._by_username.clear()
        try:
            self._by_network = await self._read_networks()
            self._revoked = await self._no_longer_usable(frozenset(self._acted))
        except BaseException:
            self._revision = None  # so that the next call reads all of it again
            raise
        return True

    async def write_uses(self) -> None:
        """Store when credentials were last used."""
        if self._uses:
            uses, self._uses = self._uses, {}
            await self._database.write(smtp_users.touch, uses)

    async def _read_networks(self) -> list[tuple[Network, Principal]]:
        found: list[tuple[Network, Principal]] = []
        for user in await self._database.read(smtp_users.list_of_kind, CredentialKind.ADDRESS):
            known = await self._known(user)
            if known is not None and known.is_usable:
                found.extend((parse_network(text), known.principal) for text in user.networks)
        return sorted(found, key=lambda pair: pair[0].prefixlen, reverse=True)

    async def _no_longer_usable(self, identifiers: frozenset[int]) -> set[int]:
        suspended = {one.id for one in await self._database.read(accounts.list_all) if one.suspended_at is not None}
        revoked = set()
        for identifier in identifiers:
            user = await self._database.read(smtp_users.get, identifier)
            if user is None or user.disabled_at is not None or user.account_id in suspended:
                revoked.add(identifier)
        return revoked

    async def _known(self, user: SmtpUser) -> KnownCredential | None:
        domain = await self._database.read(domains.get, user.domain_id)
        account = await self._database.read(accounts.get, user.account_id)
        if domain is None or account is None:
            return None
        principal = Principal(user.account_id, user.domain_id, domain.name, user.id, user.username, user.kind)
        return KnownCredential(user, principal, user.disabled_at is None and account.suspended_at is None)
