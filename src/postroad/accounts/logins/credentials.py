"""A worker's view of the SMTP users: read when first needed, read again when the revision of the control plane moves."""

import hashlib
from typing import Literal

import msgspec

from postroad.accounts.smtp_user_changes import networks_of
from postroad.model.credential import CredentialKind, Principal, SmtpUser, Use
from postroad.model.domain import SendingDomain
from postroad.net.address import Network, Networks, parse_address
from postroad.net.clock import Clock
from postroad.policy.network_list import networks_in
from postroad.storage import accounts, domains, revision, smtp_users
from postroad.storage.database import Database

_CAPACITY = 50_000
_UNKNOWN_CAPACITY = 10_000
_TOUCH_AFTER_MS = 60_000
"""``last_used_at`` is written at most this often per credential: control-plane rows are read-mostly."""


class KnownCredential(msgspec.Struct, frozen=True):
    """A stored credential with the principal it stands for, and whether it may act now."""

    user: SmtpUser
    principal: Principal
    is_usable: bool
    """Neither it is disabled nor its account suspended."""
    networks: Networks
    domain_networks: Networks
    """What the domain allows all its users; empty for everywhere."""
    requires_tls: bool
    """The user or its domain does."""

    def refusal_of(self, client_address: str, *, over_tls: bool) -> Literal["network", "tls"] | None:
        """Return what of a connection keeps this credential from acting over it, if anything."""
        if (self.networks or self.user.kind is CredentialKind.ADDRESS) and client_address not in self.networks:
            return "network"
        if self.domain_networks and client_address not in self.domain_networks:
            return "network"
        return "tls" if self.requires_tls and not over_tls else None


