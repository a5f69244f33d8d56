"""Tells the admins of an account by mail that strangers, or their own programs, have locked one of its SMTP users."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from postroad.accounts.admin_notices import AdminNotices
from postroad.accounts.notices import Notices
from postroad.policy.lockout import CREDENTIAL
from postroad.storage.database import Database
from postroad.storage.lockouts import Lockout


class LockoutNotices:
    """Writes to the admins once per lock; locks of one account that fall together are one mail."""

    def __init__(self, database: Database, notices: Notices) -> None:
        self._admins = AdminNotices(database, notices)

    async def locked(self, found: Sequence[Lockout]) -> None:
        """Write to those whose credentials were locked; networks and names that nobody has concern no account."""
        by_account: defaultdict[int, list[Lockout]] = defaultdict(list)
        for one in found:
            if one.scope == CREDENTIAL and one.account_id is not None:
                by_account[one.account_id].append(one)
        for account_id, locked in by_account.items():
            await self._admins.send(account_id, subject=_subject(locked), text=_text(locked))


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
