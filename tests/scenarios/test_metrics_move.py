"""What a scrape shows of a few messages, one right behind the other, from a node that runs."""

import time
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.scenarios.world import World, destination

pytestmark = pytest.mark.peer("nsd")

_WITHIN_S = 10.0

MOVED = {
    'postroad_accepted_total{channel="smtp"}': 2,
    "postroad_accepted_recipients_total": 2,
    "postroad_accept_seconds_count": 2,
    'postroad_delivered_total{provider="other"}': 2,
    "postroad_queue_wait_seconds_count": 2,
    'postroad_attempt_seconds_count{end="delivered"}': 2,
    'postroad_connections_total{direction="in"}': 2,
    'postroad_connections_total{direction="out"}': 1,
    "postroad_sessions_reused_total": 1,
    'postroad_storage_batch_rows_sum{batch="accept"}': 2,
    'postroad_storage_batch_seconds_count{batch="accept"}': 1,
    'postroad_storage_batch_rows_sum{batch="settle"}': 1,
}
"""By how much each goes up at least; what other tests' mail adds comes on top."""


def samples(world: World) -> dict[str, float]:
    """Return every sample of a scrape under its name and labels."""
    return {
        sample.name + "".join(f'{{{name}="{value}"}}' for name, value in sample.labels.items() if name != "le"): (
            sample.value
        )
        for family in text_string_to_metric_families(world.product.metrics())
        for sample in family.samples
    }


def eventually(world: World, condition: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """Return the first scrape that fulfils a condition, or the last one within the time."""
    deadline = time.monotonic() + _WITHIN_S
    while not condition(found := samples(world)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


async def test_what_messages_move_is_in_the_next_scrape(each_world: World) -> None:
    world, before = each_world, samples(each_world)
    async with world.receiver(80):
        # Several, so that one worker of two gets a second one while its connection is kept.
        for _ in range(5):
            await world.finished(world.submit(f"a@{destination(80)}"))
        during = eventually(world, lambda now: now["postroad_sessions_idle"] >= 1)

        def missing(now: dict[str, float]) -> dict[str, float]:
            grown = {name: now.get(name, 0.0) - before.get(name, 0.0) for name in MOVED}
            return {name: value for name, value in grown.items() if value < MOVED[name]}

        after = eventually(world, lambda now: not missing(now))

    assert missing(after) == {}
    assert during["postroad_sessions_idle"] >= 1
    assert during['postroad_connections_open{direction="out"}'] >= 1
    assert sum(value for name, value in after.items() if name.startswith("postroad_logins_total")) >= 2
    assert {"postroad_bytes_in_flight", "postroad_ready_deliveries"} <= set(after)


async def test_connections_that_ended_are_no_longer_open(world: World) -> None:
    with world.client():
        during = eventually(world, lambda now: now['postroad_connections_open{direction="in"}'] >= 1)
    after = eventually(world, lambda now: now['postroad_connections_open{direction="in"}'] == 0)

    assert during['postroad_connections_open{direction="in"}'] >= 1
    assert after['postroad_connections_open{direction="in"}'] == 0
