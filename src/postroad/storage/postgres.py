"""The database on a PostgreSQL server, shared by any number of nodes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Concatenate

import asyncpg
import structlog
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from postroad.model.delivery import Delivery
from postroad.model.event import Event
from postroad.model.message import Accepted, Stored
from postroad.model.outcome import Settlement
from postroad.storage import hot_postgres
from postroad.storage.database import (
    BatchMeter,
    Claim,
    Clock,
    Database,
    DueListener,
    P,
    SettleRequest,
    T,
    pools_made_due,
    sorted_by_call,
)
from postroad.storage.driver_errors import as_storage_errors
from postroad.storage.errors import CallRepeated, StorageUnavailable
from postroad.storage.gathering import Gathering
from postroad.storage.lanes import LaneRounds
from postroad.storage.location import PostgresServer
from postroad.storage.outage import Outage
from postroad.storage.server import arguments_for, connect

log = structlog.get_logger()

_CHANNEL = "postroad_due"
_NOTIFY_INTERVAL_S = 0.05
_RECONNECT_S = 1.0
_ACQUIRE_TIMEOUT_S = 30
_COMMAND_TIMEOUT_S = 60
_CUT_OFF = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
# One each for accepting, accepting several together, claiming, settling, events and what comes beside them.
_HOT_CONNECTIONS = 7
# A queue table swings between empty and large faster than its statistics follow: the plans that use its indexes are
# the right ones at every size.
_SERVER_SETTINGS = {"enable_seqscan": "off", "enable_bitmapscan": "off", "jit": "off"}


async def open_postgres(
    place: PostgresServer, clock: Clock, meter: BatchMeter, *, read_connections: int
) -> "PostgresDatabase":
    """Connect to the server; raises StorageError."""
    with as_storage_errors(place):
        durability = {"synchronous_commit": await _synced_commit(place)}
        pool = await asyncpg.create_pool(
            **arguments_for(place, _SERVER_SETTINGS | durability),
            min_size=1,
            max_size=_HOT_CONNECTIONS,
            command_timeout=_COMMAND_TIMEOUT_S,
        )
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(connect, place, durability),
        pool_size=read_connections,
        max_overflow=1,
        pool_pre_ping=True,
    )
    return PostgresDatabase(place, clock, meter, pool, engine)


async def _synced_commit(place: PostgresServer) -> str:
    """Return how commits are to be synced: as the operator has it, but never not at all."""
    connection = await connect(place, command_timeout=_COMMAND_TIMEOUT_S)
    try:
        if await connection.fetchval("SELECT current_setting('fsync')") == "off":
            log.warning("database_not_synced", reason="fsync is off: a crash of its server loses accepted mail")
        found: str = await connection.fetchval("SELECT current_setting('synchronous_commit')")
    finally:
        await connection.close()
    return "on" if found == "off" else found


class PostgresDatabase(Database):
    """A PostgreSQL database."""

    is_postgres = True

    def __init__(self, place: PostgresServer, clock: Clock, meter: BatchMeter, pool: Any, engine: AsyncEngine) -> None:
        super().__init__(clock)
        self._place = place
        self._pool = pool
        self._engine = engine
        self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._rounds = LaneRounds()
        self._accepts = Gathering("accept", self._accept, meter)
        self._call_accepts = Gathering("accept_calls", self._accept_calls, meter)
        self._settles = Gathering("settle", self._settle, meter)
        self._event_appends = Gathering("events", self._append_events, meter)
        self._pools_to_notify: set[str] = set()
        self._notifier: asyncio.Task[None] | None = None
        self._is_closed = False
        self._deafness = Outage("listening_interrupted")

    async def read(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``fn`` in a read-only snapshot."""
        self._require_open()
        with as_storage_errors():
            async with self._reader.connect() as connection:
                return await connection.run_sync(lambda sync: fn(sync, *args, **kwargs))

    async def write(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``fn`` in a transaction of its own."""
        self._require_open()
        with as_storage_errors():
            async with self._engine.begin() as connection:
                return await connection.run_sync(lambda sync: fn(sync, *args, **kwargs))

    async def accept(self, accepted: Accepted) -> Stored:
        """Store a message with all that belongs to it, then tell the other nodes."""
        self._require_open()
        with as_storage_errors():
            stored: Stored = await self._accepts.submit(accepted)
        if stored.is_call_repeated:
            raise CallRepeated
        if stored.accepted is not None and (pools := pools_made_due((stored.accepted,))):
            self._notify_soon(pools)
        return stored

    async def accept_all(self, batch: Sequence[Accepted]) -> Sequence[Stored]:
        """Store several messages in one commit, then tell the other nodes."""
        self._require_open()
        with as_storage_errors():
            stored: Sequence[Stored] = await self._call_accepts.submit(batch)
        if stored[0].is_call_repeated:
            raise CallRepeated
        if pools := pools_made_due(one.accepted for one in stored if one.accepted is not None):
            self._notify_soon(pools)
        return stored

    async def claim(self, claim: Claim) -> list[Delivery]:
        """Lease due deliveries; an empty queue costs one statement."""
        self._require_open()
        with as_storage_errors():
            async with self._acquire() as raw:
                if not await hot_postgres.is_anything_due(raw, claim):
                    return []
                async with raw.transaction():
                    return await hot_postgres.claim(raw, claim, self._rounds)

    async def settle(self, settlements: Sequence[Settlement], reports: Mapping[int, Accepted]) -> frozenset[int]:
        """Record what attempts came to."""
        self._require_open()
        with as_storage_errors():
            result: frozenset[int] = await self._settles.submit(SettleRequest(settlements, reports))
        if pools := pools_made_due(reports[identifier] for identifier in result & reports.keys()):
            self._notify_soon(pools)
        return result

    async def renew(self, owner: int, delivery_ids: Sequence[int], until: int) -> frozenset[int]:
        """Lengthen leases."""
        self._require_open()
        with as_storage_errors():
            async with self._transaction() as raw:
                return await hot_postgres.renew(raw, owner, delivery_ids, until)

    async def release(self, owner: int, delivery_ids: Sequence[int], due_at: int | None) -> None:
        """Give leases back."""
        self._require_open()
        with as_storage_errors():
            async with self._transaction() as raw:
                await hot_postgres.release(raw, owner, delivery_ids, due_at)

    async def release_owner(self, owner: int) -> int:
        """Free what a dead incarnation held."""
        self._require_open()
        with as_storage_errors():
            async with self._transaction() as raw:
                return await hot_postgres.release_owner(raw, owner)

    async def append_events(self, events: Sequence[Event]) -> None:
        """Write events that stand alone."""
        self._require_open()
        with as_storage_errors():
            await self._event_appends.submit(events)

    async def listen(self, callback: DueListener) -> None:
        """Call ``callback`` when any node stores due deliveries, until cancelled; connects again when cut off."""
        while True:
            try:
                with as_storage_errors():
                    await self._listen_once(callback)
            except StorageUnavailable as error:
                self._deafness.failed(error)
            await asyncio.sleep(_RECONNECT_S)

    async def close(self) -> None:
        """Finish what was handed in and close the connections."""
        if self._is_closed:
            return
        self._is_closed = True
        for gathering in (self._accepts, self._call_accepts, self._settles, self._event_appends):
            await gathering.finish()
        if self._notifier is not None:
            await self._notifier
        await self._engine.dispose()
        await self._pool.close()

    async def _accept(self, batch: Sequence[Accepted]) -> Sequence[Stored]:
        async with self._transaction() as raw:
            return await hot_postgres.accept(raw, batch, self.outbox)

    async def _accept_calls(self, calls: Sequence[Sequence[Accepted]]) -> Sequence[Sequence[Stored]]:
        async with self._transaction() as raw:
            return sorted_by_call(
                calls, await hot_postgres.accept(raw, [one for call in calls for one in call], self.outbox)
            )

    async def _settle(self, batch: Sequence[SettleRequest]) -> Sequence[frozenset[int]]:
        async with self._transaction() as raw:
            return await hot_postgres.settle(raw, batch, self.clock(), self.outbox)

    async def _append_events(self, batch: Sequence[Sequence[Event]]) -> Sequence[None]:
        async with self._transaction() as raw:
            await hot_postgres.append_events(raw, [event for events in batch for event in events], self.outbox)
        return [None] * len(batch)

    @asynccontextmanager
    async def _acquire(self) -> AsyncIterator[Any]:
        try:
            async with self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as raw:
                yield raw
        except _CUT_OFF:
            # The server went away, and with it the other connections that still look open.
            await self._pool.expire_connections()
            raise

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Any]:
        async with self._acquire() as raw, raw.transaction():
            yield raw

    def _require_open(self) -> None:
        if self._is_closed:
            raise StorageUnavailable("the database has been closed")

    def _notify_soon(self, pools: frozenset[str]) -> None:
        self._pools_to_notify |= pools
        if self._notifier is None and not self._is_closed:
            self._notifier = asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        """Send what has come together; after each message there is a pause in which more comes together."""
        try:
            while self._pools_to_notify:
                # Outside of any other transaction: a notification within it makes commits wait for each other.
                async with self._acquire() as raw:
                    payload = "\n".join(sorted(self._pools_to_notify))
                    self._pools_to_notify.clear()
                    await raw.execute("SELECT pg_notify($1, $2)", _CHANNEL, payload)
                if not self._is_closed:
                    await asyncio.sleep(_NOTIFY_INTERVAL_S)
        except (OSError, asyncpg.PostgresError, *_CUT_OFF) as error:
            # Only a hint is lost: the other nodes poll.
            log.warning("notify_failed", error=str(error))
        finally:
            self._notifier = None

    async def _listen_once(self, callback: DueListener) -> None:
        connection = await connect(self._place, command_timeout=_COMMAND_TIMEOUT_S)
        ended = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _connection: ended.set())
            await connection.add_listener(
                _CHANNEL, lambda _connection, _pid, _channel, payload: callback(frozenset(payload.split("\n")))
            )
            self._deafness.passed()
            # What was announced while nobody listened is not known.
            callback(frozenset())
            await ended.wait()
        finally:
            await connection.close(timeout=1)
