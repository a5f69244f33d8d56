"""A worker's number: its signs of life, written and missed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from postroad.config import Settings
from postroad.net.clock import now_ms
from postroad.node import lease
from postroad.node.channel import Plan
from postroad.node.lease import leased_number
from postroad.storage import workers
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.errors import StorageUnavailable
from tests.storage.samples import NOW, Place

PLAN = Plan(settings=Settings(), slot=0, roles=("upkeep",), sockets={})


@pytest.fixture
async def database(place: Place) -> AsyncIterator[Database]:
    opened = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)
    yield opened
    await opened.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def away(*_: Any, **__: Any) -> None:
    raise StorageUnavailable("gone for a while")


async def test_signs_of_life_that_cannot_be_written_are_known_as_missed_until_they_can(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_HEARTBEAT_S", 0.01)
    write = database.write
    async with leased_number(database, PLAN) as held:
        pulse = held.pulse
        await until(lambda: pulse.steady_ms(now_ms()) > 50)
        monkeypatch.setattr(database, "write", away)
        await until(lambda: pulse.steady_ms(now_ms()) == 0)
        monkeypatch.setattr(database, "write", write)
        await until(lambda: pulse.steady_ms(now_ms()) > 0)
        [alive] = await database.read(workers.live, 0)
        assert (alive.number, alive.incarnation) == (held.number, held.incarnation)

    assert await database.read(workers.live, 0) == []


async def test_a_number_that_cannot_be_given_back_does_not_spoil_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_logs() as lines:
        async with leased_number(database, PLAN) as held:
            monkeypatch.setattr(database, "write", away)

    assert [(line["event"], line["incarnation"]) for line in lines] == [("worker_number_kept", held.incarnation)]
