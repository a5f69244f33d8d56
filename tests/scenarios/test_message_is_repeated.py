"""A client hands the same message in again: it reaches nobody twice."""

import asyncio
import smtplib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

import pytest

from postroad.model.delivery import DeliveryState
from postroad.model.event import EventType
from postroad.model.ids import text_of
from tests.peers.ports import LOOPBACK
from tests.scenarios.crash import database
from tests.scenarios.ledger import Ledger, Recorder
from tests.scenarios.product import DOMAIN, PASSWORD, USERNAME, Product
from tests.scenarios.world import World, destination, letter, prepare, submit_over
from tests.waiting import PROMISED_S

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


async def is_delivered_anew(world: World, to: str, name: str, first: int) -> None:
    async with world.receiver(NUMBER):
        second = world.submit(to, content=named(name, to))
        story = await world.finished(second)
    assert second != first
    assert story.deliveries[0].state is DeliveryState.DELIVERED


async def test_a_first_copy_that_bounced_does_not_stand_in_the_way(each_world: World) -> None:
    to, name = f"a@{destination(NUMBER)}", fresh("bounced")
    # Not for good: an address that is gone would be suppressed from now on.
    async with each_world.receiver(NUMBER, replies={"RCPT": "550 5.7.1 Not today"}):
        first = each_world.submit(to, content=named(name, to))
        story = await each_world.finished(first)
        assert story.deliveries[0].state is DeliveryState.BOUNCED
    await is_delivered_anew(each_world, to, name, first)


async def test_a_first_copy_that_was_cancelled_does_not_stand_in_the_way(each_world: World) -> None:
    to, name = f"a@{destination(NUMBER)}", fresh("cancelled")
    tomorrow = format_datetime(datetime.now(UTC) + timedelta(days=1))
    extra = f"Message-ID: <{name}@client.example>\r\nX-OV-Deliver-At: {tomorrow}\r\n"
    first = each_world.submit(to, content=letter(to=to, extra=extra))
    assert each_world.submit(to, content=named(name, to)) == first
    each_world.product.run("queue", "cancel", "--message", text_of(first), "--yes")
    story = await each_world.finished(first)
    assert story.deliveries[0].state is DeliveryState.CANCELLED
    await is_delivered_anew(each_world, to, name, first)


async def test_a_first_copy_that_was_suppressed_does_not_stand_in_the_way(each_world: World) -> None:
    name = fresh("suppressed")
    to = f"{name}@{destination(NUMBER)}"
    each_world.product.run("suppression", "add", to, "--domain", DOMAIN, "--kind", "block")
    first = each_world.submit(to, content=named(name, to))
    story = await each_world.finished(first)
    assert story.deliveries[0].state is DeliveryState.SUPPRESSED
    each_world.product.run("suppression", "remove", to, "--domain", DOMAIN, "--yes")
    await is_delivered_anew(each_world, to, name, first)


async def test_a_first_copy_in_test_mode_does_not_count(each_world: World) -> None:
    to, name = f"a@{destination(NUMBER)}", fresh("test-mode")
    async with each_world.receiver(NUMBER) as host:
        tried = each_world.submit(
            to, content=letter(to=to, extra=f"Message-ID: <{name}@client.example>\r\nX-OV-testmode: yes\r\n")
        )
        in_earnest = each_world.submit(to, content=named(name, to))
        await each_world.finished(in_earnest)
    assert in_earnest != tried
    assert len(host.messages) == 1


async def test_by_content_a_client_that_writes_a_new_message_id_each_time_is_known(each_world: World) -> None:
    to, name = f"a@{destination(NUMBER)}", fresh("content")

    def copy(number: int, kind: str = "plain") -> bytes:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = f"App <{USERNAME}>", to, name
        message["Message-ID"] = f"<{number}.{name}@client.example>"
        message.set_content("Hello.", subtype=kind)
        message.add_attachment(b"data", maintype="application", subtype="octet-stream", filename="a.bin")
        return message.as_bytes(policy=SMTP)

    def again(number: int) -> int:
        return each_world.submit(to, content=copy(number))

    assert copy(1).split(b"boundary=")[1] != copy(2).split(b"boundary=")[1]
    each_world.product.run("domain", "set", DOMAIN, "deduplicate=content")
    try:
        async with each_world.receiver(NUMBER) as host:
            await asyncio.sleep(PROMISED_S)
            first = again(1)
            assert [again(number) for number in range(2, 6)] == [first] * 4
            other = each_world.submit(to, content=copy(6, "html"))
            await each_world.finished(first)
            await each_world.finished(other)
    finally:
        each_world.product.run("domain", "set", DOMAIN, "deduplicate=message_id")
    assert other != first
    assert len(host.messages) == 2


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_a_repeat_is_known_after_a_restart(tmp_path: Path, engine: str) -> None:
    ledger = Ledger()
    with database(engine) as url:
        async with Recorder(ledger) as recorder:
            product = Product(tmp_path / "node", smarthost_port=recorder.port, database_url=url, workers=1)
            await asyncio.to_thread(prepare, product)
            content = named(fresh("restart"), "a@r.example")
            ids: list[int] = []
            for _ in "12":
                await asyncio.to_thread(product.start)
                try:
                    ids += await at_once([product.submission_port], 1, content, "a@r.example")
                finally:
                    await asyncio.to_thread(product.stop)
    assert len(ids) == 2
    assert len(set(ids)) == 1


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
