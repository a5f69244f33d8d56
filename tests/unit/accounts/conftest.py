"""A real embedded database with one account and one sending domain."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postroad.model.account import Account
from postroad.model.domain import DomainState, SendingDomain
from postroad.storage import accounts, domains
from postroad.storage.database import Database
from postroad.storage.engine import open_database

if TYPE_CHECKING:
    from .console_world import ConsoleWorld


class ManualClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_780_000_000_000

    def __call__(self) -> int:
        return self.now

    def advance(self, ms: int) -> None:
        self.now += ms


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(tmp_path: Path, clock: ManualClock, migrated_file: Path) -> AsyncIterator[Database]:
    shutil.copy(migrated_file, tmp_path)
    opened = await open_database("", data_dir=tmp_path, clock=clock, read_connections=1)
    yield opened
    await opened.close()


@pytest.fixture
async def account(database: Database) -> Account:
    return await database.write(accounts.add, "acme", 1)


@pytest.fixture
async def domain(database: Database, account: Account) -> SendingDomain:
    wanted = SendingDomain(id=0, account_id=account.id, name="news.example.com", state=DomainState.ACTIVE, created_at=1)
    return await database.write(domains.add, wanted)


@pytest.fixture
def world(database: Database, clock: ManualClock, tmp_path: Path) -> Iterator["ConsoleWorld"]:
    from .console_world import ConsoleWorld

    made = ConsoleWorld(database, clock, tmp_path)
    yield made
    made.passwords.close()
