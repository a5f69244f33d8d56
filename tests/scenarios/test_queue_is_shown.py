"""``postroad queue show`` beside a running node: what the table says, and what only a worker's memory knows."""

import asyncio

import pytest

from postroad.model.ids import text_of
from tests.scenarios.world import FIELD, World, destination, only_delivery

pytestmark = pytest.mark.peer("nsd")


async def shown(world: World, delivery_id: int) -> str:
    """Return why a delivery waits."""
    document = await asyncio.to_thread(world.product.run_json, "queue", "show", text_of(delivery_id))
    return "\n".join(document["why"])


def site_line(why: str) -> str:
    """Return the sentence about the limit of the site."""
    return next((line for line in why.splitlines() if "site " in line.lower() and "attempt" not in line), "")


async def test_a_delivery_under_way_says_so_and_with_which_worker(world: World) -> None:
    async with world.receiver(82, delays={"DOT": 4.0}):
        message = world.submit(f"a@{destination(82)}")
        story = await world.story_when(message, lambda _: True)
        why = await shown(world, only_delivery(story).id)
        await world.finished(message)

    assert "There it is under way at this moment." in why
    assert "holds it until" in why


async def test_the_limit_of_a_site_that_refuses_is_shown(world: World) -> None:
    message = world.submit(f"a@{destination(83)}")
    story = await world.story_when(message, lambda story: only_delivery(story).attempts > 0)
    deadline = asyncio.get_running_loop().time() + 15
    # Workers tell one another of limits on a round of a second.
    while f"mx83.{FIELD}" not in (why := site_line(await shown(world, only_delivery(story).id))):
        assert asyncio.get_running_loop().time() < deadline, why
    async with world.receiver(83):
        await world.finished(message)

    assert "default" in why
