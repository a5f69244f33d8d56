"""Which host gets the mail: by preference, past one that refuses connections, over aliases, or the domain itself."""

import pytest

from postroad.model.event import EventType
from tests.scenarios.world import FIELD, World, destination, last_event, only_delivery

pytestmark = pytest.mark.peer("nsd")


async def test_the_preferred_host_gets_the_mail_and_the_other_nothing(world: World) -> None:
    async with world.receiver(21) as preferred, world.receiver(22) as other:
        story = await world.finished(world.submit(f"a@ranked.{FIELD}"))

    delivered = last_event(story, EventType.DELIVERED)
    assert (len(preferred.messages), other.connections) == (1, 0)
    assert (delivered.data["host"], delivered.data["host_address"]) == (f"mx21.{FIELD}", "127.0.0.21")
    assert delivered.data["source_address"] == preferred.peers[0][0]


async def test_a_host_that_refuses_connections_is_passed_over_within_the_attempt(world: World) -> None:
    async with world.receiver(20) as second:
        story = await world.finished(world.submit(f"a@fallback.{FIELD}"))

    assert only_delivery(story).attempts == 1
    assert last_event(story, EventType.DELIVERED).data["host"] == f"mx20.{FIELD}"
    assert [one.recipients for one in second.messages] == [[f"a@fallback.{FIELD}"]]


async def test_a_host_that_refuses_in_its_greeting_is_passed_over_too(world: World) -> None:
    async with world.receiver(21, replies={"CONNECT": "554 5.3.2 Not today"}), world.receiver(22) as other:
        story = await world.finished(world.submit(f"a@ranked.{FIELD}"))

    assert only_delivery(story).attempts == 1
    assert len(other.messages) == 1


async def test_a_domain_without_mx_is_its_own_host(world: World) -> None:
    async with world.receiver(24) as itself:
        story = await world.finished(world.submit(f"a@implicit.{FIELD}"))

    assert last_event(story, EventType.DELIVERED).data["host"] == f"implicit.{FIELD}"
    assert len(itself.messages) == 1


async def test_an_alias_is_followed_and_the_recipient_stays_as_it_was_written(world: World) -> None:
    async with world.receiver(25) as host:
        await world.finished(world.submit(f"a@aliased.{FIELD}"))

    assert [one.recipients for one in host.messages] == [[f"a@aliased.{FIELD}"]]


async def test_an_address_literal_needs_no_name(world: World) -> None:
    async with world.receiver(27) as host:
        await world.finished(world.submit("a@[127.0.0.27]"))

    assert [one.recipients for one in host.messages] == [["a@[127.0.0.27]"]]


async def test_where_every_host_refuses_the_mail_waits_and_arrives_later(world: World) -> None:
    message = world.submit(f"a@{destination(28)}")
    deferred = await world.story_when(message, lambda story: only_delivery(story).attempts > 0)
    async with world.receiver(28) as host:
        story = await world.finished(message)

    first = last_event(deferred, EventType.DEFERRED).data
    assert (first["phase"], first["enhanced_status"], first["host"]) == ("connect", "4.4.1", f"mx28.{FIELD}")
    assert len(host.messages) == 1
    assert (story.events[0].type, story.events[-1].type) == (EventType.ACCEPTED, EventType.DELIVERED)
