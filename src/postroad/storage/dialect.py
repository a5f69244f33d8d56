"""The few statements that both engines understand and SQLAlchemy keeps in their dialects."""

from collections.abc import Iterable
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Table, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite

from postroad.model.delivery import DeliveryState
from postroad.storage.schema.data_plane import deliveries

T = TypeVar("T", bound=tuple[Any, ...])

_PLANNING = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "plan_cache_mode": "force_custom_plan",
}


def insert_into(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that can say ON CONFLICT."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def claimed_rows(query: Select[T]) -> Select[T]:
    """Return a query that leaves out the rows another transaction works on; SQLite has only one at a time."""
    return query.with_for_update(skip_locked=True)


def stands_in(state: DeliveryState) -> ColumnElement[bool]:
    """Return the condition in the words of the partial indexes: a bound value would keep them from being used."""
    return deliveries.c.state == literal_column(f"'{state.value}'")


def keep_to_indexes(connection: Connection) -> None:
    """Keep PostgreSQL to the indexes: its statistics lag behind a table that grows by thousands of rows a second."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(*(func.set_config(name, value, True) for name, value in _PLANNING.items())))


_TURNS = 64
_TURNS_OF = 0x706F7374
"""Tells these locks from those of others in the same database."""


def take_turns(connection: Connection, things: Iterable[int]) -> None:
    """Let no other transaction that takes turns for one of these things go on until this one has ended.

    What is read after it holds what those before have written. SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        # In one order, and few: a lock for each thing would use up the server's table of them.
        for turn in sorted({thing % _TURNS for thing in things}):
            connection.execute(select(func.pg_advisory_xact_lock(_TURNS_OF, turn)))
