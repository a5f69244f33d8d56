"""A host says 4xx first and takes the mail on a later try; one that never does gets it no more after the expiry."""

from collections.abc import Iterator

import pytest

from postroad.model.event import EventType
from tests.scenarios.world import FIELD, World, destination, last_event, only_delivery, running_world

pytestmark = pytest.mark.peer("nsd")

GREYLISTED = "450 4.7.1 Greylisted, please retry"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A node that gives up after three seconds."""
    settings = {"submission": {"expires_after_s": 3}}
    with running_world(tmp_path_factory.mktemp("hasty"), settings=settings) as running:
        yield running


async def test_the_mail_is_tried_again_and_each_attempt_told(world: World) -> None:
    async with world.receiver(34, replies={"RCPT": [GREYLISTED, GREYLISTED]}) as host:
        story = await world.finished(world.submit(f"a@{destination(34)}"))

    told = [
        (event.type.value, event.data.get("attempt"), event.data.get("enhanced_status"), event.data.get("phase"))
        for event in story.events
    ]
    assert told == [
        ("accepted", None, None, None),
        ("deferred", 1, "4.7.1", "rcpt"),
        ("deferred", 2, "4.7.1", "rcpt"),
        ("delivered", 3, "2.0.0", "final_dot"),
    ]
    assert last_event(story, EventType.DEFERRED).data["reply"] == GREYLISTED
    assert len(host.messages) == 1


async def test_mail_that_is_never_taken_is_bounced_with_the_last_reply(hasty: World) -> None:
    async with hasty.receiver(35, replies={"RCPT": lambda _line: "452 4.2.2 Mailbox full"}) as host:
        story = await hasty.finished(hasty.submit(f"a@{destination(35)}"))

    bounced = last_event(story, EventType.BOUNCED)
    assert bounced.data["enhanced_status"] == "4.4.7"
    assert "452 4.2.2 Mailbox full" in bounced.data["reply"]
    assert bounced.data["bounce_class"] == "quota"
    assert only_delivery(story).attempts == bounced.data["attempt"] >= 3
    assert host.messages == []


async def test_mail_for_a_dead_host_is_bounced_in_time_too(hasty: World) -> None:
    story = await hasty.finished(hasty.submit(f"a@{destination(36)}"), timeout_s=30)

    bounced = last_event(story, EventType.BOUNCED)
    assert bounced.data["enhanced_status"] == "4.4.7"
    assert "refused" in bounced.data["reply"]
    assert bounced.at - only_delivery(story).accepted_at < 20_000


async def test_mail_whose_domain_cannot_be_looked_up_is_bounced_in_time(hasty: World) -> None:
    hasty_unknown = f"a@unserved.{FIELD.removesuffix('.test')}.invalid"
    story = await hasty.finished(hasty.submit(hasty_unknown), timeout_s=30)

    # NSD refuses questions about zones that it does not serve.
    assert last_event(story, EventType.BOUNCED).data["enhanced_status"] == "4.4.7"
