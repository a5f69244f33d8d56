"""A worker's view of the SMTP users: read when first needed, read again when the revision of the control plane moves."""

import hashlib
from collections.abc import Collection, Iterable
from typing import Any, Literal

import msgspec

from postroad.accounts.smtp_user_changes import networks_of
from postroad.model.credential import CredentialKind, Principal, SmtpUser, Use
from postroad.net.address import Network, Networks, parse_address
from postroad.net.clock import Clock
from postroad.policy.network_list import networks_in
from postroad.storage import revision, smtp_users
from postroad.storage.database import Database
from postroad.storage.smtp_users import BoundUser

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
            # One read, whether there is such a user or not: the time that it takes tells nobody which names exist.
            known = await self._database.read(_read_named, username)
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
            looked_at = self._acted.copy()
            found = await self._look_at(looked_at)
        except BaseException:
            self._revision = None  # so that the next call reads all of it again
            raise
        self._by_network = _smallest_first(found.values())
        # Who was proven by its address meanwhile was so by the view of before; all of those have been looked at.
        by_address = {one: known for one, known in self._acted.items() if known.user.kind is CredentialKind.ADDRESS}
        # Who was removed is watched no longer; who was disabled may be enabled again while its session is open.
        for user_id, known in (looked_at | by_address).items():
            if user_id not in found and self._acted[user_id] is known:
                del self._acted[user_id]
        # Who was proven by a password meanwhile was so by the view of the new revision.
        now = {user_id: found.get(user_id, known) for user_id, known in self._acted.items()}
        self._standing = {user_id: known if known.is_usable else None for user_id, known in now.items()}

    async def write_uses(self) -> None:
        """Store when credentials were last used."""
        if self._uses:
            uses, self._uses = self._uses, {}
            now = self._clock()
            self._touched = {one: at for one, at in self._touched.items() if now - at < _TOUCH_AFTER_MS}
            await self._database.write(smtp_users.touch, uses)

    async def _look_at(self, user_ids: Collection[int]) -> dict[int, KnownCredential]:
        """Return some credentials, and all that are proven by an address, as they are now; nothing of those removed."""
        return await self._database.read(_read_known, user_ids)


def _read_named(connection: Any, username: str) -> KnownCredential | None:
    bound = smtp_users.bound_by_username(connection, username)
    return None if bound is None else _known_as(bound)


def _read_known(connection: Any, user_ids: Collection[int]) -> dict[int, KnownCredential]:
    proven_by_address = smtp_users.bound_of_kind(connection, CredentialKind.ADDRESS)
    return {one.user.id: _known_as(one) for one in [*smtp_users.bound_many(connection, user_ids), *proven_by_address]}


def _smallest_first(found: Iterable[KnownCredential]) -> list[tuple[Network, KnownCredential]]:
    by_address = [known for known in found if known.user.kind is CredentialKind.ADDRESS]
    pairs = [(network, known) for known in by_address for network in networks_of(known.user)]
    # What is found begins with those that acted in this worker: without the id each worker would have an order of its own.
    return sorted(pairs, key=lambda pair: (-pair[0].prefixlen, pair[1].user.id))


def _known_as(bound: BoundUser) -> KnownCredential:
    user, settings = bound.user, bound.domain_settings
    principal = Principal(
        account_id=user.account_id,
        domain_id=user.domain_id,
        sending_domain=bound.domain_name,
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
        is_usable=user.disabled_at is None and not bound.is_suspended,
        networks=Networks(user.networks),
        domain_networks=Networks(networks_in(settings.submission_networks)),
        requires_tls=user.requires_tls or settings.submission_requires_tls,
    )


def _mark_of(user: SmtpUser) -> str:
    # The hash is salted anew with each password; eight octets of its digest tell two apart and give nothing away.
    return hashlib.blake2b(user.password_hash.encode(), digest_size=8).hexdigest()
