"""What was said to be stored is there after a kill, and several processes share one database."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from postroad.storage.database import Database
from postroad.storage.engine import open_database
from tests.storage.samples import NOW, Place, accepted, claim, column

CHILD = """
import asyncio, sys
from pathlib import Path
import structlog

from postroad.model.ids import IdSource
from postroad.storage.engine import open_database
from tests.storage import samples

# What is said here are ids; that tests do not sync is told beside them.
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main(url, data_dir, worker):
    samples._ids = IdSource(int(worker))
    database = await open_database(url, data_dir=Path(data_dir), clock=lambda: samples.NOW, is_checkpointer=False)
    async def accept():
        while True:
            offered = samples.accepted()
            await database.accept(offered)
            print(offered.message.id, flush=True)
    await asyncio.gather(*(accept() for _ in range(20)))

asyncio.run(main(*sys.argv[1:]))
"""


def _start(place: Place, worker: int) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, place.url, str(place.data_dir), str(worker)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )


def _read_then_kill(children: Sequence[subprocess.Popen[str]], lines: int) -> set[int]:
    said: set[int] = set()
    for child in children:
        assert child.stdout is not None
        said |= {int(child.stdout.readline()) for _ in range(lines)}
    for child in children:
        child.send_signal(signal.SIGKILL)
    for child in children:
        assert child.stdout is not None
        with child.stdout:
            said |= {int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")}
        assert child.wait() == -signal.SIGKILL
    return said


@pytest.mark.parametrize("processes", [1, 3])
async def test_what_was_accepted_survives_a_kill(place: Place, processes: int) -> None:
    children = [_start(place, worker) for worker in range(10, 10 + processes)]
    said = await asyncio.to_thread(_read_then_kill, children, 300)

    database = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)
    stored = set(await database.read(column, "SELECT id FROM messages"))
    assert said <= stored
    for table in ("bodies", "deliveries", "events"):
        key = "message_id"
        assert stored == set(await database.read(column, f"SELECT {key} FROM {table}"))
    await database.close()


async def test_two_handles_on_one_database_claim_each_delivery_once(place: Place) -> None:
    first = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)
    second = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW, is_checkpointer=False)
    await asyncio.gather(*(first.accept(accepted(f"u@d{number}.example")) for number in range(200)))

    async def drain(database: Database, owner: int) -> list[int]:
        taken: list[int] = []
        while claimed := await database.claim(claim(owner=owner, limit=7)):
            taken += [delivery.id for delivery in claimed]
        return taken

    batches = await asyncio.gather(drain(first, 1), drain(second, 2))

    taken = batches[0] + batches[1]
    rest = await drain(first, 3)
    assert len(set(taken + rest)) == len(taken + rest) == 200
    await first.close()
    await second.close()


class _BrokenMeter:
    def batch_written(self, batch: str, rows: int, duration_ms: float) -> None:
        raise OSError("no space left on the device of the metrics")


async def test_what_is_stored_is_told_even_where_it_cannot_be_counted(place: Place) -> None:
    database = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW, meter=_BrokenMeter())
    offered = [accepted(), accepted()]
    async with asyncio.timeout(10):
        await asyncio.gather(*(database.accept(one) for one in offered))
    stored = await database.read(column, "SELECT id FROM messages ORDER BY id")
    assert [one.message.id for one in offered] == stored
    await database.close()
