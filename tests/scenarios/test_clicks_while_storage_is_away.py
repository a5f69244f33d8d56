"""Storage stops while people click: they are led on all the same, and what they did is told of once it is back."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroad.model.event import EventType
from tests.peers.postgres import PostgresDatabase
from tests.scenarios.test_recipient_responds import HOST, LINK, ask, message, parts_of
from tests.scenarios.test_storage_is_lost_and_found import server
from tests.scenarios.world import World, destination, running_world

__all__ = ["server"]

pytestmark = pytest.mark.peer("nsd")

EVE = f"eve@{destination(99)}"


@pytest.fixture
def shaken(tmp_path: Path, server: PostgresDatabase) -> Iterator[World]:
    with running_world(tmp_path, database_url=server.url, settings={"tracking": {"host": HOST}}) as running:
        yield running


async def test_links_lead_on_and_nobody_is_told_to_be_unsubscribed(shaken: World, server: PostgresDatabase) -> None:
    world = shaken
    async with world.receiver(99) as host:
        message_id = world.submit(EVE, content=message(EVE))
        await world.finished(message_id)
    _, text, html = parts_of(host.messages[0].content)
    clicked = next(one[0] for one in LINK.finditer(html) if one[1] == "c")
    left = LINK.search(text)
    assert left is not None
    command = Path(f"/proc/{server.pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    owner = Path(f"/proc/{server.pid}").stat().st_uid
    os.kill(server.pid, signal.SIGINT)
    await _until(lambda: not Path(f"/proc/{server.pid}").exists())

    replies = [await asyncio.to_thread(ask, world, clicked) for _ in range(30)]
    refused = await asyncio.to_thread(ask, world, left[0], "POST", "List-Unsubscribe=One-Click")

    assert {(one.status, one.getheader("Location")) for one in replies} == {
        (302, "https://shop.example/%C3%BC?a=1&b=%26#part")
    }
    assert refused.status == 503
    # Longer than hits wait, so that writing them was tried in vain.
    await asyncio.sleep(6)
    again = subprocess.Popen(command, user=owner, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await _until(lambda: _is_back(world, left[0]))
        story = await world.story_when(message_id, lambda story: len(_of(story.events, EventType.CLICKED)) == 30)
    finally:
        again.send_signal(signal.SIGINT)
        await asyncio.to_thread(again.wait, 20)
    assert len(_of(story.events, EventType.UNSUBSCRIBED)) == 1


def _is_back(world: World, link: str) -> bool:
    return ask(world, link, "POST", "List-Unsubscribe=One-Click").status == 200


def _of(events: object, kind: EventType) -> list[object]:
    assert isinstance(events, list | tuple)
    return [one for one in events if one.type is kind]


async def _until(condition: object, timeout_s: float = 30) -> None:
    assert callable(condition)
    async with asyncio.timeout(timeout_s):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.1)
