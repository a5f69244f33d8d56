"""How the supervisor keeps one worker: starts that fail, a stop at an awkward moment, half a word from a dead worker."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from postroad.config import Settings
from postroad.node import worker_process
from postroad.node.channel import Beat, Channel, Plan
from postroad.node.installation import presence_of_worker, workers_are_gone
from postroad.node.worker_process import WorkerProcess


async def no_burial(_pid: int, _incarnation: int) -> None:
    """Free nothing."""


@pytest.fixture
def worker() -> WorkerProcess:
    return WorkerProcess(Plan(settings=Settings(), slot=0, roles=(), sockets={}), no_burial)


def run_instead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    program = tmp_path / "worker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setattr("postroad.node.worker_process.sys.executable", str(program))


async def test_a_stop_while_the_process_is_being_started_reaches_it(
    worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run_instead(monkeypatch, tmp_path, "exec sleep 60")
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0)
    assert worker.pid is None
    await worker.stop(5.0)
    await asyncio.wait_for(running, 5.0)


async def test_a_process_that_cannot_be_started_is_tried_again_and_does_not_hold_up_a_stop(
    worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("postroad.node.worker_process.sys.executable", str(tmp_path / "nothing"))
    monkeypatch.setattr(worker_process, "_FIRST_PAUSE_S", 30.0)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.1)
    assert not running.done()
    await worker.stop(5.0)
    await asyncio.wait_for(running, 5.0)


async def test_a_process_that_dies_once_its_sockets_go_has_no_successor(
    worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run_instead(monkeypatch, tmp_path, "exec sleep 60")
    running = asyncio.create_task(worker.run())
    while worker.pid is None:
        await asyncio.sleep(0.01)
    worker.start_no_more()
    os.kill(worker.pid, signal.SIGKILL)
    await asyncio.wait_for(running, 5.0)


async def test_half_a_word_of_a_peer_that_died_is_passed_over() -> None:
    ours, theirs = socket.socketpair()
    theirs.send(b'{"type":"beat","sessions":1,"leased_deliveries":2}\n{"type":"be')
    theirs.close()
    channel = await Channel.over(ours)
    assert [Beat(sessions=1, leased_deliveries=2)] == [word async for word in channel.words()]
    channel.close()


async def test_workers_are_gone_once_none_shows_its_presence(tmp_path: Path) -> None:
    with presence_of_worker(tmp_path), presence_of_worker(tmp_path):
        assert not await workers_are_gone(tmp_path, 0.0)
    assert await workers_are_gone(tmp_path, 0.0)
