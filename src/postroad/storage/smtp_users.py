"""SMTP users: credentials that submit mail for one sending domain."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, delete, func, select, update

from postroad.model.credential import CredentialKind, SmtpUser, Use
from postroad.model.domain import DomainSettings
from postroad.storage import revision, rows
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict
from postroad.storage.schema.control_plane import accounts, domains, smtp_users

T = TypeVar("T")

_LISTS = ("networks", "allowed_from")
"""Columns that hold a list of texts as JSON."""
_AT_ONCE = 500


class BoundUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user, with what of its sending domain and its account decides whether it may log in."""

    user: SmtpUser
    domain_name: str
    domain_settings: DomainSettings
    is_suspended: bool
    """Its account is."""


def add(connection: Connection, user: SmtpUser) -> SmtpUser:
    """Add a user, whose id is given to it now; raises Conflict where the name is taken."""
    values = _values(user) | {"kind": user.kind.value}
    del values["id"]
    statement = insert_into(connection, smtp_users).values(values).on_conflict_do_nothing()
    row = connection.execute(statement.returning(*smtp_users.c)).mappings().one_or_none()
    if row is None:
        raise Conflict(f"SMTP user {user.username}")
    revision.bump(connection)
    return _user(row)


def apart(
    connection: Connection,
    require: Callable[[SmtpUser, list[SmtpUser]], None],
    user: SmtpUser,
    write: Callable[[Connection, SmtpUser], T],
) -> T:
    """Write a user that others proven by their address must agree with; what ``require`` raises ends the transaction."""
    if user.kind is CredentialKind.ADDRESS:
        # The one row of the revision is a lock that whoever changes a user takes: what is read next stays as it is.
        revision.bump(connection)
        require(user, list_of_kind(connection, CredentialKind.ADDRESS))
    return write(connection, user)


def get(connection: Connection, user_id: int) -> SmtpUser | None:
    """Return a user."""
    row = connection.execute(select(smtp_users).where(smtp_users.c.id == user_id)).mappings().one_or_none()
    return None if row is None else _user(row)


def by_username(connection: Connection, username: str) -> SmtpUser | None:
    """Return the user of a name, in lower case."""
    row = connection.execute(select(smtp_users).where(smtp_users.c.username == username)).mappings().one_or_none()
    return None if row is None else _user(row)


def bound_by_username(connection: Connection, username: str) -> BoundUser | None:
    """Return the user of a name, in lower case, with what it is bound to: one statement, whether there is one or not."""
    found = _bound(connection, smtp_users.c.username == username)
    return found[0] if found else None


def bound_of_kind(connection: Connection, kind: CredentialKind) -> list[BoundUser]:
    """Return the users that are proven in one way, with what each is bound to."""
    return _bound(connection, smtp_users.c.kind == kind.value)


def bound_many(connection: Connection, user_ids: Collection[int]) -> list[BoundUser]:
    """Return those of the users that exist, with what each is bound to."""
    wanted = sorted(user_ids)
    found: list[BoundUser] = []
    for at in range(0, len(wanted), _AT_ONCE):
        found.extend(_bound(connection, smtp_users.c.id.in_(wanted[at : at + _AT_ONCE])))
    return found


def list_all(connection: Connection, *, account_id: int | None = None, domain_id: int | None = None) -> list[SmtpUser]:
    """Return the users of an account, of a domain, or all, in the order of their names."""
    query = select(smtp_users).order_by(smtp_users.c.username)
    if account_id is not None:
        query = query.where(smtp_users.c.account_id == account_id)
    if domain_id is not None:
        query = query.where(smtp_users.c.domain_id == domain_id)
    return [_user(row) for row in connection.execute(query).mappings()]


def page_of(connection: Connection, domain_id: int, limit: int, skip: int) -> tuple[list[SmtpUser], int]:
    """Return some users of a domain in the order of their names, and how many it has."""
    query = select(smtp_users).where(smtp_users.c.domain_id == domain_id).order_by(smtp_users.c.username)
    rows = connection.execute(query.limit(limit).offset(skip)).mappings()
    return [_user(row) for row in rows], count_of(connection, [domain_id])


