"""A message's events are posted to its domain's webhooks, in order, whatever becomes of the workers in between."""

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.webhook_receiver import Reply, WebhookReceiver
from tests.scenarios.product import DOMAIN
from tests.scenarios.test_metrics_move import samples
from tests.scenarios.world import World, destination, letter, running_world
from tests.waiting import within

pytestmark = pytest.mark.peer("nsd")

HOST = 41
TO = f"ann@{destination(HOST)}"
_NUMBERS = itertools.count()
SETTINGS = {"webhooks": {"allow_private_addresses": True}}


@pytest.fixture
def posting(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path, settings=SETTINGS, workers=2) as running:
        yield running


def events_of(receiver: WebhookReceiver) -> list[tuple[str, str]]:
    """Return what came: for whom, and what happened."""
    told = [call.json["event-data"] for call in list(receiver.calls)]
    return [(one["recipient"], one["event"]) for one in told]


async def soon(seconds: float, holds: Callable[[], object]) -> None:
    """Wait beside the receiving host, which lives in this event loop."""
    await asyncio.to_thread(within, seconds, holds)


async def left_after(seconds: float, left: Callable[[], set[tuple[str, str]]]) -> set[tuple[str, str]]:
    """Return what is still left when nothing is, or after a while."""
    deadline = time.monotonic() + seconds
    while (found := left()) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    return found


def is_known_to_every_worker(world: World, receiver: WebhookReceiver) -> bool:
    """Send over many new connections, which the kernel spreads over the workers, and tell whether all of it is told."""
    sent = {(f"probe{next(_NUMBERS)}@{destination(HOST)}", "accepted") for _ in range(20)}
    for to, _ in sent:
        world.submit(to)
    deadline = time.monotonic() + 2
    while not (is_told := sent <= set(events_of(receiver))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_told


def hooked(world: World, url: str, *options: str) -> dict[str, Any]:
    added: dict[str, Any] = world.product.run_json("webhook", "add", DOMAIN, url, *options)
    return added


async def test_accepted_and_delivered_arrive_in_their_order_and_nothing_is_lost_by_killed_workers(
    posting: World,
) -> None:
    world = posting
    with WebhookReceiver() as receiver:
        receiver.answer = lambda _: Reply(after_s=0.05)
        hook = hooked(world, receiver.url, "--format", "mailgun", "--event", "accepted", "--event", "delivered")
        wanted = []
        async with world.receiver(HOST):
            await soon(20, lambda: is_known_to_every_worker(world, receiver))
            for number in range(40):
                to = f"r{number}@{destination(HOST)}"
                wanted.append(to)
                await asyncio.to_thread(world.submit, to)
                if number in {10, 25}:
                    os.kill(world.product.worker_pids()[number % 2], signal.SIGKILL)
                    await soon(20, world.product.is_ready)
            all_told = {(to, event) for to in wanted for event in ("accepted", "delivered")}
            assert not await left_after(60, lambda: all_told - set(events_of(receiver)))
        told = events_of(receiver)
        for to in wanted:
            assert told.index((to, "accepted")) < told.index((to, "delivered"))
        within(20, lambda: world.product.run_json("webhook", "show", str(hook["id"]))["waiting"] == 0)
        log = world.product.run_json("webhook", "log", str(hook["id"]), "--limit", "1000")

    assert {one["result"] for one in log} == {"delivered"}
    figures = samples(world)
    assert figures["postroad_webhook_calls_waiting"] == 0
    assert figures['postroad_webhook_calls_total{result="delivered"}'] >= 80


async def test_a_message_names_where_its_own_events_go(posting: World) -> None:
    world = posting
    with WebhookReceiver() as receiver, WebhookReceiver() as own:
        hooked(world, receiver.url, "--format", "mailgun")
        within(5, lambda: world.submit(TO) and receiver.calls)
        extra = f"X-OV-Callback-URL: {own.url}\r\nX-OV-Callback-Format: mailgun\r\n"
        async with world.receiver(HOST):
            to = f"own@{destination(HOST)}"
            world.submit(to, content=letter(to=to, extra=extra))
            await soon(20, lambda: (to, "delivered") in events_of(own))

    assert events_of(own) == [(to, "accepted"), (to, "delivered")]
    assert to not in {recipient for recipient, _ in events_of(receiver)}


async def test_a_call_is_tested_logged_and_made_again_by_command(posting: World) -> None:
    world = posting
    with WebhookReceiver() as receiver:
        hook = str(hooked(world, receiver.url, "--format", "standard", "--event", "accepted")["id"])
        tried = world.product.run_json("webhook", "test", hook)
        within(5, lambda: world.submit(TO) and len(receiver.calls) > 1)
        call = world.product.run_json("webhook", "log", hook)[0]
        seen = len(receiver.calls)
        world.product.run("webhook", "replay", call["call"])
        within(10, lambda: len(receiver.calls) > seen)
        again = receiver.calls[-1]

    assert [(one["event_types"], one["result"], one["is_test"]) for one in tried] == [(["accepted"], "delivered", True)]
    assert call["result"] == "delivered"
    assert again.headers["webhook-id"] != call["call"]
    assert again.json["type"] == "email.accepted"
