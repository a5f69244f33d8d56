"""What storing, claiming and settling one message costs: ``python -m bench.micro.storage [--postgres URL]``.

Prints one row per step: messages per second by the wall, and CPU of this process for one message. For the share that
syncing has in the wall clock compare with a data folder on a memory disk (``--data /dev/shm/…``).
"""

import argparse
import asyncio
import itertools
import platform
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import uvloop

from postroad.model.delivery import Delivery, DeliveryState, lane_of
from postroad.model.event import Event, EventType
from postroad.model.ids import IdSource
from postroad.model.message import Accepted, Message
from postroad.model.outcome import Settlement
from postroad.storage.database import Claim, Database
from postroad.storage.driver import sqlite
from postroad.storage.engine import open_database
from postroad.storage.migrate import migrate

_NOW = 1_800_000_000_000
_BODY = b"Subject: a message of four kilobytes\r\n\r\n" + b"x" * 4056
_ids = IdSource(1)


def _accepted(number: int) -> Accepted:
    message_id, delivery_id = _ids.next(_NOW, number % 8), _ids.next(_NOW, number % 8)
    destination = f"d{number % 50}.example.net"
    message = Message(
        id=message_id,
        account_id=1,
        domain_id=1,
        credential_id=1,
        reverse_path="app@news.example.com",
        header_from="app@news.example.com",
        subject="a message of four kilobytes",
        message_id_header=f"<{number}@news.example.com>",
        size=len(_BODY),
        recipient_count=1,
        accepted_at=_NOW,
        client_address="192.0.2.1",
        channel="smtp",
    )
    delivery = Delivery(
        id=delivery_id,
        message_id=message_id,
        account_id=1,
        domain_id=1,
        recipient=f"user{number}@{destination}",
        destination=destination,
        pool="default",
        lane=lane_of(1, destination),
        due_at=_NOW,
        expires_at=_NOW + 259_200_000,
        accepted_at=_NOW,
    )
    facts = {"client_address": "192.0.2.1", "size": len(_BODY), "edits": ["added Feedback-ID"]}
    return Accepted(
        message=message, content=_BODY, deliveries=(delivery,), events=(_event(delivery, EventType.ACCEPTED, facts),)
    )


def _settlement(delivery: Delivery) -> Settlement:
    assert delivery.lease is not None
    facts = {
        "host": "mx1.example.net",
        "host_address": "198.51.100.7",
        "text": "250 2.0.0 Ok: queued as 4BxYz1",
        "tls": {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"},
        "duration_ms": 212,
        "wait_ms": 34,
    }
    return Settlement(
        delivery_id=delivery.id,
        message_id=delivery.message_id,
        owner=delivery.lease.owner,
        epoch=delivery.lease.epoch,
        state=DeliveryState.DELIVERED,
        due_at=_NOW,
        attempts=1,
        last_reply="mx1.example.net: 250 2.0.0 Ok: queued as 4BxYz1",
        maybe_delivered=False,
        events=(_event(delivery, EventType.DELIVERED, facts),),
    )


def _event(delivery: Delivery, kind: EventType, facts: dict[str, object]) -> Event:
    return Event(
        id=_ids.next(_NOW, 3),
        type=kind,
        at=_NOW,
        account_id=1,
        domain_id=1,
        message_id=delivery.message_id,
        delivery_id=delivery.id,
        recipient=delivery.recipient,
        data=facts,
    )


async def _measured(step: str, count: int, work: Callable[[], Awaitable[None]]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{step:<28}{count / wall:>12,.0f}{cpu / count * 1e6:>14.1f}")


async def _run(database: Database, count: int, together: int) -> None:
    offered = [_accepted(number) for number in range(count)]
    claimed: list[Delivery] = []

    async def share(work: Callable[[Sequence[object]], Awaitable[None]], items: Sequence[object]) -> None:
        await asyncio.gather(*(work(items[start::together]) for start in range(together)))

    async def accept_each(items: Sequence[object]) -> None:
        for one in items:
            assert isinstance(one, Accepted)
            await database.accept(one)

    async def claim_all() -> None:
        wish = Claim(pools=("default",), owner=1, now=_NOW, lease_until=_NOW + 60_000, limit=200, per_lane=5)
        while batch := await database.claim(wish):
            claimed.extend(batch)

    async def settle_in_tens(items: Sequence[object]) -> None:
        remaining = iter(items)
        while batch := list(itertools.islice(remaining, 10)):
            await database.settle(batch, {})  # type: ignore[arg-type]

    await _measured(f"accept, {together} together", count, lambda: share(accept_each, offered))
    await _measured("claim, 200 at a time", count, claim_all)
    settlements = [_settlement(delivery) for delivery in claimed]
    await _measured("settle, 10 at a time", count, lambda: share(settle_in_tens, settlements))


async def _main(url: str, data_dir: Path, count: int, together: int) -> None:
    database = await open_database(url, data_dir=data_dir, clock=lambda: _NOW)
    engine = "PostgreSQL" if database.is_postgres else f"SQLite {sqlite.sqlite_version}"
    print(f"{engine}, Python {platform.python_version()}, {count:,} messages of {len(_BODY):,} octets")
    print(f"{'step':<28}{'messages/s':>12}{'CPU µs/message':>16}")
    await _run(database, count, together)
    await database.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", default="", help="database.url of a PostgreSQL database that may be filled")
    parser.add_argument("--data", type=Path, help="folder for the SQLite file")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--together", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.data) as folder:
        migrate(options.postgres, Path(folder))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_main(options.postgres, Path(folder), options.messages, options.together))
