"""The keys of tracked links and the destinations taken down, on each engine."""

import asyncio

import pytest

from postroad.feedback.takedown import Takedown
from postroad.model.actor import SYSTEM, Actor, ActorKind
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.model.user import Role
from postroad.storage import audit, blocked_destinations, revision, tracking_keys
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.storage.secrets import Vault
from tests.storage.samples import NOW

VAULT = Vault(b"m" * 32)
FIRST, SECOND = b"1" * 32, b"2" * 32


async def test_the_first_key_is_made_once(database: Database) -> None:
    made = await asyncio.gather(*(database.write(tracking_keys.ensure, VAULT, fresh, NOW) for fresh in (FIRST, SECOND)))

    assert made[0] == made[1]
    [key] = await database.read(tracking_keys.list_all, VAULT)
    assert (key.number, key.made_at) == (1, NOW)
    assert key.secret in {FIRST, SECOND}


async def test_further_keys_are_added_and_earlier_ones_kept(database: Database) -> None:
    await database.write(tracking_keys.ensure, VAULT, FIRST, NOW)
    before = await database.read(revision.current)
    await database.write(tracking_keys.add, VAULT, SECOND, NOW + 1)

    found = await database.read(tracking_keys.list_all, VAULT)
    assert [(key.number, key.made_at, key.secret) for key in found] == [(1, NOW, FIRST), (2, NOW + 1, SECOND)]
    assert await database.read(revision.current) > before


async def test_a_takedown_is_told_in_the_audit_log_and_moves_the_revision(database: Database) -> None:
    service = Takedown(database, lambda: NOW)
    before = await database.read(revision.current)
    await service.block(SYSTEM, "https://Evil.example/", "phishing")

    assert [(one.pattern, one.reason, one.created_at) for one in await service.all(SYSTEM)] == [
        ("evil.example", "phishing", NOW)
    ]
    with pytest.raises(RefusedError, match="already"):
        await service.block(SYSTEM, "evil.example")
    assert await service.unblock(SYSTEM, "EVIL.example") == "evil.example"
    with pytest.raises(MissingError, match="not blocked"):
        await service.unblock(SYSTEM, "evil.example")
    assert await database.read(blocked_destinations.list_all) == []
    entries = await database.read(audit.search, AuditSelector(action="destination"), 10)
    assert [one.action for one in entries] == ["destination.unblocked", "destination.blocked"]
    assert await database.read(revision.current) == before + 2


async def test_only_operators_take_destinations_down(database: Database) -> None:
    service = Takedown(database, lambda: NOW)
    admin = Actor(kind=ActorKind.USER, id=1, name="ann@example.com", account_id=1, role=Role.ADMIN)

    for attempt in (service.block(admin, "evil.example"), service.unblock(admin, "evil.example"), service.all(admin)):
        with pytest.raises(ForbiddenError):
            await attempt


async def test_what_is_no_destination_is_refused(database: Database) -> None:
    with pytest.raises(RefusedError, match="no dot in its host"):
        await Takedown(database, lambda: NOW).block(SYSTEM, "evil")
