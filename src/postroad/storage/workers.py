"""Workers: who is alive, under which number their ids are made, and what their leases are held by."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, RowMapping, delete, select, update

from postroad.model.delivery import DeliveryState
from postroad.model.ids import WORKERS
from postroad.storage import webhook_calls
from postroad.storage.dialect import stands_in
from postroad.storage.errors import StorageError
from postroad.storage.schema.control_plane import installation, revision, workers
from postroad.storage.schema.data_plane import deliveries


class WorkerLease(msgspec.Struct, frozen=True):
    """What a worker has been given to work with."""

    number: int
    """Names the worker in ids; no other live worker has it."""
    incarnation: int
    """Owns leases of deliveries; never given twice."""


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A worker, as the others see it."""

    number: int
    incarnation: int
    node: str
    pid: int
    pools: tuple[str, ...]
    roles: tuple[str, ...]
    started_at: int
    heartbeat_at: int


def lease(
    connection: Connection, *, node: str, pid: int, pools: Sequence[str], roles: Sequence[str], now: int
) -> WorkerLease:
    """Register a worker; raises StorageError when all numbers are taken."""
    statement = update(installation).values(last_incarnation=installation.c.last_incarnation + 1)
    incarnation: int = connection.execute(statement.returning(installation.c.last_incarnation)).scalar_one()
    taken = set(connection.execute(select(workers.c.number)).scalars())
    # From number to number, so that one just freed rests: its last holder may have made ids ahead of the clock.
    numbers = ((incarnation + offset) % WORKERS for offset in range(WORKERS))
    number = next((number for number in numbers if number not in taken), None)
    if number is None:
        raise StorageError(f"all {WORKERS} worker numbers are taken")
    connection.execute(
        workers.insert().values(
            number=number,
            incarnation=incarnation,
            node=node,
            pid=pid,
            pools=_to_json(pools),
            roles=_to_json(roles),
            started_at=now,
            heartbeat_at=now,
        )
    )
    return WorkerLease(number, incarnation)


def heartbeat(connection: Connection, incarnation: int, now: int) -> bool:
    """Say that a worker is alive; false where it was given up and must begin anew."""
    statement = update(workers).where(workers.c.incarnation == incarnation).values(heartbeat_at=now)
    return connection.execute(statement).rowcount == 1


def live(connection: Connection, since: int) -> list[Worker]:
    """Return the workers that gave a sign of life at or after ``since``, by number."""
    query = select(workers).where(workers.c.heartbeat_at >= since).order_by(workers.c.number)
    return [_worker(row) for row in connection.execute(query).mappings()]


def remove(connection: Connection, incarnation: int) -> None:
    """Free the number of a worker that ended, and the receivers of calls that it served.

    Its leases of deliveries are freed by ``Database.release_owner``.
    """
    webhook_calls.release_owners(connection, (incarnation,))
    connection.execute(delete(workers).where(workers.c.incarnation == incarnation))


def expire(connection: Connection, before: int) -> tuple[int, ...]:
    """Give up the workers silent since ``before``, and free what they held; returns their incarnations."""
    silent = select(workers.c.incarnation).where(workers.c.heartbeat_at < before)
    gone = tuple(connection.execute(silent).scalars())
    if gone:
        connection.execute(
            update(deliveries)
            .where(stands_in(DeliveryState.LEASED), deliveries.c.lease_owner.in_(gone))
            .values(state=DeliveryState.SCHEDULED.value, lease_owner=None, lease_until=None, maybe_delivered=True)
        )
        webhook_calls.release_owners(connection, gone)
        connection.execute(delete(workers).where(workers.c.incarnation.in_(gone)))
    return gone


def touch(connection: Connection) -> None:
    """Write a row as it is: shows that the database can be written."""
    connection.execute(update(revision).values(revision=revision.c.revision))


def _to_json(names: Sequence[str]) -> str:
    return msgspec.json.encode(list(names)).decode()


def _worker(row: RowMapping) -> Worker:
    facts = dict(row)
    lists = {name: msgspec.json.decode(facts[name], type=tuple[str, ...]) for name in ("pools", "roles")}
    return Worker(**facts | lists)
