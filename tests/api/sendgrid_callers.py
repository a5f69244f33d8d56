"""Who calls SendGrid's API in tests, and what there is beside the caller's own."""

from collections.abc import AsyncIterator

import httpx2
import msgspec
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.httpd.api.app import api_app
from postroad.model.actor import SYSTEM
from postroad.model.domain import DomainState, SendingDomain
from postroad.storage import accounts, domains
from postroad.storage.database import Database

from .services import NOW, api_services


@pytest.fixture
async def client(check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain) -> AsyncIterator[httpx2.AsyncClient]:
    """Calls with a key of the account."""
    key = (await keys.add_for_account(SYSTEM, domain.account_id)).text
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=api_app(api_services(check)), raise_app_exceptions=False),
        base_url="http://api.example.net",
        headers={"Authorization": f"Bearer {key}"},
    ) as made:
        yield made


@pytest.fixture
async def sending(keys: ApiKeys, domain: SendingDomain) -> dict[str, str]:
    """The header of a key of one domain."""
    return {"Authorization": f"Bearer {(await keys.add_for_domain(SYSTEM, domain.name)).text}"}


@pytest.fixture
async def other(database: Database, domain: SendingDomain) -> SendingDomain:
    """Another domain of the same account."""
    return await database.write(domains.add, msgspec.structs.replace(domain, id=0, name="shop.example.com"))


@pytest.fixture
async def foreign(database: Database) -> SendingDomain:
    """A domain of another account."""
    account = await database.write(accounts.add, "rival", NOW)
    wanted = SendingDomain(id=0, account_id=account.id, name="rival.example", state=DomainState.ACTIVE, created_at=NOW)
    return await database.write(domains.add, wanted)
