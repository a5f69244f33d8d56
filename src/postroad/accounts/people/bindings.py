"""Who people are at OpenID providers: shown, and forgotten when somebody gets another account there."""

from postroad.model.actor import Actor
from postroad.model.audit import entry_of
from postroad.model.identity import Identity
from postroad.model.refused import MissingError
from postroad.model.user import User
from postroad.net.clock import Clock
from postroad.policy.permission import require_operator
from postroad.storage import identities, users
from postroad.storage.audit import recorded
from postroad.storage.database import Database


class Bindings:
    """Lists and forgets identities, for operators."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def person(self, actor: Actor, email: str) -> User:
        """Return a person by its address; raises MissingError."""
        require_operator(actor)
        address = email.strip().lower()
        user = await self._database.read(users.by_email, address)
        if user is None:
            raise MissingError(f"There is no user {address}.", field="email")
        return user

    async def of(self, actor: Actor, user: User) -> list[Identity]:
        """Return who a person is at providers, the first that was bound first."""
        require_operator(actor)
        return await self._database.read(identities.of_user, user.id)

    async def forget(self, actor: Actor, user: User) -> int:
        """Forget who a person is at providers; returns how many identities that were. Sessions stay as they are."""
        bound = await self.of(actor, user)
        before = {"identities": [f"{one.issuer} {one.subject}" for one in bound]}
        entry = entry_of(
            actor, "identity.forgotten", user.email, at=self._clock(), account_id=user.account_id, before=before
        )
        return await self._database.write(recorded, entry, identities.remove_of_user, user.id) if bound else 0
