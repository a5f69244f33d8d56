"""Tells the admins of an account by mail that strangers, or their own programs, have locked one of its SMTP users."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from postroad.accounts.notices import Notices
from postroad.model.user import Role
from postroad.policy.lockout import CREDENTIAL
from postroad.storage import memberships, users
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.lockouts import Lockout

log = structlog.get_logger()


class LockoutNotices:
    """Writes to the admins once per lock; locks of one account that fall together are one mail."""

    def __init__(self, database: Database, notices: Notices) -> None:
        self._database = database
        self._notices = notices

    async def locked(self, found: Sequence[Lockout]) -> None:
        """Write to those whose credentials were locked; networks and names that nobody has concern no account."""
        by_account: defaultdict[int, list[Lockout]] = defaultdict(list)
        for one in found:
            if one.scope == CREDENTIAL and one.account_id is not None:
                by_account[one.account_id].append(one)
        for account_id, locked in by_account.items():
            try:
                admins = await self._admins(account_id)
            except StorageError as error:
                log.warning("lockout_not_told", account_id=account_id, why=str(error))
                continue
            for email in admins:
                await self._notices.send(to=email, subject=_subject(locked), text=_text(locked))

    async def _admins(self, account_id: int) -> list[str]:
        members = await self._database.read(memberships.of_account, account_id)
        people = [await self._database.read(users.get, one.user_id) for one in members if one.role is Role.ADMIN]
        return [person.email for person in people if person is not None and person.disabled_at is None]


def _subject(locked: Sequence[Lockout]) -> str:
    if len(locked) == 1:
        return f"Too many failed log-ins: {locked[0].subject} is locked for a while"
    return f"Too many failed log-ins: {len(locked)} SMTP users are locked for a while"


def _text(locked: Sequence[Lockout]) -> str:
    lines = [
        "Log-ins by SMTP were tried with wrong passwords too often, so that these users are locked for a while:",
        "",
    ]
    for one in locked:
        until = datetime.fromtimestamp((one.locked_until or 0) / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
        lines.append(f"  {one.subject} until {until}; last tried from {one.last_address}")
    lines += [
        "",
        "Meanwhile further log-ins as them are answered with 454 4.7.0, whatever the password. Addresses from which they",
        "logged in well before are not affected.",
        "",
        "Are these your own programs? Then look at the password they are set up with. Are they strangers? Then nothing",
        "needs to be done; a user that may log in from your own networks only is out of their reach.",
        "",
        "An admin can release a lock in the console under Credentials, and an operator with",
        f"`postroad smtp-user unlock {locked[0].subject}`.",
    ]
    return "\n".join(lines) + "\n"
