"""Routes that the operator stores reach the rules of a worker that is running."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

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


async def test_a_running_worker_is_told_of_other_routes_and_of_nothing_else(database: Database) -> None:
    following = StoredRoutes(database, VAULT, CONFIGURED)
    told: list[RoutingRules] = []

    await database.write(accounts.add, "acme", 1)
    await following.tell(told.append)
    assert told == []

    await database.write(routes.add, VAULT, STORED)
    await following.tell(told.append)
    await database.write(accounts.add, "other", 1)
    await following.tell(told.append)
    await database.write(routes.remove, STORED.destination)
    await following.tell(told.append)

    assert told == [RoutingRules(rules=(*CONFIGURED.rules, RULE)), CONFIGURED]
