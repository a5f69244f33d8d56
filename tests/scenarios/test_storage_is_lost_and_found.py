"""While storage is away nothing is taken, nothing is half stored, and nothing that was taken is lost."""

import asyncio
import os
import signal
import smtplib
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from postroad.model.event import EventType
from tests.peers.postgres import PostgresDatabase, postgres_database
from tests.peers.processes import tree
from tests.scenarios.product import USERNAME
from tests.scenarios.receiver import Received
from tests.scenarios.test_mail_comes_back import BOUNCES, bring, inbound
from tests.scenarios.world import World, destination, letter, running_world, submit_over

pytestmark = pytest.mark.peer("nsd")

REPORT = (BOUNCES / "exim.eml").read_bytes()


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresDatabase]:
    with postgres_database() as running:
        yield running


@pytest.fixture(scope="module")
def shaken(tmp_path_factory: pytest.TempPathFactory, server: PostgresDatabase) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("shaken"), database_url=server.url) as running:
        yield running


def crash(server: PostgresDatabase) -> None:
    """Kill a server process, upon which PostgreSQL ends every connection and recovers from its log."""
    backend = next(stat.pid for stat in tree([server.pid]) if stat.parent == server.pid and _is_backend(stat.pid))
    os.kill(backend, signal.SIGKILL)


def _is_backend(pid: int) -> bool:
    return b"postgres: postgres postroad " in Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_what_was_accepted_around_a_crash_of_the_server_arrives_and_nothing_else(
    shaken: World, server: PostgresDatabase
) -> None:
    replies: dict[str, str] = {}
    async with shaken.receiver(84) as host:
        enough = threading.Event()
        submitting = asyncio.create_task(asyncio.to_thread(_submit_until, enough, shaken, replies))
        await _until(lambda: list(replies.values()).count("250") >= 10)
        crash(server)
        await asyncio.sleep(3.0)
        enough.set()
        await submitting
        accepted = {subject for subject, reply in replies.items() if reply == "250"}
        async with asyncio.timeout(30):
            while not accepted <= _subjects(host.messages):
                await asyncio.sleep(0.1)

    # Of a message whose commit was under way nobody knows, and its client comes again: it may have arrived, no other.
    unknown = {subject for subject, reply in replies.items() if reply in {"451 4.3.0", "lost"}}
    assert _subjects(host.messages) - accepted <= unknown
    assert len(_subjects(host.messages) - accepted) <= 1
    # What may pass is said with 4xx, or the connection has ended; nothing else is said.
    assert {reply for reply in replies.values() if reply != "250"} <= {"451 4.3.0", "454 4.7.0", "lost"}


async def test_while_the_server_is_stopped_mail_is_refused_for_now_and_flows_once_it_is_back(
    shaken: World, server: PostgresDatabase
) -> None:
    # The last one of this module: the server that it starts in place of the module's ends with it.
    command = Path(f"/proc/{server.pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    owner = Path(f"/proc/{server.pid}").stat().st_uid
    # The server may be recovering still from what the test before did to it.
    await _until(shaken.product.is_ready)
    async with shaken.receiver(85) as host:
        with shaken.client() as client, inbound(shaken) as returning, inbound(shaken) as asking:
            before = submit_over(client, [f"a@{destination(85)}"], letter(subject="before"))
            await shaken.finished(before)
            return_path = host.messages[0].reverse_path
            assert (returning.mail("")[0], returning.rcpt(return_path)[0], asking.mail("")[0]) == (250, 250, 250)
            os.kill(server.pid, signal.SIGINT)
            await _until(lambda: not Path(f"/proc/{server.pid}").exists())
            client.mail(USERNAME)
            client.rcpt(f"b@{destination(85)}")
            code, text = await asyncio.to_thread(client.data, letter(subject="between"))
            returned = await asyncio.to_thread(returning.data, REPORT)
            asked = await asyncio.to_thread(asking.rcpt, return_path)
            again = subprocess.Popen(command, user=owner, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                await _until(lambda: _is_taken(client))
                await _until(lambda: "after" in _subjects(host.messages))
                assert bring(shaken, return_path, REPORT) == "250 2.0.0 Taken"
                story = await shaken.story(before)
            finally:
                again.send_signal(signal.SIGINT)
                again.wait(20)

    assert (code, text[:6]) == (451, b"4.3.0 ")
    assert [(one[0], one[1][:6]) for one in (returned, asked)] == [(451, b"4.3.0 ")] * 2
    # The host that was told to come again did, and that was the first that was heard of it.
    assert [one.type for one in story.events].count(EventType.BOUNCED) == 1
    assert _subjects(host.messages) == {"before", "after"}


async def _until(holds: Callable[[], bool]) -> None:
    # A statement that was under way when the server went may wait for its time-out of a minute.
    async with asyncio.timeout(90):
        while not holds():
            await asyncio.sleep(0.1)


def _is_taken(client: smtplib.SMTP) -> bool:
    client.rset()
    if client.mail(USERNAME)[0] != 250:
        return False
    client.rcpt(f"c@{destination(85)}")
    return client.data(letter(subject="after"))[0] == 250


def _subjects(messages: Sequence[Received]) -> set[str]:
    return {one.content.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode() for one in messages}


def _submit_until(enough: threading.Event, world: World, replies: dict[str, str]) -> None:
    """Submit one message after the other, over new sessions where the old one ends, and write down each reply."""
    number = 0
    while not enough.is_set():
        number += 1
        subject = f"crash-{number}"
        try:
            world.submit(f"a@{destination(84)}", content=letter(subject=subject))
            replies[subject] = "250"
        except smtplib.SMTPResponseException as refused:
            enhanced = refused.smtp_error if isinstance(refused.smtp_error, str) else refused.smtp_error.decode()
            replies[subject] = f"{refused.smtp_code} {enhanced.split(' ')[0]}"
        except (smtplib.SMTPServerDisconnected, OSError):
            replies[subject] = "lost"
