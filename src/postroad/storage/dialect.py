"""The few statements that both engines understand and SQLAlchemy keeps in their dialects."""

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Table, literal_column
from sqlalchemy.dialects import postgresql, sqlite

from postroad.model.delivery import DeliveryState
from postroad.storage.schema.data_plane import deliveries

T = TypeVar("T", bound=tuple[Any, ...])


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
