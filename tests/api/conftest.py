"""The HTTP APIs over a real database with one account and one sending domain, and programs that call them."""

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
from postroad.model.domain import DomainState, SendingDomain
from postroad.storage import accounts, domains
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.migrate import migrate
from postroad.telemetry.metrics import Meter

NOW = 1_780_000_000_000


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    migrate("", tmp_path)
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
    transport = httpx2.ASGITransport(app=api_app(check), client=(address, 50000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://api.example.net") as client:
        yield client
