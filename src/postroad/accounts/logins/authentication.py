"""Proves who acts: passwords at one cost for every name, network addresses, and what changed since.

A log-in goes through these steps, and each has its bound: who is locked out is told so, at no cost; a proof made a
short while ago is accepted again; equal log-ins under way share one hashing; and only then a password is hashed, in a
queue that refuses what it cannot hold, where strangers wait behind those who logged in from there before.
"""

import asyncio
from typing import Literal, Protocol

import msgspec

from postroad.accounts.logins.credentials import Credentials, KnownCredential
from postroad.accounts.logins.lockout_view import Listener
from postroad.accounts.logins.login_guard import Claimant, LoginGuard, claimant_of
from postroad.accounts.logins.verified_passwords import VerifiedPasswords
from postroad.accounts.password_hashing import BusyError, PasswordHasher, hash_password
from postroad.accounts.refusal_log import LOGINS, RefusalLog, Refused
from postroad.accounts.settings import AccountsSettings
from postroad.accounts.smtp_user_changes import tried_username
from postroad.model.credential import CredentialKind, Principal, Secret
from postroad.net.clock import Clock
from postroad.policy.lockout import Locked, MayTry, network_of
from postroad.policy.password import MAXIMUM_LENGTH, prepared
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.outage import Outage

_GATHER_S = 1.0
"""How long failed log-ins gather before they are written together."""

Reason = Literal["wrong", "busy", "shed", "locked", "network", "tls", "ended"]


class AuthRefused(msgspec.Struct, frozen=True):
    """A log-in that was refused, or that has ended."""

    reason: Reason

    @property
    def is_temporary(self) -> bool:
        """Whether the same log-in may work later: 454 4.7.0 instead of 535 5.7.8 (RFC 4954 §6)."""
        return self.reason in ("busy", "shed", "locked")

    @property
    def is_locked(self) -> bool:
        """Whether too many log-ins have failed before this one, whose password was not looked at."""
        return self.reason == "locked"

    @property
    def needs_tls(self) -> bool:
        """Whether the same log-in would do over an encrypted connection: 538 5.7.11 (RFC 4954 §6)."""
        return self.reason == "tls"


class _LockedOutError(Exception):
    """A lock fell while a password waited for its turn, or held before."""

    def __init__(self, locked: Locked) -> None:
        super().__init__(locked.scope)
        self.scope = locked.scope


