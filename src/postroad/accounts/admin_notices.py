"""Notices to whoever administers an account."""

import structlog

from postroad.accounts.notices import Notices
from postroad.model.user import Role
from postroad.storage import memberships, users
from postroad.storage.database import Database
from postroad.storage.errors import StorageError

log = structlog.get_logger()


class AdminNotices:
    """Writes to the admins of an account that may sign in."""

    def __init__(self, database: Database, notices: Notices) -> None:
        self._database = database
        self._notices = notices

    async def send(self, account_id: int, *, subject: str, text: str) -> None:
        """Mail a notice to each of them; never raises."""
        try:
            admins = await self._admins(account_id)
        except StorageError as error:
            log.warning("admins_not_told", account_id=account_id, subject=subject, why=str(error))
            return
        for email in admins:
            await self._notices.send(to=email, subject=subject, text=text)

    async def _admins(self, account_id: int) -> list[str]:
        members = await self._database.read(memberships.of_account, account_id)
        people = [await self._database.read(users.get, one.user_id) for one in members if one.role is Role.ADMIN]
        return [person.email for person in people if person is not None and person.disabled_at is None]
