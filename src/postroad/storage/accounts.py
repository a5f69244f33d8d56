"""Accounts: the customers of the installation."""

from sqlalchemy import Connection, RowMapping, select, update

from postroad.model.account import Account
from postroad.storage import revision
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict
from postroad.storage.schema.control_plane import accounts


def add(connection: Connection, name: str, now: int) -> Account:
    """Add an account; raises Conflict where the name is taken."""
    statement = insert_into(connection, accounts).values(name=name, created_at=now)
    row = connection.execute(statement.on_conflict_do_nothing().returning(*accounts.c)).mappings().one_or_none()
    if row is None:
        raise Conflict(f"account {name}")
    revision.bump(connection)
    return _account(row)


def get(connection: Connection, account_id: int) -> Account | None:
    """Return an account."""
    row = connection.execute(select(accounts).where(accounts.c.id == account_id)).mappings().one_or_none()
    return None if row is None else _account(row)


def by_name(connection: Connection, name: str) -> Account | None:
    """Return the account of a name."""
    row = connection.execute(select(accounts).where(accounts.c.name == name)).mappings().one_or_none()
    return None if row is None else _account(row)


def list_all(connection: Connection) -> list[Account]:
    """Return every account, oldest first."""
    return [_account(row) for row in connection.execute(select(accounts).order_by(accounts.c.id)).mappings()]


def set_suspended(connection: Connection, account_id: int, at: int | None) -> None:
    """Suspend an account, or with null resume it."""
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(suspended_at=at))
    revision.bump(connection)


def _account(row: RowMapping) -> Account:
    return Account(**row)
