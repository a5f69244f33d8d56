"""The password once more, before somebody who is signed in changes what proves it.

A session may be a browser that was left open, or stolen: what it can do must end with it, and not open a way in that stays.
"""

import asyncio
import math
from weakref import WeakValueDictionary

import msgspec

from postroad.accounts.people.console_attempts import ConsoleAttempts
from postroad.accounts.people.person_passwords import PersonPasswords
from postroad.accounts.people.sessions import SignedIn
from postroad.model.credential import Secret
from postroad.model.refused import RefusedError
from postroad.model.user import User
from postroad.net.clock import Clock

_MINUTE_MS = 60_000
RECENTLY_MS = 10 * _MINUTE_MS
"""How long after signing in somebody without a password counts as proven."""


class Proven(msgspec.Struct, frozen=True):
    """Somebody who is signed in and has proven just now that it is the same person still."""

    signed_in: SignedIn


class OwnPassword:
    """Asks people who are signed in for their password again; what is wrong counts for the person."""

    def __init__(self, passwords: PersonPasswords, attempts: ConsoleAttempts, clock: Clock) -> None:
        self._passwords = passwords
        self._attempts = attempts
        self._clock = clock
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def prove(
        self, signed_in: SignedIn, password: Secret, client_address: str, *, field: str = "password"
    ) -> Proven:
        """Return who has given its password; whoever has none must have signed in a moment ago.

        Raises:
            RefusedError: it is another password, or was tried too often; names the field.
        """
        user = signed_in.user
        if not user.password_hash:
            if self._clock() - signed_in.session.created_at > RECENTLY_MS:
                raise RefusedError("Sign out and in again first: this changes how you prove who you are.")
            return Proven(signed_in)
        # One try at a time: many at once would all be looked at before the first of them is counted.
        async with self._turns.setdefault(user.id, asyncio.Lock()):
            await self._try(user, password, client_address, field)
        return Proven(signed_in)

    async def _try(self, user: User, password: Secret, client_address: str, field: str) -> None:
        until = await self._attempts.session_locked_until(user.email, client_address)
        if until is not None:
            minutes = math.ceil((until - self._clock()) / _MINUTE_MS)
            again = "a minute" if minutes <= 1 else f"{minutes} minutes"
            raise RefusedError(f"Too many wrong attempts: your password is taken again in {again}.", field=field)
        if not await self._passwords.matches(user.password_hash, password, client_address, is_known=True):
            await self._attempts.failed(user.email, client_address, in_session=True)
            raise RefusedError("This is not your password.", field=field)
