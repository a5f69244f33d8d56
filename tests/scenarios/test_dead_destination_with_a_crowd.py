"""Very many due deliveries of one domain to a host that is dead do not keep another domain's single message waiting."""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence

import pytest

from postroad.model.delivery import Delivery, lane_of
from postroad.model.event import EventType
from postroad.model.ids import IdSource
from postroad.model.message import Accepted, Message
from postroad.net.clock import now_ms
from postroad.storage import domains
from postroad.storage.database import Database
from tests.scenarios.product import DOMAIN, PASSWORD
from tests.scenarios.world import World, destination, letter, running_world, submit_over

pytestmark = [pytest.mark.peer("nsd"), pytest.mark.slow]

CROWD = int(os.environ.get("POSTROAD_CROWD", "100000"))
"""Deliveries that wait for the dead host; a million are promised."""
OTHER = "single.example"
DEAD, ALIVE = 82, 83
RECIPIENTS = 1000


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    # As installed, but for the pauses: these stay what they are by default.
    settings = {"delivery": {"queue": {"first_pause_s": 30, "longest_pause_s": 1800, "poll_ms": 1000}}}
    with running_world(tmp_path_factory.mktemp("crowded"), settings=settings) as running:
        running.product.run("domain", "add", OTHER)
        running.product.run("smtp-user", "add", f"app@{OTHER}", "--password-stdin", given=PASSWORD)
        yield running


async def test_a_single_message_leaves_within_a_second(crowded: World) -> None:
    began = now_ms()
    async with crowded.database() as database:
        await _crowd(database, destination(DEAD))
    async with crowded.receiver(ALIVE) as host:
        took = [await asyncio.to_thread(_seconds_to_arrive, crowded, host.messages, count) for count in range(1, 6)]

    # The crowd has been at the dead host's door meanwhile.
    assert await crowded.events_since(began, EventType.DEFERRED)
    assert sorted(took)[2] < 1.0, took
    assert max(took) < 3.0, took


def _seconds_to_arrive(world: World, messages: Sequence[object], count: int) -> float:
    sender = f"app@{OTHER}"
    with world.client(sender) as client:
        submit_over(client, [f"a{count}@{destination(ALIVE)}"], letter(header_from=sender), sender=sender)
        began = time.monotonic()
        while len(messages) < count:
            assert time.monotonic() - began < 15
            time.sleep(0.005)
        return time.monotonic() - began


async def _crowd(database: Database, dead: str) -> None:
    """Store the crowd as so many accepted messages to a thousand recipients each, due at once."""
    domain = await database.read(domains.by_name, DOMAIN)
    assert domain is not None
    ids, now = IdSource(200), now_ms()
    for batch in range(CROWD // RECIPIENTS):
        partition = batch % 1024
        message = Message(
            id=ids.next(now_ms(), partition),
            account_id=domain.account_id,
            domain_id=domain.id,
            credential_id=1,
            reverse_path=f"load@{DOMAIN}",
            header_from=f"load@{DOMAIN}",
            subject="crowd",
            message_id_header="<crowd@bench.example>",
            size=100,
            recipient_count=RECIPIENTS,
            accepted_at=now,
            client_address="",
            channel="smtp",
        )
        deliveries = tuple(
            Delivery(
                id=ids.next(now_ms(), partition),
                message_id=message.id,
                account_id=domain.account_id,
                domain_id=domain.id,
                recipient=f"r{batch}.{number}@{dead}",
                destination=dead,
                pool="default",
                lane=lane_of(domain.id, dead),
                due_at=now,
                expires_at=now + 3_600_000,
                accepted_at=now,
            )
            for number in range(RECIPIENTS)
        )
        await database.accept(Accepted(message=message, content=letter(), deliveries=deliveries, events=()))
