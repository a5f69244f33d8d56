"""Proves who acts: passwords at one cost for every name, network addresses, and what changed since.

A log-in goes through these steps, and each has its bound: the name is looked up in the worker's view, a proof made a
short while ago is accepted again, equal log-ins under way share one hashing, and only then a password is hashed, in
a queue that refuses what it cannot hold.
"""

import asyncio
from typing import Literal, Protocol

import msgspec
import structlog

from postroad.accounts.credentials import Credentials, KnownCredential
from postroad.accounts.password_hashing import BusyError, PasswordHasher, hash_password
from postroad.accounts.settings import AccountsSettings
from postroad.accounts.verified_passwords import VerifiedPasswords
from postroad.model.credential import CredentialKind, Principal, Secret
from postroad.net.clock import Clock
from postroad.policy.password import MAXIMUM_LENGTH, prepared
from postroad.storage.database import Database
from postroad.storage.errors import StorageError

log = structlog.get_logger()


class AuthRefused(msgspec.Struct, frozen=True):
    """A log-in that was refused, or that has ended."""

    reason: Literal["wrong", "busy", "network", "tls", "ended"]

    @property
    def is_temporary(self) -> bool:
        """Whether the same log-in may work later: 454 4.7.0 instead of 535 5.7.8 (RFC 4954 §6)."""
        return self.reason == "busy"

    @property
    def needs_tls(self) -> bool:
        """Whether the same log-in would do over an encrypted connection: 538 5.7.11 (RFC 4954 §6)."""
        return self.reason == "tls"


class Meter(Protocol):
    """What is counted of log-ins."""

    def login(self, result: str) -> None:
        """Count one log-in by its result."""


class Authenticator:
    """Proves credentials for one worker; ``run`` keeps its view fresh and must be running beside it."""

    def __init__(
        self, database: Database, clock: Clock, *, settings: AccountsSettings, meter: Meter, process_key: bytes
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._meter = meter
        self._credentials = Credentials(database, clock)
        self._hasher = PasswordHasher(settings.hash_threads, settings.hash_queue)
        self._verified = VerifiedPasswords(process_key, settings.verified_for_s * 1000)
        self._under_way: dict[bytes, asyncio.Future[bool]] = {}
        # Nobody knows the password of this one: it gives unknown names the same cost as known ones.
        self._nobody = hash_password(Secret(process_key.hex()))

    async def verify(
        self, username: str, password: str, client_address: str, over_tls: bool
    ) -> Principal | AuthRefused:
        """Return who a name and password prove, or why they prove nobody."""
        name = username.strip().lower()
        try:
            known = await self._credentials.find(name)
            result = await self._prove(known, prepared(password))
            # Hashing took a while: what was read before it may have changed.
            now_known = await self._credentials.find(name)
        except (BusyError, StorageError) as error:
            log.warning("login_busy", username=username, client_address=client_address, why=type(error).__name__)
            self._meter.login("busy")
            return AuthRefused("busy")
        if result is None or known is None or now_known is None or not _is_same(known, now_known):
            return self._refused("wrong", username, client_address, over_tls=over_tls)
        refusal = now_known.refusal_of(client_address, over_tls=over_tls)
        if refusal is not None:
            return self._refused(refusal, username, client_address, over_tls=over_tls)
        self._meter.login(result)
        self._credentials.acts(now_known, client_address, over_tls=over_tls)
        return now_known.principal

    def principal_for_address(self, address: str, over_tls: bool) -> Principal | None:
        """Return the principal that a client's network address alone proves."""
        known = self._credentials.in_network(address)
        if known is None or known.refusal_of(address, over_tls=over_tls) is not None:
            return None
        self._credentials.acts(known, address, over_tls=over_tls)
        return known.principal

    def goes_on(self, principal: Principal, client_address: str, over_tls: bool) -> Principal | AuthRefused:
        """Return a principal proven earlier as it is now, or why it may not go on.

        It follows changes within the polling interval, and costs one dictionary look-up while nothing changes.
        """
        known = self._credentials.standing(principal)
        if known is None:
            return AuthRefused("ended")
        if known.principal is principal:
            return principal
        refusal = known.refusal_of(client_address, over_tls=over_tls)
        return known.principal if refusal is None else AuthRefused(refusal)

    def note_use(self, principal: Principal, client_address: str, over_tls: bool) -> None:
        """Note that a principal sends; stored at most once a minute."""
        self._credentials.note_use(principal.credential_id, client_address, over_tls=over_tls)

    async def refresh(self) -> None:
        """Take in what changed, forget proofs that may be void, and store the last uses."""
        if await self._credentials.refresh():
            self._verified.forget_all()
        await self._credentials.write_uses()

    async def run(self) -> None:
        """Refresh at the polling interval until cancelled."""
        while True:
            try:
                await self.refresh()
            except StorageError as error:
                log.warning("credentials_not_refreshed", why=str(error))
            await asyncio.sleep(self._settings.poll_s)

    def close(self) -> None:
        """End the hashing threads."""
        self._hasher.close()

    def _refused(
        self, reason: Literal["wrong", "network", "tls"], username: str, client_address: str, *, over_tls: bool
    ) -> AuthRefused:
        log.info("login_refused", username=username, client_address=client_address, over_tls=over_tls, reason=reason)
        self._meter.login(reason)
        return AuthRefused(reason)

    async def _prove(self, known: KnownCredential | None, password: Secret) -> Literal["ok", "cached"] | None:
        """Return how the password was proven, or None; costs one hashing whoever is named."""
        can_log_in = known is not None and known.user.kind is CredentialKind.PASSWORD
        stored = known.user.password_hash if known is not None and can_log_in else self._nobody
        credential_id = known.user.id if known is not None else 0
        if len(password) > MAXIMUM_LENGTH:
            password = Secret("")
        proof = self._verified.proof_of(credential_id, stored, password)
        if self._verified.holds(proof, self._clock()):
            return "cached"
        if not await self._hashed_once(proof, stored, password):
            return None
        self._verified.remember(proof, self._clock())
        return "ok"

    async def _hashed_once(self, proof: bytes, stored: str, password: Secret) -> bool:
        """Hash for the first of several equal log-ins and let the others wait for its result."""
        flight = self._under_way.get(proof)
        if flight is None:
            flight = asyncio.ensure_future(self._hasher.matches(stored, password))
            self._under_way[proof] = flight
            flight.add_done_callback(lambda done: self._landed(proof, done))
        # One client that hangs up must not cancel the others' hashing.
        return await asyncio.shield(flight)

    def _landed(self, proof: bytes, flight: asyncio.Future[bool]) -> None:
        del self._under_way[proof]
        if not flight.cancelled():
            # Seen here too, for the case that every client hung up meanwhile.
            flight.exception()


def _is_same(before: KnownCredential, now: KnownCredential) -> bool:
    """Whether a credential still has the password that was proven, and may act."""
    return (
        now.is_usable
        and now.user.id == before.user.id
        and now.principal.password_mark == before.principal.password_mark
    )
