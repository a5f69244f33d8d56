"""A route that the operator adds holds for the node that runs, without a restart, and until it is removed."""

import pytest

from postroad.model.event import EventType
from tests.scenarios.world import World, host_of, last_event

pytestmark = pytest.mark.peer("nsd")


async def test_mail_that_waits_for_a_route_leaves_by_it(each_world: World) -> None:
    world, unknown = each_world, "nobody-knows.test"
    async with world.receiver(81) as relay:
        message = world.submit(f"a@{unknown}")
        world.product.run("route", "add", unknown, host_of(81), "--port", str(world.port))
        story = await world.finished(message)

    assert [one.recipients for one in relay.messages] == [[f"a@{unknown}"]]
    assert last_event(story, EventType.DELIVERED).data["site"] == f"{host_of(81)}:{world.port}"
