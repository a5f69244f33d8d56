"""What the lists of a sending domain stop in a running engine, and what its bounces add to them."""

import asyncio
from typing import Any

import msgspec
import pytest

from postroad.model.delivery import DeliveryState
from postroad.model.event import EventType
from postroad.model.options import DeliveryOptions
from postroad.model.outcome import Phase
from postroad.model.suppression import Suppression, SuppressionKind
from postroad.net.clock import now_ms
from postroad.storage import messages as message_rows
from postroad.storage import suppressions
from postroad.storage.database import Database
from postroad.storage.suppressions import Wanted
from tests.integration.test_engine import (
    Rig,
    database,
    make_settings,
    rig,
    until,
)

__all__ = ["database", "rig"]

KIND = SuppressionKind


def entry(address: str, kind: SuppressionKind = KIND.BLOCK) -> Suppression:
    return Suppression(account_id=1, domain_id=1, kind=kind, address=address, created_at=now_ms(), reason="on purpose")


async def listed(database: Database) -> list[Suppression]:
    return await database.read(suppressions.page, Wanted(domain_ids=(1,)), 100)


async def test_an_address_that_is_listed_between_accept_and_claim_gets_nothing(database: Database) -> None:
    made = Rig(database, make_settings())
    accepted = await made.accept("a@dest.test", "b@dest.test")
    assert await made.states(accepted) == [DeliveryState.SCHEDULED] * 2
    await database.write(suppressions.add, [entry("b@dest.test")])
    await made.start()
    try:
        await made.becomes(accepted, DeliveryState.DELIVERED, DeliveryState.SUPPRESSED)
        story = await database.read(message_rows.show, accepted.message.id)
    finally:
        await made.stop()

    assert [one.recipient for one in made.agent.sent] == ["a@dest.test"]
    assert story is not None
    [event] = [one for one in story.events if one.type is EventType.SUPPRESSED]
    assert (event.recipient, event.data["reason"]) == ("b@dest.test", "block")
    assert event.data["text"] == "The address is blocked: on purpose"


async def test_what_was_deferred_is_asked_for_again_at_its_next_claim(database: Database) -> None:
    made = Rig(database, make_settings())
    accepted = await made.accept("a@dest.test", due_in_ms=700)
    await made.start()
    try:
        await database.write(suppressions.add, [entry("a@dest.test", KIND.COMPLAINT)])
        await made.becomes(accepted, DeliveryState.SUPPRESSED)
        await until(lambda: _holds(made.engine.held == 0))
    finally:
        await made.stop()
    assert made.agent.sent == []


async def test_what_is_handed_over_leaves_out_who_is_listed(rig: Rig) -> None:
    await rig.database.write(suppressions.add, [entry("b@dest.test")])
    first = await rig.accept("a@dest.test")
    await rig.becomes(first, DeliveryState.DELIVERED)
    offered = rig.offer("a@dest.test", "b@dest.test")
    lease = rig.engine.reserve(offered.deliveries)
    assert lease is not None
    stored = (await rig.database.accept(rig.offer("a@dest.test", "b@dest.test", lease=lease))).accepted
    assert stored is not None
    rig.engine.hand_over(stored)

    await rig.becomes(stored, DeliveryState.DELIVERED, DeliveryState.SUPPRESSED)
    assert [one.recipient for one in rig.agent.sent] == ["a@dest.test"] * 2
    await until(lambda: _holds(rig.engine.held == 0))


@pytest.mark.parametrize(
    ("text", "is_listed"),
    [("No such user", True), ("Blocked for spam", False), ("Relaying denied", False), ("Mailbox full", False)],
)
async def test_a_bounce_is_remembered_where_the_mailbox_is_gone(rig: Rig, text: str, is_listed: bool) -> None:
    rig.agent.answer = lambda one: (
        (Phase.RCPT, 550, text) if one.recipient == "Bad@dest.test" else (Phase.FINAL_DOT, 250, "taken")
    )
    await rig.becomes(await rig.accept("Bad@dest.test"), DeliveryState.BOUNCED)
    second = await rig.accept("bad@dest.test")

    await rig.becomes(second, DeliveryState.SUPPRESSED if is_listed else DeliveryState.DELIVERED)
    assert [one.address for one in await listed(rig.database)] == (["bad@dest.test"] if is_listed else [])


async def test_in_test_mode_the_lists_hold_and_nothing_is_added(rig: Rig) -> None:
    await rig.database.write(suppressions.add, [entry("a@dest.test")])
    offered = rig.offer("a@dest.test", "b@dest.test")
    tested = tuple(msgspec.structs.replace(one, options=DeliveryOptions(is_test=True)) for one in offered.deliveries)
    await rig.database.accept(msgspec.structs.replace(offered, deliveries=tested))

    await rig.becomes(offered, DeliveryState.SUPPRESSED, DeliveryState.DELIVERED)
    assert [one.address for one in await listed(rig.database)] == ["a@dest.test"]


async def _holds(fact: Any) -> bool:
    await asyncio.sleep(0)
    return bool(fact)