class Credentials:
    """Finds credentials by name, address or id, and knows which of those that acted may no longer."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._revision: int | None = None
        self._by_username: dict[str, KnownCredential] = {}
        self._unknown: set[str] = set()
        self._by_network: list[tuple[Network, KnownCredential]] = []
        self._acted: dict[int, KnownCredential] = {}
        self._standing: dict[int, KnownCredential | None] = {}
        self._uses: dict[int, Use] = {}
        self._touched: dict[int, int] = {}

    def in_view(self, username: str) -> KnownCredential | None:
        """Return the credential of a name where it needs no look at the database."""
        return self._by_username.get(username)

    async def find(self, username: str) -> KnownCredential | None:
        """Return the credential of a name, whether it is usable or not."""
        known = self._by_username.get(username)
        while known is None:
            # Names that do not exist are kept too, so that a second try costs the same time as one of a name that does.
            if username in self._unknown:
                return None
            seen = self._revision
            user = await self._database.read(smtp_users.by_username, username)
            known = await self._known(user) if user is not None else None
            if seen != self._revision:
                known = None  # the view moved on while this was read
                continue
            if known is None:
                if len(self._unknown) >= _UNKNOWN_CAPACITY:
                    self._unknown.clear()  # strangers make up as many as they like
                self._unknown.add(username)
                return None
            if len(self._by_username) < _CAPACITY:
                self._by_username[username] = known
        return known

    def in_network(self, address: str) -> KnownCredential | None:
        """Return the credential whose network holds the address, whether it is usable or not; the smallest network wins.

        One that may not act is found too: else its device would go on as the user of a wider network.
        """
        client = parse_address(address)
        if client is None:
            return None
        return next((known for network, known in self._by_network if client in network), None)

    def acts(self, known: KnownCredential, client_address: str, *, over_tls: bool) -> None:
        """Note that a credential was proven; it is watched from now on."""
        # The view has just been looked at: what a look begun earlier says of this credential is older.
        self._acted[known.user.id] = self._standing[known.user.id] = known
        self.note_use(known.user.id, client_address, over_tls=over_tls)

    def note_use(self, user_id: int, client_address: str, *, over_tls: bool) -> None:
        """Note that a credential was used."""
        now = self._clock()
        if now - self._touched.get(user_id, 0) >= _TOUCH_AFTER_MS:
            self._touched[user_id] = now
            self._uses[user_id] = Use(now, client_address, over_tls)

    def standing(self, principal: Principal) -> KnownCredential | None:
        """Return a credential that acted as it is now; None where it was disabled, removed or got another password."""
        known = self._standing.get(principal.credential_id)
        return known if known is not None and known.principal.password_mark == principal.password_mark else None

    async def refresh(self) -> None:
        """Read again what changed since the last call."""
        current = await self._database.read(revision.current)
        if current == self._revision:
            return
        self._revision = current
        self._by_username.clear()
        self._unknown.clear()
        try:
            self._by_network = await self._read_networks()
            looked_at = self._acted.copy()
            standing = await self._standing_of(looked_at)
        except BaseException:
            self._revision = None  # so that the next call reads all of it again
            raise
        # Who was removed is watched no longer; who was disabled may be enabled again while its session is open.
        for user_id, known in looked_at.items():
            if user_id not in standing and self._acted[user_id] is known:
                del self._acted[user_id]
        # Whoever was proven meanwhile was so by the view of the new revision.
        self._standing = {**self._acted, **standing}

    async def write_uses(self) -> None:
        """Store when credentials were last used."""
        if self._uses:
            uses, self._uses = self._uses, {}
            now = self._clock()
            self._touched = {one: at for one, at in self._touched.items() if now - at < _TOUCH_AFTER_MS}
            await self._database.write(smtp_users.touch, uses)

    async def _read_networks(self) -> list[tuple[Network, KnownCredential]]:
        found: list[tuple[Network, KnownCredential]] = []
        for user in await self._database.read(smtp_users.list_of_kind, CredentialKind.ADDRESS):
            known = await self._known(user)
            if known is not None:
                found.extend((network, known) for network in networks_of(user))
        return sorted(found, key=lambda pair: pair[0].prefixlen, reverse=True)

    async def _standing_of(self, acted: dict[int, KnownCredential]) -> dict[int, KnownCredential | None]:
        """Return each credential that acted as it is now, or None where it may not act; nothing of those removed."""
        suspended = {one.id for one in await self._database.read(accounts.list_all) if one.suspended_at is not None}
        standing: dict[int, KnownCredential | None] = {}
        users = await self._database.read(smtp_users.get_many, acted)
        named = {one.id: one for one in await self._database.read(domains.get_many, {user.domain_id for user in users})}
        for user in users:
            domain = named.get(user.domain_id)
            may_act = user.disabled_at is None and user.account_id not in suspended
            standing[user.id] = _known_as(user, domain, is_usable=True) if domain is not None and may_act else None
        return standing

    async def _known(self, user: SmtpUser) -> KnownCredential | None:
        domain = await self._database.read(domains.get, user.domain_id)
        account = await self._database.read(accounts.get, user.account_id)
        if domain is None or account is None:
            return None
        is_usable = user.disabled_at is None and account.suspended_at is None
        return _known_as(user, domain, is_usable=is_usable)


def _known_as(user: SmtpUser, domain: SendingDomain, *, is_usable: bool) -> KnownCredential:
    principal = Principal(
        account_id=user.account_id,
        domain_id=user.domain_id,
        sending_domain=domain.name,
        credential_id=user.id,
        username=user.username,
        kind=user.kind,
        password_mark=_mark_of(user),
        allowed_from=user.allowed_from,
        hourly_limit=user.hourly_limit,
        daily_limit=user.daily_limit,
    )
    return KnownCredential(
        user=user,
        principal=principal,
        is_usable=is_usable,
        networks=Networks(user.networks),
        domain_networks=Networks(networks_in(domain.settings.submission_networks)),
        requires_tls=user.requires_tls or domain.settings.submission_requires_tls,
    )


def _mark_of(user: SmtpUser) -> str:
    # The hash is salted anew with each password; eight octets of its digest tell two apart and give nothing away.
    return hashlib.blake2b(user.password_hash.encode(), digest_size=8).hexdigest()
