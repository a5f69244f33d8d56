"""Recipients of one message are followed each by itself; too many of them, or the same one twice, are dealt with."""

import pytest

from postroad.model.event import EventType
from postroad.model.ids import from_text
from tests.scenarios.product import USERNAME
from tests.scenarios.world import World, destination, last_event, letter, states

pytestmark = pytest.mark.peer("nsd")


async def test_the_others_get_their_mail(world: World) -> None:
    def reply_to(line: str) -> str | None:
        return "550 5.1.1 No such user" if "b@" in line else None

    names = [f"{name}@{destination(37)}" for name in "abc"]
    async with world.receiver(37, replies={"RCPT": reply_to}) as host:
        story = await world.finished(world.submit(*names))

    a, b, c = names
    assert states(story) == {a: "delivered", b: "bounced", c: "delivered"}
    assert sorted(recipient for one in host.messages for recipient in one.recipients) == [a, c]
    bounced = last_event(story, EventType.BOUNCED)
    assert (bounced.recipient, bounced.data["bounce_class"]) == (b, "bad-mailbox")
    assert len({one.reverse_path for one in host.messages}) == 2


async def test_a_refused_message_is_refused_for_everybody_who_got_that_answer(world: World) -> None:
    names = [f"{name}@{destination(38)}" for name in "ab"]
    async with world.receiver(38, replies={"DOT": lambda _line: "554 5.7.1 Spam"}) as host:
        story = await world.finished(world.submit(*names))

    assert set(states(story).values()) == {"bounced"}
    assert host.messages == []


async def test_the_same_recipient_twice_is_one_delivery(world: World) -> None:
    name = f"a@{destination(39)}"
    async with world.receiver(39) as host:
        story = await world.finished(world.submit(name, name, f"a@{destination(39).upper()}"))

    assert states(story) == {name: "delivered"}
    assert len(host.messages) == 1


async def test_recipients_beyond_a_thousand_are_refused_for_now_and_the_message_goes_to_the_thousand(
    world: World,
) -> None:
    async with world.receiver(40) as host:
        with world.client() as client:
            client.mail(USERNAME)
            replies = [client.rcpt(f"r{number}@{destination(40)}") for number in range(1001)]
            code, text = client.data(letter())
            story = await world.story_when(
                _id_of(text), lambda story: all(one.state.is_final for one in story.deliveries), 60
            )

    assert {code for code, _ in replies[:1000]} == {250}
    assert replies[1000][0] == 452
    assert replies[1000][1].startswith(b"4.5.3 ")
    assert code == 250
    assert len(story.deliveries) == len({one.recipients[0] for one in host.messages}) == 1000


def _id_of(text: bytes) -> int:
    return from_text(text.decode().rpartition(" ")[2])
