"""How the supervisor keeps one worker: starts that fail, a stop at an awkward moment, half a word from a dead worker."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from postroad.config import Settings
from postroad.node import worker_process
from postroad.node.channel import Beat, Channel, Plan
from postroad.node.installation import presence_of_worker, workers_are_gone
from postroad.node.supervisor import Supervisor
from postroad.node.worker_process import WorkerProcess


async def no_burial(_pid: int, _incarnation: int) -> None:
    """Free nothing."""


@pytest.fixture
def worker() -> WorkerProcess:
    return WorkerProcess(Plan(settings=Settings(), slot=0, roles=(), sockets={}), no_burial)


def named(hostname: str) -> Settings:
    """Return settings that a worker of ``PRETENDING`` goes by."""
    settings = Settings()
    return msgspec.structs.replace(settings, smtp=msgspec.structs.replace(settings.smtp, hostname=hostname))


PRETENDING = """\
import json, signal, socket, sys, time
pair = socket.socket(fileno=int(sys.argv[-1]))
hostname = json.loads(pair.makefile().readline())["settings"]["smtp"]["hostname"]
if hostname == "broken":
    sys.exit(1)
def serve(*_):
    pair.send(b'{"type":"ready","number":1,"incarnation":1}\\n')
def end(*_):
    if hostname == "late":
        serve()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
if hostname == "late":
    open(sys.argv[0] + ".started", "w").close()
else:
    serve()
time.sleep(60)
"""
"""Serves but where it is broken; the late one has got so far only when it is told to end."""


@pytest.fixture
def pretending(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let every worker be a pretending one; returns where its program is."""
    program = tmp_path / "worker"
    program.write_text(f"#!{sys.executable}\n{PRETENDING}")
    program.chmod(0o700)
    monkeypatch.setattr("postroad.node.worker_process.sys.executable", str(program))
    return program


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


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


async def test_a_worker_imports_nothing_from_the_folder_that_the_node_is_started_in(
    worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "msgspec.py").write_text("open('imported', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(worker_process, "_FIRST_PAUSE_S", 30.0)
    running = asyncio.create_task(worker.run())
    # There is no installation in this folder, so that the worker ends by itself.
    await until(lambda: worker.pid is not None)
    await until(lambda: worker.pid is None)
    assert not (tmp_path / "imported").exists()
    await worker.stop(5.0)
    await asyncio.wait_for(running, 5.0)


def pretender(settings: Settings, slot: int = 0) -> WorkerProcess:
    return WorkerProcess(Plan(settings=settings, slot=slot, roles=(), sockets={}), no_burial)


async def test_a_worker_that_waits_to_be_started_again_takes_other_settings_at_once(
    pretending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_FIRST_PAUSE_S", 60.0)
    worker = pretender(named("broken"))
    running = asyncio.create_task(worker.run())
    await until(lambda: worker.pid is not None)
    await until(lambda: worker.pid is None)
    await asyncio.wait_for(worker.go_over_to(named("well")), 10)
    assert worker.is_serving
    await worker.stop(5.0)
    await asyncio.wait_for(running, 5.0)


async def test_a_worker_that_waits_to_be_started_again_is_at_a_reload(
    pretending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_FIRST_PAUSE_S", 60.0)
    worker = pretender(named("broken"))
    running = asyncio.create_task(worker.run())
    await until(lambda: worker.pid is not None)
    await until(lambda: worker.pid is None)
    pretending.write_text(pretending.read_text().replace('"broken"', '"mended by now"'))
    worker.reload()
    await asyncio.wait_for(worker.served.wait(), 10)
    await worker.stop(5.0)
    await asyncio.wait_for(running, 5.0)


async def test_a_worker_that_serves_by_earlier_settings_when_it_is_replaced_has_not_gone_over(pretending: Path) -> None:
    worker = pretender(named("late"))
    running = asyncio.create_task(worker.run())
    started = pretending.with_name(f"{pretending.name}.started")
    await until(started.exists)
    going_over = asyncio.create_task(worker.go_over_to(named("broken")))
    await until(lambda: worker.pid is None)
    await asyncio.sleep(0.5)
    assert not going_over.done()
    going_over.cancel()
    await worker.stop(5.0)
    await asyncio.wait_for(running, 5.0)


async def test_no_worker_is_replaced_while_the_one_before_does_not_serve_and_newer_settings_reach_all(
    pretending: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_SUCCESSOR_S", 0.3)
    monkeypatch.setattr(worker_process, "_FIRST_PAUSE_S", 60.0)
    supervisor = Supervisor(named("well"))
    first, second = supervisor._workers = [pretender(named("well"), slot) for slot in range(2)]
    running = [asyncio.create_task(one.run()) for one in (first, second)]
    await until(lambda: first.is_serving and second.is_serving)
    keeping = asyncio.create_task(supervisor._keep_workers_current())

    def read(settings: Settings) -> None:
        supervisor._settings = settings
        supervisor._settings_changed.set()

    untouched = second.pid
    read(named("broken"))
    await until(lambda: first.pid is None)
    await asyncio.sleep(1.0)
    assert (second.pid, second.is_serving) == (untouched, True)

    # What the first one did not take back is there still with the second.
    read(named("well"))
    await until(lambda: first.is_serving)
    assert second.pid == untouched
    read(named("better"))
    await until(lambda: second.pid != untouched and first.is_serving and second.is_serving)

    keeping.cancel()
    await asyncio.gather(*(one.stop(5.0) for one in (first, second)))
    await asyncio.wait_for(asyncio.gather(*running), 5.0)


async def test_a_worker_that_storage_keeps_from_starting_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "postroad.sqlite").write_bytes(b"\xff" * 8192)
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "postroad.node.worker", str(theirs.fileno())]
    starting = await asyncio.create_subprocess_exec(
        *command, pass_fds=(theirs.fileno(),), stderr=asyncio.subprocess.PIPE, env={"PYTHONPATH": ":".join(sys.path)}
    )
    theirs.close()
    channel = await Channel.over(ours)
    settings = msgspec.structs.replace(Settings(), data_dir=str(tmp_path))
    channel.say(Plan(settings=settings, slot=0, roles=("delivery",), sockets={}))
    _, told = await asyncio.wait_for(starting.communicate(), 60)
    channel.close()

    assert starting.returncode == 1
    (line,) = told.decode().splitlines()
    assert "worker_without_storage" in line
    assert f"the database {tmp_path}/postroad.sqlite cannot be used: it is damaged" in line


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
