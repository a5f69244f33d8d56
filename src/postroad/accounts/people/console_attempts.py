"""Counts what people try wrong when they sign in, for the whole installation, and says when it has been enough."""

import structlog

from postroad.net.clock import Clock
from postroad.policy.lockout import CLEAN, Standing, client_subject, credential_subject, failed, network_subject
from postroad.policy.sign_in import EMAIL, NETWORK, RULES, SESSION, locked_until
from postroad.storage import lockouts, users, web_sessions
from postroad.storage.database import Database
from postroad.storage.lockouts import Failures

log = structlog.get_logger()

_MOST_REMEMBERED = 10_000


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
        subject = credential_subject(email)
        log.info("sign_in_refused", email=subject, client_address=client_address, in_session=in_session)
        counted = [(EMAIL, subject), (NETWORK, _network(client_address))]
        if in_session:
            counted.append((SESSION, subject))
        batch = [Failures(scope=scope, subject=one, address=client_address, username=subject) for scope, one in counted]
        stored = await self._database.write(lockouts.note_failures, batch, RULES, self._clock())
        for noted in stored:
            if noted.has_just_locked:
                log.warning("sign_in_locked", scope=noted.lockout.scope, subject=noted.lockout.subject)
        self._remember(
            {(one.scope, one.subject) for one in batch}, {(one.lockout.scope, one.lockout.subject) for one in stored}
        )

    async def succeeded(self, email: str) -> None:
        """Forget what was tried wrong of an address; the network's share stays, for it may be somebody else's."""
        subject = credential_subject(email)
        if await self._standing(EMAIL, subject) != CLEAN:
            self._unstored.pop((EMAIL, subject), None)
            await self._database.write(lockouts.release, [(EMAIL, subject)], self._clock())

    async def _standing(self, scope: str, subject: str) -> Standing:
        found = await self._database.read(lockouts.get, scope, subject)
        return self._unstored.get((scope, subject), CLEAN) if found is None else found.standing

    def _remember(self, failed_ones: set[tuple[str, str]], stored: set[tuple[str, str]]) -> None:
        for key in failed_ones - stored:
            standing = self._unstored.pop(key, CLEAN)
            if len(self._unstored) >= _MOST_REMEMBERED:
                # The one that failed longest ago goes.
                del self._unstored[next(iter(self._unstored))]
            self._unstored[key] = failed(standing, RULES[key[0]], self._clock())


def _network(client_address: str) -> str:
    client = client_subject(client_address)
    return network_subject(client) or client
