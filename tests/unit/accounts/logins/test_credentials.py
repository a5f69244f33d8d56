"""A worker's view of the SMTP users keeps nothing of those that are gone or idle."""

import pytest

from postroad.accounts.logins.credentials import Credentials
from postroad.accounts.smtp_users import SmtpUsers
from postroad.model.actor import SYSTEM
from postroad.model.credential import Secret
from postroad.model.domain import SendingDomain
from postroad.storage.database import Database
from tests.unit.accounts.conftest import ManualClock

CLIENT = "192.0.2.1"


@pytest.fixture
def users(database: Database, clock: ManualClock, domain: SendingDomain) -> SmtpUsers:
    return SmtpUsers(database, clock)


async def _acts(credentials: Credentials, users: SmtpUsers, name: str) -> int:
    """Add a user that acts; returns its id."""
    await users.add(SYSTEM, name, password=Secret("Right-password"))
    known = await credentials.find(name)
    assert known is not None
    credentials.acts(known, CLIENT, over_tls=True)
    return known.user.id


async def test_a_removed_user_is_watched_no_longer(database: Database, clock: ManualClock, users: SmtpUsers) -> None:
    credentials = Credentials(database, clock)
    gone = await _acts(credentials, users, "gone@news.example.com")
    disabled = await _acts(credentials, users, "disabled@news.example.com")
    await users.disable(SYSTEM, disabled)
    await users.remove(SYSTEM, gone)
    await credentials.refresh()

    assert list(credentials._acted) == list(credentials._standing) == [disabled]


async def test_a_user_that_is_used_no_more_is_forgotten(
    database: Database, clock: ManualClock, users: SmtpUsers
) -> None:
    credentials = Credentials(database, clock)
    await _acts(credentials, users, "idle@news.example.com")
    clock.advance(60_000)
    busy = await _acts(credentials, users, "busy@news.example.com")
    await credentials.write_uses()

    assert list(credentials._touched) == [busy]
