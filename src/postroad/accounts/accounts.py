"""Accounts: the customers of an installation."""

import re

from postroad.model.account import Account
from postroad.model.actor import Actor
from postroad.model.audit import entry_of
from postroad.model.refused import MissingError, RefusedError
from postroad.net.clock import Clock
from postroad.policy.permission import require_operator
from postroad.storage import accounts
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.errors import Conflict

DEFAULT_ACCOUNT = "default"
"""The account an installation starts with."""
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


class Accounts:
    """Adds, finds and suspends accounts."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, actor: Actor, name: str) -> Account:
        """Add an account; raises RefusedError."""
        require_operator(actor)
        if _NAME.fullmatch(name) is None:
            raise RefusedError(
                f"{name!r} is not a name for an account: 1 to 64 lower-case letters, digits, dots, hyphens and "
                "underscores, with a letter or digit at both ends.",
                field="name",
            )
        now = self._clock()
        entry = entry_of(actor, "account.added", name, at=now, account_id=None, after={"name": name})
        try:
            return await self._database.write(recorded, entry, accounts.add, name, now)
        except Conflict as error:
            raise RefusedError(f"There is an account {name} already.", field="name") from error

    async def ensure_default(self, actor: Actor) -> Account:
        """Return the first account, made now where the installation has none."""
        existing = await self.all(actor)
        if existing:
            return existing[0]
        try:
            return await self.add(actor, DEFAULT_ACCOUNT)
        except RefusedError:
            # Another node was quicker.
            return (await self.all(actor))[0]

    async def all(self, actor: Actor) -> list[Account]:
        """Return every account that the actor may act in, oldest first."""
        existing = await self._database.read(accounts.list_all)
        return [one for one in existing if actor.is_operator or actor.sees(one.id)]

    async def find(self, actor: Actor, name: str | None) -> Account:
        """Return an account by its name, without a name the default or only one; raises RefusedError."""
        existing = await self.all(actor)
        wanted = DEFAULT_ACCOUNT if name is None else name
        for account in existing:
            if account.name == wanted:
                return account
        if name is not None:
            raise MissingError(f"There is no account {name}.", field="account")
        if len(existing) != 1:
            raise RefusedError("Name the account with --account: `postroad account list` shows them.", field="account")
        return existing[0]

    async def suspend(self, actor: Actor, name: str) -> Account:
        """Refuse an account's log-ins and next messages from now on; raises RefusedError."""
        return await self._set_suspended(actor, name, self._clock())

    async def resume(self, actor: Actor, name: str) -> Account:
        """Let a suspended account go on; raises RefusedError."""
        return await self._set_suspended(actor, name, None)

    async def _set_suspended(self, actor: Actor, name: str, at: int | None) -> Account:
        account = await self.find(actor, name)
        require_operator(actor)
        if (account.suspended_at is None) == (at is None):
            return account
        action = "account.resumed" if at is None else "account.suspended"
        entry = entry_of(actor, action, account.name, at=self._clock(), account_id=account.id)
        await self._database.write(recorded, entry, accounts.set_suspended, account.id, at)
        return await self.find(actor, name)
