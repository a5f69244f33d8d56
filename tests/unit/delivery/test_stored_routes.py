"""Routes that the operator stores reach the rules of a worker that is running."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from postroad.delivery import stored_routes
from postroad.delivery.stored_routes import StoredRoutes
from postroad.model.route import TlsRule
from postroad.policy.routing import RouteRule, RoutingRules
from postroad.storage import accounts, routes
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.routes import StoredRoute
from postroad.storage.secrets import Vault

VAULT = Vault(bytes(32))
CONFIGURED = RoutingRules(rules=(RouteRule(pattern="*", host="relay.test"),))
STORED = StoredRoute(destination="dest.test", host="mx.test", port=26, tls_rule=TlsRule.ENCRYPT, created_at=1)
RULE = RouteRule(pattern="dest.test", host="mx.test", port=26, tls_rule=TlsRule.ENCRYPT)


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    shutil.copy(migrated_file, tmp_path)
    opened = await open_database("", data_dir=tmp_path, clock=lambda: 1, read_connections=1)
    yield opened
    await opened.close()


async def test_stored_routes_join_the_configured_ones(database: Database) -> None:
    await database.write(routes.add, VAULT, STORED)

    rules = await StoredRoutes(database, VAULT, CONFIGURED).changed()

    assert rules == RoutingRules(rules=(*CONFIGURED.rules, RULE))


async def test_nothing_is_read_while_the_control_plane_stands_still(database: Database) -> None:
    following = StoredRoutes(database, VAULT, CONFIGURED)
    await following.changed()

    assert await following.changed() is None
    await database.write(routes.add, VAULT, STORED)
    assert await following.changed() is not None


async def test_a_running_worker_is_told_of_other_routes_and_of_nothing_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_routes, "_LOOK_S", 0.01)
    following = StoredRoutes(database, VAULT, CONFIGURED)
    told: asyncio.Queue[RoutingRules] = asyncio.Queue()
    telling = asyncio.create_task(following.keep_telling(told.put_nowait, CONFIGURED))

    await database.write(accounts.add, "acme", 1)
    await database.write(routes.add, VAULT, STORED)
    added = await asyncio.wait_for(told.get(), 5)
    await database.write(routes.remove, STORED.destination)
    removed = await asyncio.wait_for(told.get(), 5)
    telling.cancel()

    assert added.rules == (*CONFIGURED.rules, RULE)
    assert removed == CONFIGURED
    assert told.empty()
