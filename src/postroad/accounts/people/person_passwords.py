"""Passwords of people: compared and hashed a few at a time, at one cost for every address that is tried."""

import secrets

from postroad.accounts.password_hashing import BusyError, NewPasswords, PasswordHasher, hash_password
from postroad.model.credential import Secret
from postroad.model.refused import RefusedError
from postroad.policy.lockout import client_subject
from postroad.policy.password import MAXIMUM_LENGTH, prepared
from postroad.policy.person import person_password_refusal

_THREADS = 1
"""People are few. The SMTP users' hashing is apart, so that a flood of theirs leaves the console usable."""
_BUSY = "Too many passwords are being checked at this moment: try again shortly."


class PersonPasswords:
    """Compares and hashes passwords off the event loop."""

    def __init__(self, queue: int, strangers_per_s: float) -> None:
        self._hasher = PasswordHasher(_THREADS, queue, strangers_per_s)
        self._new = NewPasswords(queue)
        # Nobody knows the password of this one: it gives unknown addresses the same cost as known ones.
        self._nobody = hash_password(Secret(secrets.token_urlsafe(32)))

    async def matches(self, stored: str, password: Secret, client_address: str, *, is_known: bool) -> bool:
        """Whether a password is the one whose stored form is given; nothing stored matches none, at the same cost.

        ``is_known``: the person is or was signed in from that client. Strangers wait for one another only, so that a
        flood of theirs leaves those who are known their turn.

        Raises:
            RefusedError: too many wait already.
        """
        given = prepared(password)
        if len(given) > MAXIMUM_LENGTH or not _is_text(given):
            given = Secret("")
        try:
            is_right = await self._hasher.matches(
                stored or self._nobody, given, client=client_subject(client_address), is_preferred=is_known
            )
        except BusyError as error:
            raise RefusedError(_BUSY) from error
        return is_right and bool(stored)

    async def hashed(self, password: Secret, email: str, *, field: str = "password") -> str:
        """Return the stored form of a new password of the person with this address.

        Raises:
            RefusedError: the password breaks the rule, or too many wait already.
        """
        refusal = person_password_refusal(password, email)
        if refusal is not None:
            raise RefusedError(refusal, field=field)
        try:
            return await self._new.hashed(prepared(password), chosen_by=email)
        except BusyError as error:
            raise RefusedError(_BUSY) from error

    def close(self) -> None:
        """End the hashing threads."""
        self._hasher.close()
        self._new.close()


def _is_text(password: str) -> bool:
    """Whether a password can be written in UTF-8: no stored one could not."""
    try:
        password.encode()
    except UnicodeEncodeError:
        return False
    return True
