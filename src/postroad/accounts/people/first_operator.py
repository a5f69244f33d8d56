"""The first operator: made at the first start, so that somebody can sign in at all."""

import structlog

from postroad.accounts.people.links import FIRST_MS, PASSWORD, SIGN_IN, Link, Links, one_time_token
from postroad.accounts.people.person_values import read_email
from postroad.model.actor import SYSTEM
from postroad.model.audit import entry_of
from postroad.model.user import User
from postroad.net.clock import Clock
from postroad.storage import one_time_tokens, people, users
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.errors import Conflict

log = structlog.get_logger()

_SIGN_IN_MS = 24 * 3_600_000


class FirstOperator:
    """Sees to it that the installation has an operator, and that it can come in."""

    def __init__(self, database: Database, clock: Clock, links: Links, *, email: str) -> None:
        self._database = database
        self._clock = clock
        self._links = links
        self._email = email

    async def ensure(self) -> User:
        """Return an operator, made now where the installation has none."""
        for one in await self._database.read(users.list_operators):
            if one.disabled_at is None:
                return one
        now = self._clock()
        wanted = User(id=0, account_id=None, email=read_email(self._email), is_operator=True, created_at=now)
        entry = entry_of(SYSTEM, "user.added", wanted.email, at=now, account_id=None, after={"role": "operator"})
        try:
            return await self._database.write(recorded, entry, people.add, wanted, None)
        except Conflict:
            # Another node was quicker, or the address is somebody's already.
            found = await self._database.read(users.list_operators)
            if not found:
                log.warning("no_operator_made", email=wanted.email, why="the address belongs to a user of an account")
                raise
            return found[0]

    async def password_link(self) -> Link | None:
        """Return a new link to choose the first operator's password, or None where an operator has one."""
        operator = await self.ensure()
        if any(one.password_hash for one in await self._database.read(users.list_operators)):
            return None
        made = one_time_token(PASSWORD, operator.id, now=self._clock(), valid_ms=FIRST_MS)
        await self._database.write(one_time_tokens.replace, *made.stored)
        return self._links.to_set_password(made.token, made.row.expires_at)

    async def sign_in_link(self) -> Link:
        """Return a new link that signs the operator in: for ``postroad dev``, whose data is nobody else's."""
        operator = await self.ensure()
        made = one_time_token(SIGN_IN, operator.id, now=self._clock(), valid_ms=_SIGN_IN_MS)
        await self._database.write(one_time_tokens.replace, *made.stored)
        return self._links.to_sign_in(made.token, made.row.expires_at)
