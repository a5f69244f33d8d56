"""Lock-outs as people see them: what is locked, since when and for whom, and letting it go."""

import msgspec

from postroad.accounts.smtp_user_changes import tried_username
from postroad.model.actor import Actor
from postroad.model.audit import entry_of
from postroad.model.credential import SmtpUser
from postroad.model.refused import MissingError
from postroad.net.clock import Clock
from postroad.policy.lockout import CREDENTIAL, client_subject, credential_subject
from postroad.policy.permission import require_change
from postroad.storage import lockouts
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.lockouts import Lockout, Selector

_MOST_SHOWN = 1_000


class Lockouts:
    """Shows and releases lock-outs: an account's are those of its own credentials, operators see networks too."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def all(self, actor: Actor, *, counting: bool = False) -> list[Lockout]:
        """Return what is locked now, and with ``counting`` what may be locked soon; what failed last comes first."""
        found = await self._search(actor, Selector(locked_at=None if counting else self._clock()))
        return [one for one in found if counting or self.is_locked(one)]

    async def of_users(self, actor: Actor) -> dict[str, Lockout]:
        """Return the locks that hold now by the name of the SMTP user that they are of."""
        found = await self._search(actor, Selector(scopes=(CREDENTIAL,), locked_at=self._clock()))
        return {one.subject: one for one in found if one.account_id is not None}

    def is_locked(self, lockout: Lockout) -> bool:
        """Whether the lock holds now."""
        return lockout.standing.is_locked(self._clock())

    async def release(self, actor: Actor, subject: str) -> list[Lockout]:
        """Forget the failures of an address, a network or a name; raises RefusedError. Workers follow within seconds."""
        wanted = client_subject(credential_subject(tried_username(subject)))
        found = await self._search(actor, Selector(subject=wanted))
        if not found:
            raise MissingError(f"There is no lock-out of {wanted}.", field="subject")
        for one in found:
            require_change(actor, one.account_id, f"lock-out of {wanted}")
        for one in found:
            await self._release(actor, one, one.account_id)
        return found

    async def unlock(self, actor: Actor, user: SmtpUser) -> Lockout:
        """Forget the failures at the name of an SMTP user; raises RefusedError."""
        require_change(actor, user.account_id, f"SMTP user {user.username}")
        found = await self._database.read(lockouts.get, CREDENTIAL, credential_subject(user.username))
        if found is None or not found.failures:
            raise MissingError(f"{user.username} is not locked.", field="username")
        await self._release(actor, found, user.account_id)
        return found

    async def _search(self, actor: Actor, selector: Selector) -> list[Lockout]:
        if not actor.sees(None):
            # What locks a network concerns everybody who is in it, and is the operator's to know.
            selector = msgspec.structs.replace(selector, account_id=actor.account_id, scopes=(CREDENTIAL,))
        return await self._database.read(lockouts.search, selector, _MOST_SHOWN)

    async def _release(self, actor: Actor, one: Lockout, account_id: int | None) -> None:
        now = self._clock()
        before = {"failures": one.failures, "times_locked": one.times_locked, "locked_until": one.locked_until}
        target = f"{one.scope} {one.subject}"
        entry = entry_of(actor, "lockout.released", target, at=now, account_id=account_id, before=before)
        await self._database.write(recorded, entry, lockouts.release, [(one.scope, one.subject)], now)
