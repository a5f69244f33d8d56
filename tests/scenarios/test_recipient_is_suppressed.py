"""Somebody who must not be mailed gets nothing, whoever sends and however, and the story says why."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from postroad.model.event import EventType
from postroad.model.ids import text_of
from postroad.storage.messages import Story
from tests.scenarios.product import DOMAIN
from tests.scenarios.world import World, destination, last_event, letter, states
from tests.waiting import PROMISED_S

pytestmark = pytest.mark.peer("nsd")

NUMBER = 89


def fresh(name: str) -> str:
    """Return an address that no other test, and no earlier one on this node, has used."""
    return f"{name}-{time.monotonic_ns()}@{destination(NUMBER)}"


def suppression(world: World, verb: str, address: str, *others: str) -> Any:
    return world.product.run_json("suppression", verb, address, "--domain", DOMAIN, *others)


async def sent(world: World, *recipients: str, extra: str = "") -> Story:
    return await world.finished(world.submit(*recipients, content=letter(to=recipients[0], extra=extra)))


@contextlib.asynccontextmanager
async def transactional(world: World) -> AsyncIterator[None]:
    """The sending domain is one for transactional mail, for the length of the block, on every worker."""
    world.product.run("domain", "set", DOMAIN, "is_transactional=on")
    await asyncio.sleep(PROMISED_S)
    try:
        yield
    finally:
        world.product.run("domain", "set", DOMAIN, "is_transactional=off")
        await asyncio.sleep(PROMISED_S)


async def test_an_address_that_does_not_exist_is_tried_once(each_world: World) -> None:
    gone = fresh("Gone")
    async with each_world.receiver(NUMBER, replies={"RCPT": "550 5.1.1 No such user"}) as host:
        first = await sent(each_world, gone)
        second = await sent(each_world, gone.lower())

    assert states(first) == {gone: "bounced"}
    assert states(second) == {gone.lower(): "suppressed"}
    assert sum(one.upper().startswith("RCPT") for one in host.commands) == 1
    event = last_event(second, EventType.SUPPRESSED)
    assert event.data["reason"] == "bounce"
    assert "550 5.1.1 No such user" in event.data["text"]
    [entry] = suppression(each_world, "show", gone)
    assert (entry["kind"], entry["way"], entry["message_id"]) == ("bounce", "delivery", text_of(first.message.id))
    shown = each_world.product.run("message", "show", text_of(second.message.id))
    assert "The address bounced" in shown
    assert "No such user" in shown


async def test_a_refusal_for_another_reason_suppresses_nobody(world: World) -> None:
    refused = fresh("refused")
    async with world.receiver(NUMBER, replies={"RCPT": "550 5.7.1 Your address is on a blocklist"}):
        assert states(await sent(world, refused)) == {refused: "bounced"}
    async with world.receiver(NUMBER):
        assert states(await sent(world, refused)) == {refused: "delivered"}


async def test_one_of_three_recipients_is_blocked(each_world: World) -> None:
    a, b, c = (fresh(name) for name in "abc")
    suppression(each_world, "add", b.upper(), "--reason", "Asked by phone")
    async with each_world.receiver(NUMBER) as host:
        story = await sent(each_world, a, b, c)
        suppression(each_world, "remove", b, "--yes")
        again = await sent(each_world, b)

    assert states(story) == {a: "delivered", b: "suppressed", c: "delivered"}
    assert last_event(story, EventType.SUPPRESSED).data["text"] == "The address is blocked: Asked by phone"
    assert states(again) == {b: "delivered"}
    assert sorted(name for one in host.messages for name in one.recipients) == sorted([a, b, c])


async def test_the_allow_list_wins_over_bounces_and_over_nothing_else(world: World) -> None:
    gone, blocked = fresh("gone"), fresh("blocked")
    for address in (gone, blocked):
        suppression(world, "add", address, "--kind", "allow")
    suppression(world, "add", blocked)
    async with world.receiver(NUMBER, replies={"RCPT": "550 5.1.1 No such user"}):
        assert states(await sent(world, gone)) == {gone: "bounced"}
    async with world.receiver(NUMBER):
        assert states(await sent(world, gone, blocked)) == {gone: "delivered", blocked: "suppressed"}

    assert [one["kind"] for one in suppression(world, "show", gone)] == ["allow"]


async def test_who_unsubscribed_from_a_tag_gets_the_others(world: World) -> None:
    address = fresh("tags")
    suppression(world, "add", address, "--kind", "unsubscribe", "--tag", "Spring")
    async with world.receiver(NUMBER):
        spring = await sent(world, address, extra="X-OV-Tag: SPRING\r\n")
        autumn = await sent(world, address, extra="X-OV-Tag: autumn\r\n")

    assert states(spring) == {address: "suppressed"}
    assert states(autumn) == {address: "delivered"}
    assert last_event(spring, EventType.SUPPRESSED).data["tag"] == "spring"


async def test_transactional_mail_reaches_who_unsubscribed_and_nobody_who_complained_or_bounced(world: World) -> None:
    unsubscribed, complained, bounced = (fresh(name) for name in ("unsubscribed", "complained", "bounced"))
    for address, kind in ((unsubscribed, "unsubscribe"), (complained, "complaint"), (bounced, "bounce")):
        suppression(world, "add", address, "--kind", kind)
    names = (unsubscribed, complained, bounced)
    async with world.receiver(NUMBER):
        before = await sent(world, *names)
        async with transactional(world):
            receipts = await sent(world, *names)

    assert set(states(before).values()) == {"suppressed"}
    assert states(receipts) == {unsubscribed: "delivered", complained: "suppressed", bounced: "suppressed"}


async def test_in_test_mode_the_lists_hold_and_learn_nothing(world: World) -> None:
    blocked, other = fresh("blocked"), fresh("other")
    suppression(world, "add", blocked)
    story = await sent(world, blocked, other, extra="X-OV-Testmode: yes\r\n")

    assert states(story) == {blocked: "suppressed", other: "delivered"}
    assert last_event(story, EventType.SUPPRESSED).data["is_test"] is True


async def test_an_address_that_is_blocked_while_its_message_waits_gets_nothing(world: World) -> None:
    address = fresh("waits")
    message = world.submit(address)  # Nobody listens there yet, so that it is deferred.
    await world.story_when(message, lambda story: any(one.type is EventType.DEFERRED for one in story.events))
    suppression(world, "add", address)
    async with world.receiver(NUMBER) as host:
        story = await world.finished(message)

    assert states(story) == {address: "suppressed"}
    assert host.messages == []


async def test_suppressed_recipients_are_counted(world: World) -> None:
    address = fresh("counted")
    suppression(world, "add", address)
    before = world.product.run_json("stats", "overview", "--domain", DOMAIN)["totals"]["suppressed"]
    await sent(world, address)

    assert world.product.run_json("stats", "overview", "--domain", DOMAIN)["totals"]["suppressed"] == before + 1
