"""The HTTP APIs over a real database with one account and one sending domain, and programs that call them."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from prometheus_client import CollectorRegistry

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.accounts.settings import AccountsSettings
from postroad.httpd.api.app import api_app
from postroad.model.actor import SYSTEM
from postroad.model.domain import DomainState, SendingDomain
from postroad.storage import accounts, domains
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.telemetry.metrics import Meter

from .own_api import Caller
from .services import api_services

NOW = 1_780_000_000_000


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    shutil.copy(migrated_file, tmp_path)
    opened = await open_database("", data_dir=tmp_path, clock=lambda: NOW, read_connections=1)
    yield opened
    await opened.close()


@pytest.fixture
async def domain(database: Database) -> SendingDomain:
    account = await database.write(accounts.add, "acme", NOW)
    wanted = SendingDomain(
        id=0, account_id=account.id, name="news.example.com", state=DomainState.ACTIVE, created_at=NOW
    )
    return await database.write(domains.add, wanted)


@pytest.fixture
def keys(database: Database) -> ApiKeys:
    return ApiKeys(database, lambda: NOW)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def check(database: Database, registry: CollectorRegistry) -> ApiKeyCheck:
    made = ApiKeyCheck(database, lambda: NOW, settings=AccountsSettings(), meter=Meter(registry))
    await made.refresh()
    return made


@asynccontextmanager
async def calling_from(check: ApiKeyCheck, address: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client whose calls come from an address."""
    app = api_app(api_services(check))
    transport = httpx2.ASGITransport(app=app, client=(address, 50000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://api.example.net") as client:
        yield client


@pytest.fixture
async def client(check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with a key of the account, as Mailgun's clients send it."""
    async with calling_from(check, "192.0.2.9") as made:
        made.auth = ("api", str((await keys.add_for_account(SYSTEM, domain.account_id)).text))
        yield made


@pytest.fixture
async def foreign(database: Database) -> SendingDomain:
    """A sending domain of another account."""
    other = await database.write(accounts.add, "other", NOW)
    wanted = SendingDomain(id=0, account_id=other.id, name="foreign.example", state=DomainState.ACTIVE, created_at=NOW)
    return await database.write(domains.add, wanted)


@pytest.fixture
async def stranger(check: ApiKeyCheck) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that sends no key."""
    async with calling_from(check, "192.0.2.9") as made:
        yield made


@pytest.fixture
async def own(stranger: httpx2.AsyncClient, keys: ApiKeys, domain: SendingDomain) -> Caller:
    """Calls of our own API with a key of the account."""
    return Caller(stranger, str((await keys.add_for_account(SYSTEM, domain.account_id)).text))


@pytest.fixture
async def own_of_domain(stranger: httpx2.AsyncClient, keys: ApiKeys, domain: SendingDomain) -> Caller:
    """Calls of our own API with a key of the sending domain."""
    return Caller(stranger, str((await keys.add_for_domain(SYSTEM, domain.name)).text))
