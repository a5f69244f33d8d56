"""An operator asks why mail waits, holds it, lets it go, hurries it and cancels it, while the node runs."""

from collections.abc import Iterator

import pytest

from postroad.model.delivery import DeliveryState
from postroad.model.event import EventType
from postroad.model.ids import text_of
from postroad.storage.messages import Story
from tests.scenarios.world import World, destination, only_delivery, running_world

pytestmark = pytest.mark.peer("nsd")


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A node that waits an hour before it tries again."""
    settings = {"delivery": {"retry_schedule": "1h", "queue": {"first_pause_s": 1}}}
    with running_world(tmp_path_factory.mktemp("patient"), settings=settings) as running:
        yield running


async def deferred(world: World, number: int) -> int:
    """Submit a message that its host wants later, and return its id once it waits."""
    async with world.receiver(number, replies={"RCPT": "450 4.2.1 Later, please"}):
        message = world.submit(f"a@{destination(number)}")
        await world.story_when(message, _waits_for_its_second_attempt)
    return message


def _waits_for_its_second_attempt(story: Story) -> bool:
    delivery = only_delivery(story)
    return delivery.attempts == 1 and delivery.state is DeliveryState.SCHEDULED


async def test_it_says_why_a_delivery_waits(patient: World) -> None:
    message = await deferred(patient, 90)
    delivery = only_delivery(await patient.story(message))
    shown = patient.product.run("queue", "show", text_of(delivery.id))
    told = patient.product.run("message", "show", text_of(message))

    assert "mx90.field.test: 450 4.2.1 Later, please" in shown
    assert "It is due" in shown
    assert "It is given up" in shown
    assert "deferred" in told
    assert "450 4.2.1" in told


async def test_it_is_hurried(patient: World) -> None:
    message = await deferred(patient, 91)
    async with patient.receiver(91) as host:
        done = patient.product.run_json("queue", "retry", "--destination", destination(91), "--yes")
        await patient.finished(message)

    assert done["changed"] == 1
    assert len(host.messages) == 1


async def test_it_is_held_and_let_go(patient: World) -> None:
    message = await deferred(patient, 92)
    held = patient.product.run_json("queue", "hold", "--destination", destination(92), "--yes")
    state = only_delivery(await patient.story(message)).state.value
    async with patient.receiver(92) as host:
        released = patient.product.run_json("queue", "release", "--destination", destination(92), "--yes")
        await patient.finished(message)

    assert (held["changed"], state, released["changed"]) == (1, "held", 1)
    assert len(host.messages) == 1


async def test_it_is_cancelled_and_nobody_is_told(patient: World) -> None:
    message = await deferred(patient, 93)
    cancelled = patient.product.run_json("queue", "cancel", "--message", text_of(message), "--yes")
    story = await patient.finished(message)

    assert cancelled["changed"] == 1
    assert story.events[-1].type is EventType.CANCELLED
    assert only_delivery(story).state.value == "cancelled"
