"""Whether mail can be taken, as a node says it to who balances between several."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from postroad.httpd.health import admin_app
from postroad.node.status import NodeStatus, WorkerStatus
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from tests.storage.samples import NOW, Place


@pytest.fixture
async def database(place: Place) -> AsyncIterator[Database]:
    opened = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)
    yield opened
    await opened.close()


async def answer(status: NodeStatus | WorkerStatus) -> tuple[int, str]:
    transport = httpx2.ASGITransport(app=admin_app(status))
    async with httpx2.AsyncClient(transport=transport, base_url="http://node.example") as client:
        reply = await client.get("/readyz")
        return reply.status_code, reply.json()["storage"]


async def test_a_node_is_not_ready_while_its_disk_is_full(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = os.statvfs(tmp_path)
    status = WorkerStatus(database, (tmp_path,), lambda _: None)
    assert await answer(status) == (200, "ok")

    full = os.statvfs_result((4096, 4096, found.f_blocks, 700, 256, 0, 0, 0, 0, 255))
    monkeypatch.setattr("postroad.node.disk.os.statvfs", lambda _: full)
    told = f"the disk is full: 1 MB are free in {tmp_path}"
    assert await answer(status) == (503, told)
    assert await answer(NodeStatus((), database, (tmp_path,), tmp_path)) == (503, told)

    monkeypatch.undo()
    assert await answer(status) == (200, "ok")


async def test_a_node_whose_folder_is_gone_or_whose_database_is_away_says_so(
    database: Database, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    told = (503, f"{gone} cannot be looked at: No such file or directory")
    assert await answer(WorkerStatus(database, (gone,), lambda _: None)) == told

    await database.close()
    told = (503, "the database has been closed")
    assert await answer(WorkerStatus(database, (tmp_path,), lambda _: None)) == told
