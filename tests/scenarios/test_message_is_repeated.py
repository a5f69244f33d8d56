"""A client hands the same message in again: it reaches nobody twice."""

import asyncio
import smtplib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from postroad.model.delivery import DeliveryState
from postroad.model.event import EventType
from postroad.model.ids import text_of
from tests.peers.ports import LOOPBACK
from tests.scenarios.crash import database
from tests.scenarios.ledger import Ledger, Recorder
from tests.scenarios.product import PASSWORD, USERNAME, Product
from tests.scenarios.world import World, destination, letter, prepare, submit_over

pytestmark = pytest.mark.peer("nsd")

NUMBER = 94


def named(name: str, to: str) -> bytes:
    return letter(to=to, extra=f"Message-ID: <{name}@client.example>\r\n")


def keyed(name: str, to: str, body: bytes = b"Hello.\r\n") -> bytes:
    return letter(to=to, extra=f"X-OV-Idempotency-Key: {name}\r\n", body=body)


def fresh(name: str) -> str:
    return f"{name}-{time.monotonic_ns()}"


async def test_a_repeat_has_the_first_ones_id_and_its_story_says_so(each_world: World) -> None:
    to, name = f"a@{destination(NUMBER)}", fresh("repeat")
    async with each_world.receiver(NUMBER) as host:
        first = each_world.submit(to, content=named(name, to))
        await each_world.finished(first)
        assert each_world.submit(to, content=named(name, to)) == first
        story = await each_world.finished(first)
    assert len(host.messages) == 1
    [event] = [one for one in story.events if one.type is EventType.DEDUPLICATED]
    assert event.data["first_message"] == text_of(first)
    assert "deduplicated" in each_world.product.run("message", "show", text_of(first))


async def test_a_new_recipient_alone_gets_the_repeat(each_world: World) -> None:
    old, new, name = f"a@{destination(NUMBER)}", f"b@{destination(NUMBER)}", fresh("new")
    async with each_world.receiver(NUMBER) as host:
        first = each_world.submit(old, content=named(name, old))
        await each_world.finished(first)
        second = each_world.submit(old, new, content=named(name, old))
        story = await each_world.finished(second)
    assert second != first
    assert [one.recipient for one in story.deliveries] == [new]
    assert len(host.messages) == 2


async def test_a_key_with_another_content_is_refused(each_world: World) -> None:
    to, name = f"a@{destination(NUMBER)}", fresh("key")
    async with each_world.receiver(NUMBER):
        first = each_world.submit(to, content=keyed(name, to))
        assert each_world.submit(to, content=keyed(name, to)) == first
        with pytest.raises(smtplib.SMTPException, match=r"5\.6\.0.*idempotency key"):
            each_world.submit(to, content=keyed(name, to, b"Other.\r\n"))
        await each_world.finished(first)


async def test_a_first_copy_that_bounced_does_not_stand_in_the_way(each_world: World) -> None:
    to, name = f"a@{destination(NUMBER)}", fresh("bounced")
    # Not for good: an address that is gone would be suppressed from now on.
    async with each_world.receiver(NUMBER, replies={"RCPT": "550 5.7.1 Not today"}):
        first = each_world.submit(to, content=named(name, to))
        story = await each_world.finished(first)
        assert story.deliveries[0].state is DeliveryState.BOUNCED
    async with each_world.receiver(NUMBER):
        second = each_world.submit(to, content=named(name, to))
        story = await each_world.finished(second)
    assert second != first
    assert story.deliveries[0].state is DeliveryState.DELIVERED


async def test_fifty_copies_in_the_same_instant_are_delivered_once(each_world: World) -> None:
    to, name = f"a@{destination(NUMBER)}", fresh("fifty")
    ports = [each_world.product.submission_port]
    async with each_world.receiver(NUMBER) as host:
        ids = await at_once(ports, 50, named(name, to), to)
        await each_world.finished(min(ids))
    assert len(ids) == 1
    assert len(host.messages) == 1


@pytest.mark.slow
async def test_copies_on_two_nodes_at_once_are_delivered_once(tmp_path: Path) -> None:
    ledger = Ledger()
    with database("postgres") as url:
        async with Recorder(ledger) as recorder:
            one, other = (
                Product(tmp_path / name, smarthost_port=recorder.port, database_url=url, workers=1)
                for name in ("one", "other")
            )
            await asyncio.to_thread(prepare, one)
            other.join(one)
            try:
                await asyncio.to_thread(one.start)
                await asyncio.to_thread(other.start)
                ports = [one.submission_port, other.submission_port]
                rounds = [
                    await at_once(ports, 20, named(fresh("nodes"), "a@r.example"), "a@r.example") for _ in "12345"
                ]
            finally:
                await asyncio.to_thread(one.stop)
                await asyncio.to_thread(other.stop)
    assert [len(ids) for ids in rounds] == [1] * 5


async def at_once(ports: list[int], count: int, content: bytes, to: str) -> set[int]:
    """Hand copies in from as many sessions, all logged in before the first one begins; returns the ids answered."""
    ready = threading.Barrier(count, timeout=60)

    def submit(number: int) -> int:
        with smtplib.SMTP(LOOPBACK, ports[number % len(ports)], timeout=60) as client:
            client.login(USERNAME, PASSWORD)
            ready.wait()
            return submit_over(client, [to], content)

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(count) as sessions:
        return set(await asyncio.gather(*[loop.run_in_executor(sessions, submit, number) for number in range(count)]))
