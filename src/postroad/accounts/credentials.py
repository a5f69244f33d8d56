"""A worker's view of the SMTP users: read when first needed, read again when the revision of the control plane moves."""

import hashlib

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
        self._standing: dict[int, str | None] = {}
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
        """Whether a credential that acted has since been neither disabled, removed nor given another password."""
        mark = principal.password_mark
        return self._standing.get(principal.credential_id, mark) == mark

    async def refresh(self) -> bool:
        """Read again what changed since the last call; returns whether anything did."""
        current = await self._database.read(revision.current)
        if current == self._revision:
            return False
        self._revision = current
        self._by_username.clear()
        try:
            self._by_network = await self._read_networks()
            self._standing = await self._standing_of(frozenset(self._acted))
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

    async def _standing_of(self, identifiers: frozenset[int]) -> dict[int, str | None]:
        """Return the password mark of each credential, or None where it may not act any more."""
        suspended = {one.id for one in await self._database.read(accounts.list_all) if one.suspended_at is not None}
        standing: dict[int, str | None] = {}
        for identifier in identifiers:
            user = await self._database.read(smtp_users.get, identifier)
            is_out = user is None or user.disabled_at is not None or user.account_id in suspended
            standing[identifier] = None if user is None or is_out else _mark_of(user)
        return standing

    async def _known(self, user: SmtpUser) -> KnownCredential | None:
        domain = await self._database.read(domains.get, user.domain_id)
        account = await self._database.read(accounts.get, user.account_id)
        if domain is None or account is None:
            return None
        principal = Principal(
            account_id=user.account_id,
            domain_id=user.domain_id,
            sending_domain=domain.name,
            credential_id=user.id,
            username=user.username,
            kind=user.kind,
            password_mark=_mark_of(user),
        )
        return KnownCredential(user, principal, user.disabled_at is None and account.suspended_at is None)


def _mark_of(user: SmtpUser) -> str:
    # The hash is salted anew with each password; eight octets of its digest tell two apart and give nothing away.
    return hashlib.blake2b(user.password_hash.encode(), digest_size=8).hexdigest()
