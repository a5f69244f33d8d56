"""What our own API does most, on PostgreSQL: the same as on SQLite."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from postroad.accounts.api_keys import ApiKeys
from postroad.model.domain import SendingDomain
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from tests.storage.samples import Place

from .own_api import Caller
from .services import NOW
from .test_postroad import auth, client
from .test_postroad import test_a_message_is_stored_with_its_options as stores
from .test_postroad import test_a_scheduled_message_is_shown_and_taken_back as takes_back
from .test_postroad import test_the_same_call_with_the_same_key_is_answered_as_before as repeats
from .test_postroad_dry_run import Looking
from .test_postroad_dry_run import test_quotas_and_pauses_are_told_and_nothing_is_counted as looks

__all__ = ["auth", "client"]


@pytest.fixture
async def database(postgres_place: Place) -> AsyncIterator[Database]:
    opened = await open_database(
        postgres_place.url, data_dir=postgres_place.data_dir, clock=lambda: NOW, read_connections=1
    )
    yield opened
    await opened.close()


async def test_a_nul_is_refused_and_not_taken_for_storage_that_is_away(own: Caller, domain: SendingDomain) -> None:
    assert await own.refused(422, "POST", "/domains", {"name": "a\0b.example"}) == ["name"]
    entries = [{"address": "e@x.example", "tag": "a\0b", "reason": "a\0b"}]
    body = {"domain": domain.name, "kind": "unsubscribe", "entries": entries}
    assert await own.refused(422, "POST", "/suppressions", body) == ["entries.0.tag"]


async def test_it_sends_takes_back_repeats_and_looks(
    client: httpx2.AsyncClient, auth: dict[str, str], keys: ApiKeys, database: Database, domain: SendingDomain
) -> None:
    await stores(client, auth, database)
    await takes_back(client, auth, keys, database)
    await repeats(client, auth, database, domain)
    await looks(Looking(client, auth, database), database, domain)