class _Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One log-in as it came in."""

    username: str
    name: str
    """The name in the spelling that users are stored in."""
    password: Secret
    mechanism: str
    client_address: str
    over_tls: bool
    claimant: Claimant


class Meter(Protocol):
    """What is counted of log-ins."""

    def login(self, result: str) -> None:
        """Count one log-in by its result."""


class Authenticator:
    """Proves credentials for one worker; ``run`` keeps its view fresh and must be running beside it."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        settings: AccountsSettings,
        meter: Meter,
        process_key: bytes,
        listener: Listener | None = None,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._meter = meter
        self._credentials = Credentials(database, clock)
        self._guard = LoginGuard(database, clock, settings.lockout, listener)
        self._log = RefusalLog(clock, LOGINS)
        self._hasher = PasswordHasher(settings.hash_threads, settings.hash_queue, settings.strangers_per_s)
        self._verified = VerifiedPasswords(process_key, settings.verified_for_s * 1000)
        self._under_way: dict[tuple[bytes, str], asyncio.Future[KnownCredential | None]] = {}
        # Nobody knows the password of this one: it gives unknown names the same cost as known ones.
        self._nobody = hash_password(Secret(process_key.hex()))

    def at_once(
        self, username: str, password: str, client_address: str, over_tls: bool, mechanism: str = ""
    ) -> Principal | AuthRefused | None:
        """Return what comes of a log-in where memory alone tells it, or None where ``verify`` has to find out.

        It decides as ``verify`` would: here a flood ends, and so does the log-in of a client that has just made one.
        """
        attempt = _attempt(username, password, client_address, over_tls=over_tls, mechanism=mechanism)
        known = self._credentials.in_view(attempt.name)
        if known is None and self._guard.is_known(attempt.claimant):
            return None
        try:
            # Before the memory of proofs is asked: who is locked out must not find a password by it either.
            may_try = self._may_try(attempt.claimant, known)
        except _LockedOutError as error:
            return self._refused("locked", attempt, f"{error.scope}_locked")
        if known is not None:
            return self._concluded(known, attempt, "cached") if self._is_proven(known, attempt) else None
        if not self._hasher.has_room(attempt.claimant.client, is_preferred=may_try.is_preferred):
            return self._refused("shed", attempt)
        return None

    async def verify(
        self, username: str, password: str, client_address: str, over_tls: bool, mechanism: str = ""
    ) -> Principal | AuthRefused:
        """Return who a name and password prove, or why they prove nobody."""
        attempt = _attempt(username, password, client_address, over_tls=over_tls, mechanism=mechanism)
        try:
            proven = await self._own_credential(attempt)
            may_try = self._may_try(attempt.claimant, proven)
            if proven is not None and self._is_proven(proven, attempt):
                return self._concluded(proven, attempt, "cached")
            proven = await self._compared(attempt, is_preferred=may_try.is_preferred)
            # Hashing took a while: what was read before it may have changed.
            known = await self._credentials.find(attempt.name)
        except _LockedOutError as error:
            return self._refused("locked", attempt, f"{error.scope}_locked")
        except BusyError:
            return self._refused("shed", attempt)
        except StorageError:
            return self._refused("busy", attempt)
        if proven is None or known is None or not _is_same(proven, known):
            return self._refused("wrong", attempt)
        return self._concluded(known, attempt, "ok")

    def principal_for_address(self, address: str, over_tls: bool) -> Principal | None:
        """Return the principal that a client's network address alone proves."""
        known = self._credentials.in_network(address)
        if known is None or not known.is_usable or known.refusal_of(address, over_tls=over_tls) is not None:
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

    def note_listed(self, username: str, client_address: str, over_tls: bool, mechanism: str, *, zone: str) -> None:
        """Note a log-in that was refused before it was looked at, as a blocklist names the client."""
        self._log.refused(
            Refused(
                name=username,
                client_address=client_address,
                network=network_of(client_address),
                reason="listed",
                mechanism=mechanism,
                over_tls=over_tls,
                zone=zone,
            )
        )

    async def refresh(self) -> None:
        """Take in which credentials have changed; a proof is of one stored password, so those of others stay good."""
        await self._credentials.refresh()

    async def share(self) -> None:
        """Take in what other workers know of log-ins, and store the last uses."""
        await self._guard.refresh()
        await self._credentials.write_uses()

    async def write(self) -> None:
        """Write what has gathered of failed and of good log-ins."""
        self._log.flush()
        await self._guard.write()

    async def run(self) -> None:
        """Write each second and share at the polling interval, until cancelled."""
        share_in_s = 0.0
        outage = Outage("logins_not_shared")
        while True:
            is_to_share = share_in_s <= 0
            share_in_s = self._settings.poll_s if is_to_share else share_in_s
            try:
                await self.write()
                if is_to_share:
                    await self.share()
                    # Where nothing has gathered to be written, storage is asked for nothing else.
                    outage.passed()
            except StorageError as error:
                outage.failed(error)
            pause_s = min(_GATHER_S, share_in_s)
            await asyncio.sleep(pause_s)
            share_in_s -= pause_s

    def close(self) -> None:
        """End the hashing threads."""
        self._hasher.close()

    def _is_proven(self, known: KnownCredential, attempt: _Attempt) -> bool:
        """Whether the same log-in was proven a short while ago."""
        return _may_act(known, attempt) and self._verified.holds(self._proof(known, attempt), self._clock())

    def _concluded(self, known: KnownCredential, attempt: _Attempt, result: str) -> Principal | AuthRefused:
        """Return the principal of a credential that was proven, unless it may not act over this connection."""
        refusal = known.refusal_of(attempt.client_address, over_tls=attempt.over_tls)
        if refusal is not None:
            return self._refused(refusal, attempt)
        self._meter.login(result)
        self._guard.succeeded(attempt.claimant, known.user.id)
        self._credentials.acts(known, attempt.client_address, over_tls=attempt.over_tls)
        return known.principal

    def _refused(self, reason: Reason, attempt: _Attempt, in_full: str | None = None) -> AuthRefused:
        why = in_full or reason
        self._meter.login(why)
        self._log.refused(
            Refused(
                name=attempt.username,
                client_address=attempt.client_address,
                network=attempt.claimant.network or attempt.claimant.client,
                reason=why,
                mechanism=attempt.mechanism,
                over_tls=attempt.over_tls,
            )
        )
        return AuthRefused(reason)

    async def _own_credential(self, attempt: _Attempt) -> KnownCredential | None:
        """Return the credential of a name where it is in view, or may have been proven from the client before.

        A stranger who is locked out costs no look at the database, and whether there is such a name shows in nothing.
        """
        known = self._credentials.in_view(attempt.name)
        if known is None and self._guard.is_known(attempt.claimant):
            return await self._credentials.find(attempt.name)
        return known

    async def _compared(self, attempt: _Attempt, *, is_preferred: bool) -> KnownCredential | None:
        """Have a password compared, or wait for an equal one of the same client that is under way."""
        claimant = attempt.claimant
        flight_key = (self._verified.proof_of(0, attempt.name, attempt.password), claimant.client)
        flight = self._under_way.get(flight_key)
        if flight is None:
            # In a flood most end here, before anything is made for them.
            if not self._hasher.has_room(claimant.client, is_preferred=is_preferred):
                raise BusyError
            flight = asyncio.ensure_future(self._compare(attempt, is_preferred=is_preferred))
            self._under_way[flight_key] = flight
            flight.add_done_callback(lambda done: self._landed(flight_key, done))
        # One client that hangs up must not cancel the others' hashing.
        return await asyncio.shield(flight)

    async def _compare(self, attempt: _Attempt, *, is_preferred: bool) -> KnownCredential | None:
        """Return the credential that the password proves; hashes once whoever is named, and counts a wrong one.

        A right password that may not be used counts as a wrong one and is not remembered: neither the time that the
        answer takes nor a lock that does not fall may tell a guesser that it was right.
        """
        claimant = attempt.claimant
        async with self._hasher.turn(claimant.client, is_preferred=is_preferred) as turn:
            known = await self._credentials.find(attempt.name)
            # Others of the same client may have failed meanwhile.
            self._may_try(claimant, known)
            has_password = known is not None and known.user.kind is CredentialKind.PASSWORD
            stored = known.user.password_hash if known is not None and has_password else self._nobody
            matches = await turn.matches(stored, attempt.password)
        proven = known if has_password and matches else None
        if proven is not None and _may_act(proven, attempt):
            self._verified.remember(self._proof(proven, attempt), self._clock())
            return proven
        user = None if known is None else known.user
        self._guard.failed(
            claimant,
            attempt.client_address,
            credential_id=None if user is None else user.id,
            account_id=None if user is None else user.account_id,
        )
        return proven

    def _proof(self, known: KnownCredential, attempt: _Attempt) -> bytes:
        return self._verified.proof_of(known.user.id, known.user.password_hash, attempt.password)

    def _may_try(self, claimant: Claimant, known: KnownCredential | None) -> MayTry:
        verdict = self._guard.verdict(claimant, None if known is None else known.user.id)
        if isinstance(verdict, Locked):
            raise _LockedOutError(verdict)
        return verdict

    def _landed(self, flight_key: tuple[bytes, str], flight: asyncio.Future[KnownCredential | None]) -> None:
        del self._under_way[flight_key]
        if not flight.cancelled():
            # Seen here too, for the case that every client hung up meanwhile.
            flight.exception()


def _attempt(username: str, password: str, client_address: str, *, over_tls: bool, mechanism: str) -> _Attempt:
    name = tried_username(username)
    secret = prepared(password)
    return _Attempt(
        username=username,
        name=name,
        password=secret if len(secret) <= MAXIMUM_LENGTH else Secret(""),
        mechanism=mechanism,
        client_address=client_address,
        over_tls=over_tls,
        claimant=claimant_of(name, client_address),
    )


def _may_act(known: KnownCredential, attempt: _Attempt) -> bool:
    """Whether a credential may be used by a client at all; that TLS is missing is said openly, so it hides nothing."""
    refusal = known.refusal_of(attempt.client_address, over_tls=attempt.over_tls)
    return known.is_usable and refusal != "network"


def _is_same(before: KnownCredential, now: KnownCredential) -> bool:
    """Whether a credential still has the password that was proven, and may act."""
    return (
        now.is_usable
        and now.user.id == before.user.id
        and now.principal.password_mark == before.principal.password_mark
    )