def count_of(connection: Connection, domain_ids: Collection[int]) -> int:
    """Return how many users are bound to some domains."""
    query = select(func.count()).select_from(smtp_users).where(smtp_users.c.domain_id.in_(domain_ids))
    return connection.execute(query).scalar_one()


def list_of_kind(connection: Connection, kind: CredentialKind) -> list[SmtpUser]:
    """Return the users that are proven in one way."""
    query = select(smtp_users).where(smtp_users.c.kind == kind.value).order_by(smtp_users.c.id)
    return [_user(row) for row in connection.execute(query).mappings()]


def change(connection: Connection, user: SmtpUser, chosen: Collection[str]) -> None:
    """Store the named ones of the values that people may choose for a user; what another one changes meanwhile stays.

    Raises Conflict where the user is gone.
    """
    values = _values(user)
    _set(connection, user.id, {name: values[name] for name in chosen})


def set_password(connection: Connection, user_id: int, password_hash: str) -> None:
    """Store another password's hash; raises Conflict where the user is gone."""
    _set(connection, user_id, {"password_hash": password_hash})


def set_disabled(connection: Connection, user_id: int, at: int | None) -> None:
    """Disable a user, or with null enable it again; raises Conflict where the user is gone."""
    _set(connection, user_id, {"disabled_at": at})


def _set(connection: Connection, user_id: int, values: Mapping[str, Any]) -> None:
    if connection.execute(update(smtp_users).where(smtp_users.c.id == user_id).values(values)).rowcount != 1:
        raise Conflict("SMTP user was removed")
    revision.bump(connection)


def remove(connection: Connection, user_id: int) -> None:
    """Remove a user; raises Conflict where it is gone already."""
    if connection.execute(delete(smtp_users).where(smtp_users.c.id == user_id)).rowcount != 1:
        raise Conflict("SMTP user was removed")
    revision.bump(connection)


def touch(connection: Connection, uses: Mapping[int, Use]) -> None:
    """Note when and from where users were last used; nothing that caches hold changes by it."""
    statement = (
        update(smtp_users)
        .where(smtp_users.c.id == bindparam("user_id"))
        .values(last_used_at=bindparam("at"), last_used_address=bindparam("address"), last_used_tls=bindparam("tls"))
    )
    if uses:
        rows = [
            {"user_id": user_id, "at": use.at, "address": use.client_address, "tls": use.over_tls}
            for user_id, use in sorted(uses.items())
        ]
        connection.execute(statement, rows)


def _bound(connection: Connection, condition: ColumnElement[bool]) -> list[BoundUser]:
    of_domain = (domains.c.name.label("bound_name"), domains.c.settings.label("bound_settings"))
    query = (
        select(*smtp_users.c, *of_domain, accounts.c.suspended_at.label("bound_suspended_at"))
        .join(domains, domains.c.id == smtp_users.c.domain_id)
        .join(accounts, accounts.c.id == smtp_users.c.account_id)
        .where(condition)
        .order_by(smtp_users.c.id)
    )
    return [
        BoundUser(
            user=_user({column.name: row[column.name] for column in smtp_users.c}),
            domain_name=row["bound_name"],
            domain_settings=msgspec.json.decode(row["bound_settings"], type=DomainSettings),
            is_suspended=row["bound_suspended_at"] is not None,
        )
        for row in connection.execute(query).mappings()
    ]


def _values(user: SmtpUser) -> dict[str, Any]:
    values = msgspec.structs.asdict(user)
    values["note"] = rows.storable(user.note)
    return values | {name: msgspec.json.encode(values[name]).decode() for name in _LISTS}


def _user(row: Mapping[str, Any] | RowMapping) -> SmtpUser:
    facts = dict(row)
    lists = {name: msgspec.json.decode(facts[name], type=tuple[str, ...]) for name in _LISTS}
    return SmtpUser(**facts | lists | {"kind": CredentialKind(facts["kind"])})
