"""What becomes of mail for destinations that DNS says no good of."""

import pytest

from postroad.model.event import EventType
from tests.scenarios.world import FIELD, World, last_event, only_delivery, outcomes

pytestmark = pytest.mark.peer("nsd")


@pytest.mark.parametrize(
    ("recipient", "status", "words"),
    [
        (f"a@nomail.{FIELD}", "5.1.10", "takes no mail"),
        (f"a@absent.{FIELD}", "5.1.2", "does not exist"),
        (f"a@nowhere.{FIELD}", "5.4.4", "no mail host"),
        (f"a@loop.{FIELD}", "5.4.6", "loops back"),
    ],
    ids=["null-mx", "no-such-domain", "host-without-address", "ourselves-first"],
)
async def test_it_is_bounced_at_once_with_the_reason(world: World, recipient: str, status: str, words: str) -> None:
    story = await world.finished(world.submit(recipient))

    assert outcomes(story)[:2] == [("accepted", None), ("bounced", status)]
    bounced = last_event(story, EventType.BOUNCED)
    assert words in bounced.data["reply"]
    assert bounced.data["phase"] == "dns"


async def test_only_hosts_better_than_ourselves_are_tried(world: World) -> None:
    async with world.receiver(26) as better:
        await world.finished(world.submit(f"a@before.{FIELD}"))

    assert len(better.messages) == 1


async def test_a_name_server_in_trouble_defers(postgres_world: World) -> None:
    message = postgres_world.submit("a@broken.test")
    story = await postgres_world.story_when(message, lambda story: only_delivery(story).attempts > 0)

    deferred = last_event(story, EventType.DEFERRED)
    assert deferred.data["enhanced_status"] == "4.4.3"
    assert "SERVFAIL" in deferred.data["reply"]
    assert only_delivery(story).state.value in {"scheduled", "leased"}
