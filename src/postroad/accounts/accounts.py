"""Accounts: the customers of an installation."""

import re

from postroad.model.account import Account
from postroad.model.refused import RefusedError
from postroad.net.clock import Clock
from postroad.storage import accounts
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

    async def add(self, name: str) -> Account:
        """Add an account; raises RefusedError."""
        if _NAME.fullmatch(name) is None:
            raise RefusedError(
                f"{name!r} is not a name for an account: 1 to 64 lower-case letters, digits, dots, hyphens and "
                "underscores, with a letter or digit at both ends."
            )
        try:
            return await self._database.write(accounts.add, name, self._clock())
        except Conflict as error:
            raise RefusedError(f"There is an account {name} already.") from error

    async def ensure_default(self) -> Account:
        """Return the first account, made now where the installation has none."""
        existing = await self.all()
        if existing:
            return existing[0]
        try:
            return await self.add(DEFAULT_ACCOUNT)
        except RefusedError:
            # Another node was quicker.
            return (await self.all())[0]

    async def all(self) -> list[Account]:
        """Return every account, oldest first."""
        return await self._database.read(accounts.list_all)

    async def find(self, name: str | None) -> Account:
        """Return an account by its name, without a name the default or only one; raises RefusedError."""
        existing = await self.all()
        wanted = DEFAULT_ACCOUNT if name is None else name
        for account in existing:
            if account.name == wanted:
                return account
        if name is not None:
            raise RefusedError(f"There is no account {name}.")
        if len(existing) != 1:
            raise RefusedError("Name the account with --account: `postroad account list` shows them.")
        return existing[0]

    async def suspend(self, name: str) -> Account:
        """Refuse an account's log-ins from now on; raises RefusedError."""
        return await self._set_suspended(name, self._clock())

    async def resume(self, name: str) -> Account:
        """Let a suspended account log in again; raises RefusedError."""
        return await self._set_suspended(name, None)

    async def _set_suspended(self, name: str, at: int | None) -> Account:
        account = await self.find(name)
        await self._database.write(accounts.set_suspended, account.id, at)
        return await self.find(name)
