"""While storage is away nothing is taken, nothing is half stored, and nothing that was taken is lost."""

import asyncio
import os
import signal
import smtplib
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.peers.postgres import PostgresDatabase, postgres_database
from tests.peers.processes import tree
from tests.scenarios.product import USERNAME
from tests.scenarios.receiver import Received
from tests.scenarios.world import World, destination, letter, running_world, submit_over

pytestmark = pytest.mark.peer("nsd")


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
        submitting = asyncio.create_task(asyncio.to_thread(_submit_for, shaken, replies, 4.0))
        await asyncio.sleep(1.0)
        crash(server)
        await submitting
        accepted = {subject for subject, reply in replies.items() if reply == "250"}
        async with asyncio.timeout(30):
            while not accepted <= _subjects(host.messages):
                await asyncio.sleep(0.1)

    assert len(accepted) >= 10
    # Of a message whose commit was under way nobody knows, and its client comes again: it may have arrived, no other.
    unknown = {subject for subject, reply in replies.items() if reply in {"451 4.3.0", "lost"}}
    assert _subjects(host.messages) - accepted <= unknown
    assert len(_subjects(host.messages) - accepted) <= 1
    # What may pass is said with 4xx, or the connection has ended; nothing else is said.
    assert {reply for reply in replies.values() if reply != "250"} <= {"451 4.3.0", "454 4.7.0", "lost"}


async def test_while_the_server_is_stopped_mail_is_refused_for_now_and_flows_once_it_is_back(
    shaken: World, server: PostgresDatabase
) -> None:
    command = Path(f"/proc/{server.pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    owner = Path(f"/proc/{server.pid}").stat().st_uid
    async with shaken.receiver(85) as host:
        with shaken.client() as client:
            before = submit_over(client, [f"a@{destination(85)}"], letter(subject="before"))
            await shaken.finished(before)
            os.kill(server.pid, signal.SIGINT)
            await _until(lambda: not Path(f"/proc/{server.pid}").exists())
            client.mail(USERNAME)
            client.rcpt(f"b@{destination(85)}")
            code, text = await asyncio.to_thread(client.data, letter(subject="between"))
            again = subprocess.Popen(command, user=owner, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                await _until(lambda: _is_taken(client))
                await _until(lambda: "after" in _subjects(host.messages))
            finally:
                again.send_signal(signal.SIGINT)
                again.wait(20)

    assert (code, text[:6]) == (451, b"4.3.0 ")
    assert _subjects(host.messages) == {"before", "after"}


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
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


def _submit_for(world: World, replies: dict[str, str], seconds: float) -> None:
    """Submit one message after the other, over new sessions where the old one ends, and write down each reply."""
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until:
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
