"""SMTP users: credentials that submit mail for one sending domain."""

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, RowMapping, bindparam, delete, select, update

from postroad.model.credential import CredentialKind, SmtpUser
from postroad.storage import revision
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict
from postroad.storage.schema import smtp_users

_LISTS = ("networks", "allowed_from")
"""Columns that hold a list of texts as JSON."""


def add(connection: Connection, user: SmtpUser) -> SmtpUser:
    """Add a user, whose id is given to it now; raises Conflict where the name is taken."""
    values = msgspec.structs.asdict(user)
    del values["id"]
    values |= {"kind": user.kind.value} | {name: msgspec.json.encode(values[name]).decode() for name in _LISTS}
    statement = insert_into(connection, smtp_users).values(values).on_conflict_do_nothing()
    row = connection.execute(statement.returning(*smtp_users.c)).mappings().one_or_none()
    if row is None:
        raise Conflict(f"SMTP user {user.username}")
    revision.bump(connection)
    return _user(row)


def get(connection: Connection, user_id: int) -> SmtpUser | None:
    """Return a user."""
    row = connection.execute(select(smtp_users).where(smtp_users.c.id == user_id)).mappings().one_or_none()
    return None if row is None else _user(row)


def by_username(connection: Connection, username: str) -> SmtpUser | None:
    """Return the user of a name, in lower case."""
    row = connection.execute(select(smtp_users).where(smtp_users.c.username == username)).mappings().one_or_none()
    return None if row is None else _user(row)


def list_all(connection: Connection, domain_id: int | None = None) -> list[SmtpUser]:
    """Return the users of a domain, or of all, in the order of their names."""
    query = select(smtp_users).order_by(smtp_users.c.username)
    if domain_id is not None:
        query = query.where(smtp_users.c.domain_id == domain_id)
    return [_user(row) for row in connection.execute(query).mappings()]


def list_of_kind(connection: Connection, kind: CredentialKind) -> list[SmtpUser]:
    """Return the users that are proven in one way."""
    query = select(smtp_users).where(smtp_users.c.kind == kind.value).order_by(smtp_users.c.id)
    return [_user(row) for row in connection.execute(query).mappings()]


def set_password(connection: Connection, user_id: int, password_hash: str) -> None:
    """Store another password's hash."""
    connection.execute(update(smtp_users).where(smtp_users.c.id == user_id).values(password_hash=password_hash))
    revision.bump(connection)


def set_disabled(connection: Connection, user_id: int, at: int | None) -> None:
    """Disable a user, or with null enable it again."""
    connection.execute(update(smtp_users).where(smtp_users.c.id == user_id).values(disabled_at=at))
    revision.bump(connection)


def remove(connection: Connection, user_id: int) -> None:
    """Remove a user."""
    connection.execute(delete(smtp_users).where(smtp_users.c.id == user_id))
    revision.bump(connection)


def touch(connection: Connection, uses: Mapping[int, int]) -> None:
    """Note when users were last used; nothing that caches hold changes by it."""
    statement = update(smtp_users).where(smtp_users.c.id == bindparam("user_id")).values(last_used_at=bindparam("at"))
    if uses:
        connection.execute(statement, [{"user_id": user_id, "at": uses[user_id]} for user_id in sorted(uses)])


def _user(row: RowMapping) -> SmtpUser:
    facts = dict(row)
    lists = {name: msgspec.json.decode(facts[name], type=tuple[str, ...]) for name in _LISTS}
    return SmtpUser(**facts | lists | {"kind": CredentialKind(facts["kind"])})
