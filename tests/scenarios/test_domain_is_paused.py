"""A paused domain puts its clients off until it is resumed, whether a person, its bounces or its complaints paused it."""

import asyncio
import itertools
import json
import smtplib
import time
from collections.abc import Iterator

import pytest

from postroad.model.event import EventType
from tests.feedback_reports import around
from tests.scenarios.product import DOMAIN, USERNAME
from tests.scenarios.world import World, destination, letter
from tests.waiting import on_every_worker, within, within_promise

pytestmark = pytest.mark.peer("nsd")

ROUND_S = 30.0
UPKEEP_S = 11.0
"""Upkeep begins a round every ten seconds."""
DEFAULTS = ("pause_bounce_percent=0", "pause_complaint_percent=0", "pause_after_messages=100")
TO = f"a@{destination(65)}"
_numbers = itertools.count()


@pytest.fixture
def pausing_world(postgres_world: World) -> Iterator[World]:
    """The shared node, whose domain sends again after the test."""
    yield postgres_world
    postgres_world.product.run("domain", "set", DOMAIN, *DEFAULTS)
    if shown(postgres_world)["paused_at"] is not None:
        postgres_world.product.run("domain", "resume", DOMAIN)
    within_promise(lambda: on_every_worker(lambda: answer(postgres_world)[0] == 250))


def shown(world: World) -> dict[str, str | None]:
    found: dict[str, str | None] = json.loads(world.product.run("domain", "show", DOMAIN, "--json"))
    return found


def answer(world: World) -> tuple[int, str]:
    try:
        with world.client() as client:
            # Another message each time: whoever repeats what was refused is slowed down.
            client.sendmail(USERNAME, [TO], letter(to=TO, subject=f"number {next(_numbers)}"))
    except smtplib.SMTPDataError as refused:
        text = refused.smtp_error
        return refused.smtp_code, text.decode() if isinstance(text, bytes) else text
    return 250, ""


async def test_a_paused_domain_answers_450_until_it_is_resumed(pausing_world: World) -> None:
    world = pausing_world
    assert answer(world)[0] == 250
    began = int(time.time() * 1000)
    world.product.run("domain", "pause", DOMAIN, "--reason", "Old list")
    within_promise(lambda: on_every_worker(lambda: answer(world)[0] == 450))

    code, text = answer(world)
    assert code == 450
    assert text.startswith(f"4.7.1 The sending domain {DOMAIN} is paused since ")
    events = await world.events_since(began, EventType.REJECTED)
    assert {one.data["rule"] for one in events} == {"domain_paused"}
    world.product.run("domain", "resume", DOMAIN)
    within_promise(lambda: answer(world)[0] == 250)


async def test_bounces_pause_a_domain_and_what_was_accepted_before_goes_out(pausing_world: World) -> None:
    world = pausing_world
    refuses = {"RCPT": lambda line: "550 5.1.1 No such user" if "nobody" in line else None}
    async with world.receiver(65, replies=refuses) as host:
        later = world.submit(f"later@{destination(66)}")
        await world.finished(world.submit(f"nobody1@{destination(65)}", f"nobody2@{destination(65)}"))
        world.product.run("domain", "set", DOMAIN, "pause_bounce_percent=1", "pause_after_messages=2")
        within(ROUND_S, lambda: answer(world)[0] == 450)
        assert "of the deliveries of the last 24 hours bounced" in (shown(world)["pause_reason"] or "")
        async with world.receiver(66) as there:
            await world.finished(later)
            assert len(there.messages) == 1

        world.product.run("domain", "resume", DOMAIN)
        within_promise(lambda: answer(world)[0] == 250)
    assert all("nobody" not in recipient for one in host.messages for recipient in one.recipients)


async def test_complaints_pause_a_domain_that_starts_anew_once_resumed(pausing_world: World) -> None:
    world = pausing_world
    async with world.receiver(97) as host:
        await world.finished(world.submit(f"ann@{destination(97)}"))
        world.product.run("domain", "set", DOMAIN, "pause_complaint_percent=0.001", "pause_after_messages=1")
        report = around(host.messages[0].content).decode("latin-1")
        world.product.run("complaint", "read", given=report)
        within(ROUND_S, lambda: answer(world)[0] == 450)
        within_promise(lambda: on_every_worker(lambda: answer(world)[0] == 450))

        code, text = answer(world)
        assert (code, text.startswith(f"4.7.1 The sending domain {DOMAIN} is paused since ")) == (450, True)
        reason = shown(world)["pause_reason"] or ""
        assert reason.startswith("Recipients complained ")
        assert "more than the 0.001% that the domain allows" in reason
        assert world.product.run("complaint", "read", given=report).startswith("The complaint about message ")

        world.product.run("domain", "resume", DOMAIN)
        within_promise(lambda: on_every_worker(lambda: answer(world)[0] == 250))
        await world.finished(world.submit(f"bob@{destination(97)}"))
        # What was complained of before the pause is not held against the domain again.
        await asyncio.sleep(UPKEEP_S)
        assert answer(world)[0] == 250
