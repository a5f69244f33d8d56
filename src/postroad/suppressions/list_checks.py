"""Lists of addresses that are checked in the background: taken in, looked at and removed."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

from postroad.model.actor import Actor
from postroad.model.address_check import AddressCheck
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.list_check import ListCheck
from postroad.model.refused import MissingError, RefusedError
from postroad.net.clock import Clock
from postroad.policy.list_check_csv import addresses_in
from postroad.policy.permission import require_change, require_sight
from postroad.policy.suppression_csv import ListError
from postroad.storage import audit, list_checks
from postroad.storage.database import Database

MOST_OF_ACCOUNT = 50
"""Lists that are kept of an account, finished ones included."""
MOST_WAITING = 5
"""Lists of an account that are not finished."""
PART = 100
"""Addresses that are checked, and written, at a time."""
_MOST_NAME = 200
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,128}")


class ListChecks:
    """Takes lists in and tells of them; what is not the actor's account's does not exist for them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(
        self,
        actor: Actor,
        account_id: int,
        name: str,
        octets: bytes,
        file_name: str,
        *,
        domain_id: int | None = None,
    ) -> ListCheck:
        """Store a list that is to be checked.

        Args:
            actor: Who asks.
            account_id: Whose list it is, and whose earlier mail is looked at.
            name: What the account calls it by; each only once.
            octets: The list as CSV.
            file_name: What the file is called, for people.
            domain_id: Only the mail of this sending domain of the account is looked at.

        Raises RefusedError where it cannot be a list, its name is taken, or there are too many.
        """
        require_change(actor, account_id, "such account")
        if not _NAME.fullmatch(name):
            raise RefusedError("A list has a name of 1 to 128 letters, digits and any of . _ @ -", field="name")
        # Asked again when it is stored; a list that is refused need not be read.
        _require_room(*await self._database.read(list_checks.numbers_of, account_id))
        try:
            addresses = await asyncio.to_thread(addresses_in, octets)
        except ListError as error:
            raise RefusedError(f"{error}.", field="file") from error
        parts = [addresses[start : start + PART] for start in range(0, len(addresses), PART)]
        now = self._clock()
        new = ListCheck(
            id=0,
            account_id=account_id,
            domain_id=domain_id,
            name=name,
            file_name=file_name[:_MOST_NAME],
            created_by=actor.name,
            created_at=now,
            updated_at=now,
            total=len(addresses),
            parts=len(parts),
        )
        entry = _audited(actor, "list_check.begun", new, now, after={"addresses": len(addresses)})
        stored = await self._database.write(_added, new, parts, entry)
        if stored is None:
            raise RefusedError(f"There is a list {name} already: remove it first, or take another name.", field="name")
        return stored

    async def of_account(self, actor: Actor, account_id: int) -> list[ListCheck]:
        """Return all lists of an account, the latest first."""
        require_sight(actor, account_id, "such account")
        return await self._database.read(list_checks.of_account, account_id, MOST_OF_ACCOUNT)

    async def get(self, actor: Actor, list_id: int) -> ListCheck:
        """Return a list; raises MissingError."""
        return _seen(actor, await self._database.read(list_checks.get, list_id))

    async def named(self, actor: Actor, account_id: int, name: str) -> ListCheck:
        """Return an account's list of a name; raises MissingError."""
        return _seen(actor, await self._database.read(list_checks.by_name, account_id, name))

    async def results(self, one: ListCheck) -> AsyncIterator[tuple[AddressCheck, ...]]:
        """Return what the checks of a list came to, in its order, some at a time."""
        for number in range(one.parts_done):
            yield await self._database.read(list_checks.results, one.id, number)

    async def remove(self, actor: Actor, one: ListCheck) -> None:
        """Remove a list with what was found; one that is being checked ends."""
        require_change(actor, one.account_id, "such list")
        entry = _audited(actor, "list_check.removed", one, self._clock(), before={"addresses": one.total})
        if not await self._database.write(_removed, one.id, entry):
            raise MissingError("There is no such list.")


def _require_room(total: int, waiting: int) -> None:
    if total >= MOST_OF_ACCOUNT:
        raise RefusedError(f"An account has at most {MOST_OF_ACCOUNT} lists: remove one first.", field="file")
    if waiting >= MOST_WAITING:
        raise RefusedError(f"{waiting} lists are being checked already: try again when one is done.", field="file")


def _seen(actor: Actor, found: ListCheck | None) -> ListCheck:
    if found is None:
        raise MissingError("There is no such list.")
    require_sight(actor, found.account_id, "such list")
    return found


def _added(connection: Any, new: ListCheck, parts: Sequence[Sequence[str]], entry: AuditEntry) -> ListCheck | None:
    # Several may be uploaded at once.
    list_checks.lock(connection, new.account_id)
    _require_room(*list_checks.numbers_of(connection, new.account_id))
    stored = list_checks.add(connection, new, parts)
    if stored is not None:
        audit.record(connection, entry)
    return stored


def _removed(connection: Any, list_id: int, entry: AuditEntry) -> bool:
    if not list_checks.remove(connection, list_id):
        return False
    audit.record(connection, entry)
    return True


def _audited(actor: Actor, action: str, one: ListCheck, at: int, **values: Any) -> AuditEntry:
    return entry_of(actor, action, one.name, at=at, account_id=one.account_id, **values)
