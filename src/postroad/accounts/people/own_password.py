"""The password once more, before somebody who is signed in changes what proves it.

A session may be a browser that was left open, or stolen: what it can do must end with it, and not open a way in that stays.
"""

import msgspec

from postroad.accounts.people.console_attempts import ConsoleAttempts
from postroad.accounts.people.person_passwords import PersonPasswords
from postroad.accounts.people.sessions import SignedIn
from postroad.model.credential import Secret
from postroad.model.refused import RefusedError
from postroad.net.clock import Clock

RECENTLY_MS = 10 * 60_000
"""How long after signing in somebody without a password counts as proven."""


class Proven(msgspec.Struct, frozen=True):
    """Somebody who is signed in and has proven just now that it is the same person still."""

    signed_in: SignedIn


class OwnPassword:
    """Asks people who are signed in for their password again; what is wrong counts as at the sign-in page."""

    def __init__(self, passwords: PersonPasswords, attempts: ConsoleAttempts, clock: Clock) -> None:
        self._passwords = passwords
        self._attempts = attempts
        self._clock = clock

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
        if await self._attempts.locked_until(user.email, client_address) is not None:
            raise RefusedError("Too many wrong attempts: try again later.", field=field)
        if not await self._passwords.matches(user.password_hash, password):
            await self._attempts.failed(user.email, client_address)
            raise RefusedError("This is not your password.", field=field)
        return Proven(signed_in)
