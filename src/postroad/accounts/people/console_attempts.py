"""Counts what people try wrong when they sign in, for the whole installation, and says when it has been enough."""

from collections.abc import Iterable, Mapping

import msgspec
import structlog

from postroad.net.clock import Clock
from postroad.policy.lockout import (
    CLEAN,
    Standing,
    client_subject,
    credential_subject,
    failed,
    network_subject,
    taken_back,
)
from postroad.policy.sign_in import EMAIL, NETWORK, RULES, SESSION, locked_until
from postroad.storage import lockouts, users, web_sessions
from postroad.storage.database import Database
from postroad.storage.lockouts import Failures, Noted

log = structlog.get_logger()

_MOST_REMEMBERED = 10_000


class Begun(msgspec.Struct, frozen=True):
    """A try that counts as wrong until it has turned out to be right, or one that may not be made."""

    email: str
    client_address: str
    locked_until: int | None = None
    """When the lock ends that forbids it; null where the try may be made."""
    stored: tuple[Noted, ...] = ()
    unstored: Mapping[tuple[str, str], int | None] = {}
    """What the table had no room for, each with the end of the lock that this try brought."""


class ConsoleAttempts:
    """Remembers wrong passwords and codes by email address and by network."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._unstored: dict[tuple[str, str], Standing] = {}
        """What the table has no room for when strangers have filled it: this worker counts it by itself."""

    async def locked_until(self, email: str, client_address: str) -> int | None:
        """Return until when an address may not be tried from where it is tried now, or None where it may."""
        now, subject = self._clock(), credential_subject(email)
        by_email = await self._standing(EMAIL, subject)
        by_network = await self._standing(NETWORK, _network(client_address))
        is_at_home = by_email.is_locked(now) and await self.is_at_home(subject, client_address)
        return locked_until(by_email, by_network, now, is_at_home=is_at_home)

    async def session_locked_until(self, email: str, client_address: str) -> int | None:
        """Return until when a person who is signed in may not give its password again, or None where it may.

        A session that was stolen guesses from where the person is at home: that spares nobody here.
        """
        by_session, now = await self._standing(SESSION, credential_subject(email)), self._clock()
        if by_session.is_locked(now):
            return by_session.locked_until
        return await self.locked_until(email, client_address)

    async def is_at_home(self, email: str, client_address: str) -> bool:
        """Whether the person with this address has a session, idle ones too, from that client."""
        user = await self._database.read(users.by_email, email)
        if user is None:
            return False
        sessions = await self._database.read(web_sessions.of_user, user.id, now=self._clock(), seen_since=0)
        return client_subject(client_address) in {client_subject(one.client_address) for one in sessions}

    async def failed(self, email: str, client_address: str, *, in_session: bool = False) -> None:
        """Count something wrong that was tried, at the sign-in page or by somebody who is signed in."""
        scopes = (EMAIL, NETWORK, SESSION) if in_session else (EMAIL, NETWORK)
        batch = _failures(email, client_address, scopes)
        stored = await self._database.write(lockouts.note_failures, batch, RULES, self._clock())
        _tell(email, client_address, stored, in_session=in_session)
        self._remember(_left_out(batch, stored))

    async def begin(self, email: str, client_address: str) -> Begun:
        """Count a try before it is looked at; then say by ``was_right`` or ``was_wrong`` what it was.

        For what costs nothing to compare: of many tries at once, all would be looked at before the first one counts.
        """
        batch = _failures(email, client_address, (EMAIL, NETWORK))
        keys, now = {one.scope: (one.scope, one.subject) for one in batch}, self._clock()
        is_at_home = await self.is_at_home(credential_subject(email), client_address)

        def until(stored: Mapping[str, Standing]) -> int | None:
            by_scope = {scope: stored.get(scope) or self._unstored.get(key, CLEAN) for scope, key in keys.items()}
            return locked_until(by_scope[EMAIL], by_scope[NETWORK], now, is_at_home=is_at_home)

        counted = await self._database.write(lockouts.count_unless_locked, batch, RULES, now, until)
        left_out = _left_out(batch, counted.noted)
        # What is counted here alone may have come to a lock while the table was asked.
        late = counted.locked_until or until({one.lockout.scope: CLEAN for one in counted.noted})
        if late is not None:
            return Begun(email, client_address, late)
        return Begun(email, client_address, stored=counted.noted, unstored=self._remember(left_out))

    async def was_right(self, begun: Begun) -> None:
        """Take a try back that was counted."""
        now = self._clock()
        for key, lock in begun.unstored.items():
            if key in self._unstored:
                self._unstored[key] = taken_back(self._unstored[key], now, lock=lock)
        if begun.stored:
            await self._database.write(lockouts.take_back, begun.stored, now)

    def was_wrong(self, begun: Begun) -> None:
        """Leave a try counted, and tell the log of it."""
        _tell(begun.email, begun.client_address, begun.stored, in_session=False)

    async def succeeded(self, email: str) -> None:
        """Forget what was tried wrong of an address; the network's share stays, for it may be somebody else's."""
        subject = credential_subject(email)
        if await self._standing(EMAIL, subject) != CLEAN:
            self._unstored.pop((EMAIL, subject), None)
            await self._database.write(lockouts.release, [(EMAIL, subject)], self._clock())

    async def _standing(self, scope: str, subject: str) -> Standing:
        found = await self._database.read(lockouts.get, scope, subject)
        return self._unstored.get((scope, subject), CLEAN) if found is None else found.standing

    def _remember(self, keys: set[tuple[str, str]]) -> dict[tuple[str, str], int | None]:
        """Count failures here; returns them with the ends of the locks that they brought."""
        now, locks = self._clock(), dict[tuple[str, str], int | None]()
        for key in keys:
            standing = self._unstored.pop(key, CLEAN)
            if len(self._unstored) >= _MOST_REMEMBERED:
                # The one that failed longest ago goes.
                del self._unstored[next(iter(self._unstored))]
            self._unstored[key] = after = failed(standing, RULES[key[0]], now)
            locks[key] = None if standing.is_locked(now) else after.locked_until
        return locks


def _failures(email: str, client_address: str, scopes: tuple[str, ...]) -> list[Failures]:
    name, network = credential_subject(email), _network(client_address)
    return [
        Failures(scope=one, subject=network if one == NETWORK else name, address=client_address, username=name)
        for one in scopes
    ]


def _left_out(batch: list[Failures], stored: Iterable[Noted]) -> set[tuple[str, str]]:
    """Return what the table had no room for."""
    return {(one.scope, one.subject) for one in batch} - {(one.lockout.scope, one.lockout.subject) for one in stored}


def _tell(email: str, client_address: str, stored: Iterable[Noted], *, in_session: bool) -> None:
    subject = credential_subject(email)
    log.info("sign_in_refused", email=subject, client_address=client_address, in_session=in_session)
    for noted in stored:
        if noted.has_just_locked:
            log.warning("sign_in_locked", scope=noted.lockout.scope, subject=noted.lockout.subject)


def _network(client_address: str) -> str:
    client = client_subject(client_address)
    return network_subject(client) or client
