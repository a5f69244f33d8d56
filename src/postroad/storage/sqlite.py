"""The database in one file: many readers, one writer at a time, every commit synced."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate

from sqlalchemy import Connection

from postroad.model.delivery import Delivery
from postroad.model.event import Event
from postroad.model.message import Accepted, Stored
from postroad.model.outcome import Settlement
from postroad.storage import driver, hot_sqlite
from postroad.storage.checkpointer import Checkpointer
from postroad.storage.database import BatchMeter, Claim, Clock, Database, P, SettleRequest, T, sorted_by_call
from postroad.storage.driver_errors import as_storage_errors
from postroad.storage.errors import CallRepeated, StorageError, StorageUnavailable
from postroad.storage.lanes import LaneRounds
from postroad.storage.location import SqliteFile
from postroad.storage.writer import Operation, Writer

ONE_WRITER = "a node writes to this file, and several writers can damage it with this SQLite: stop the node first"


class SqliteDatabase(Database):
    """An SQLite file shared by the workers of one node."""

    is_postgres = False

    def __init__(
        self,
        place: SqliteFile,
        clock: Clock,
        meter: BatchMeter,
        *,
        read_connections: int,
        is_checkpointer: bool,
        is_writable: bool,
    ) -> None:
        super().__init__(clock)
        self._place = place
        self._is_writable = is_writable
        self._raw = driver.connect(place.path)
        self._write_engine = driver.engine_over(self._raw)
        self._connection = self._write_engine.connect()
        self._rounds = LaneRounds()
        self._writer = Writer(self._raw, place.lock_path, self._forget_transaction, meter)
        self._read_engine = driver.reading_engine(place.path, read_connections)
        self._readers = ThreadPoolExecutor(read_connections, "sqlite-reader")
        self._checkpointer = Checkpointer(place.path, self._writer.turn) if is_checkpointer else None
        self._is_closed = False

    async def read(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``fn`` in a snapshot on one of the read connections."""
        return await self._in_reader(lambda connection: fn(connection, *args, **kwargs))

    async def write(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``fn`` in the writer's next transaction."""
        result: T = await self._submit(self._write, lambda: fn(self._connection, *args, **kwargs))
        return result

    async def accept(self, accepted: Accepted) -> Stored:
        """Store a message with all that belongs to it."""
        stored: Stored = await self._submit(self._accept, accepted)
        if stored.is_call_repeated:
            raise CallRepeated
        if stored.accepted is not None:
            self._announce_due((stored.accepted,))
        return stored

    async def accept_all(self, batch: Sequence[Accepted]) -> Sequence[Stored]:
        """Store several messages in one commit."""
        stored: Sequence[Stored] = await self._submit(self._accept_calls, batch)
        if stored[0].is_call_repeated:
            raise CallRepeated
        self._announce_due(one.accepted for one in stored if one.accepted is not None)
        return stored

    async def claim(self, claim: Claim) -> list[Delivery]:
        """Lease due deliveries; an empty queue costs one read."""
        if not await self._in_reader(lambda connection: hot_sqlite.is_anything_due(_raw_of(connection), claim)):
            return []
        result: list[Delivery] = await self._submit(self._claim, claim)
        return result

    async def settle(self, settlements: Sequence[Settlement], reports: Mapping[int, Accepted]) -> frozenset[int]:
        """Record what attempts came to."""
        result: frozenset[int] = await self._submit(self._settle, SettleRequest(settlements, reports))
        self._announce_due(reports[identifier] for identifier in result & reports.keys())
        return result

    async def renew(self, owner: int, delivery_ids: Sequence[int], until: int) -> frozenset[int]:
        """Lengthen leases."""
        result: frozenset[int] = await self._submit(
            self._write, lambda: hot_sqlite.renew(self._raw, owner, delivery_ids, until)
        )
        return result

    async def release(self, owner: int, delivery_ids: Sequence[int], due_at: int | None) -> None:
        """Give leases back."""
        await self._submit(self._write, lambda: hot_sqlite.release(self._raw, owner, delivery_ids, due_at))

    async def release_owner(self, owner: int) -> int:
        """Free what a dead incarnation held."""
        result: int = await self._submit(self._write, lambda: hot_sqlite.release_owner(self._raw, owner))
        return result

    async def append_events(self, events: Sequence[Event]) -> None:
        """Write events that stand alone."""
        await self._submit(self._events, events)

    async def close(self) -> None:
        """Finish what was handed in; the last process to close also copies the write-ahead log back."""
        if not self._is_closed:
            self._is_closed = True
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        if self._checkpointer is not None:
            self._checkpointer.close()
        self._writer.close()
        self._readers.shutdown()
        self._read_engine.dispose()
        self._connection.close()
        self._write_engine.dispose()
        self._raw.close()

    async def _in_reader(self, work: Callable[[Connection], T]) -> T:
        if self._is_closed:
            raise StorageUnavailable("the database has been closed")
        with as_storage_errors(self._place):
            return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def _read(self, work: Callable[[Connection], T]) -> T:
        with self._read_engine.connect() as connection, connection.begin():
            return work(connection)

    async def _submit(self, operation: Operation, payload: Any) -> Any:
        if not self._is_writable:
            raise StorageError(ONE_WRITER)
        if self._is_closed:
            # Known here before the writer's thread ends: what came behind its last job would wait for ever.
            raise StorageUnavailable("the database has been closed")
        with as_storage_errors(self._place):
            return await self._writer.submit(operation, payload)

    def _write(self, batch: Sequence[Callable[[], Any]]) -> Sequence[Any]:
        return [job() for job in batch]

    def _accept(self, batch: Sequence[Accepted]) -> Sequence[Stored]:
        return hot_sqlite.accept(self._raw, batch, self.outbox)

    def _accept_calls(self, calls: Sequence[Sequence[Accepted]]) -> Sequence[Sequence[Stored]]:
        return sorted_by_call(calls, hot_sqlite.accept(self._raw, [one for call in calls for one in call], self.outbox))

    def _claim(self, batch: Sequence[Claim]) -> Sequence[list[Delivery]]:
        return [hot_sqlite.claim(self._raw, claim, self._rounds) for claim in batch]

    def _settle(self, batch: Sequence[SettleRequest]) -> Sequence[frozenset[int]]:
        return hot_sqlite.settle(self._raw, batch, self.clock(), self.outbox)

    def _events(self, batch: Sequence[Sequence[Event]]) -> Sequence[None]:
        hot_sqlite.append_events(self._raw, [event for events in batch for event in events], self.outbox)
        return [None] * len(batch)

    def _forget_transaction(self) -> None:
        """Tell SQLAlchemy that the writer has ended the transaction it may think it is in."""
        if self._connection.in_transaction():
            self._connection.rollback()


def _raw_of(connection: Connection) -> Any:
    return connection.connection.driver_connection
