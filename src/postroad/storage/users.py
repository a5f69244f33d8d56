"""People who sign in: their rows, and the secrets of their second factor."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, delete, exists, or_, select, update

from postroad.model.user import User
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict
from postroad.storage.schema.control_plane import (
    identities,
    memberships,
    one_time_tokens,
    passkeys,
    users,
    web_sessions,
)
from postroad.storage.secrets import Vault

_HIDDEN = frozenset({"totp_secret", "totp_last_step", "recovery_codes"})
"""Columns that a person's value shows only by what they mean: whether there is a second factor."""

NO_USER = "no user"


class TotpSecret(msgspec.Struct, frozen=True):
    """What an authenticator app shares with us."""

    secret: str
    """Base32, as apps take it."""
    last_step: int
    """The time step of the last code that was used; codes up to it are void."""

    def __repr__(self) -> str:
        return "TotpSecret(…)"


def add(connection: Connection, user: User) -> User:
    """Add a person, whose id is given now; raises Conflict where the email address is taken."""
    values = {
        "account_id": user.account_id,
        "email": user.email,
        "name": user.name,
        "is_operator": user.is_operator,
        "password_hash": user.password_hash,
        "networks": _to_json(user.networks),
        "recovery_codes": "[]",
        "created_at": user.created_at,
        "disabled_at": user.disabled_at,
        "last_signed_in_at": user.last_signed_in_at,
    }
    statement = insert_into(connection, users).values(values).on_conflict_do_nothing().returning(*users.c)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise Conflict(f"user {user.email}")
    return from_row(row)


def get(connection: Connection, user_id: int) -> User | None:
    """Return a person."""
    return _one(connection, select(users).where(users.c.id == user_id))


def by_email(connection: Connection, email: str) -> User | None:
    """Return the person of an email address, in lower case."""
    return _one(connection, select(users).where(users.c.email == email))


def list_all(connection: Connection, account_id: int | None = None) -> list[User]:
    """Return everybody, or whoever may act in an account, in the order of their addresses."""
    query = select(users).order_by(users.c.email)
    if account_id is not None:
        query = query.where(_acts_in(account_id))
    return [from_row(row) for row in connection.execute(query).mappings()]


def list_operators(connection: Connection) -> list[User]:
    """Return the operators, oldest first."""
    query = select(users).where(users.c.is_operator).order_by(users.c.id)
    return [from_row(row) for row in connection.execute(query).mappings()]


def lock_operators(connection: Connection) -> list[User]:
    """Return the operators and keep others from changing them until the transaction ends."""
    query = select(users).where(users.c.is_operator).order_by(users.c.id).with_for_update()
    return [from_row(row) for row in connection.execute(query).mappings()]


def set_name(connection: Connection, user_id: int, name: str) -> None:
    """Store another name."""
    _set(connection, user_id, name=name)


def set_password(connection: Connection, user_id: int, password_hash: str) -> None:
    """Store another password's hash."""
    _set(connection, user_id, password_hash=password_hash)


def set_disabled(connection: Connection, user_id: int, at: int | None) -> None:
    """Disable a person, or with null enable it again."""
    _set(connection, user_id, disabled_at=at)


def set_networks(connection: Connection, user_id: int, networks: Iterable[str]) -> None:
    """Store the networks that a person may sign in from."""
    _set(connection, user_id, networks=_to_json(tuple(networks)))


def set_signed_in(connection: Connection, user_id: int, at: int) -> None:
    """Note when a person signed in last."""
    _set(connection, user_id, last_signed_in_at=at)


def set_totp(
    connection: Connection, vault: Vault, user_id: int, secret: TotpSecret, recovery_codes: Iterable[str]
) -> None:
    """Turn a person's second factor on, with the hashes of its recovery codes."""
    _set(
        connection,
        user_id,
        totp_secret=vault.encrypt(secret.secret.encode(), _place(user_id)),
        totp_last_step=secret.last_step,
        recovery_codes=_to_json(tuple(recovery_codes)),
    )


def clear_totp(connection: Connection, user_id: int) -> None:
    """Turn a person's second factor off."""
    _set(connection, user_id, totp_secret=None, totp_last_step=None, recovery_codes="[]")


def totp_of(connection: Connection, vault: Vault, user_id: int) -> TotpSecret | None:
    """Return a person's second factor, or None where it is off."""
    row = connection.execute(select(users).where(users.c.id == user_id)).mappings().one_or_none()
    if row is None or row["totp_secret"] is None:
        return None
    secret = vault.decrypt(row["totp_secret"], _place(user_id)).decode()
    return TotpSecret(secret, row["totp_last_step"] or 0)


def take_totp_step(connection: Connection, user_id: int, step: int) -> bool:
    """Use the code of a time step up; false where it, or a later one, was used before."""
    unused = or_(users.c.totp_last_step.is_(None), users.c.totp_last_step < step)
    taken = update(users).where(users.c.id == user_id, unused).values(totp_last_step=step)
    return connection.execute(taken).rowcount == 1


def set_recovery_codes(connection: Connection, user_id: int, hashes: Iterable[str]) -> None:
    """Store the hashes of new recovery codes in the place of all earlier ones."""
    _set(connection, user_id, recovery_codes=_to_json(tuple(hashes)))


def take_recovery_code(connection: Connection, user_id: int, code_hash: str) -> bool:
    """Use a recovery code up; false where it is none, or was used before."""
    stored = connection.execute(select(users.c.recovery_codes).where(users.c.id == user_id)).scalar_one_or_none()
    hashes = () if stored is None else _from_json(stored)
    if code_hash not in hashes:
        return False
    left = _to_json(tuple(one for one in hashes if one != code_hash))
    # Two that use the same code at once read the same list: only the first still finds it unchanged.
    unchanged = update(users).where(users.c.id == user_id, users.c.recovery_codes == stored)
    return connection.execute(unchanged.values(recovery_codes=left)).rowcount == 1


def remove(connection: Connection, user_id: int) -> None:
    """Remove a person with all that belongs to it; raises Conflict where it is gone already.

    What it did stays in the audit log.
    """
    for table in (memberships, web_sessions, one_time_tokens, passkeys, identities):
        connection.execute(delete(table).where(table.c.user_id == user_id))
    if connection.execute(delete(users).where(users.c.id == user_id)).rowcount != 1:
        raise Conflict(NO_USER)


def from_row(row: RowMapping) -> User:
    """Read a person from a row with all columns of the table."""
    facts = {name: value for name, value in row.items() if name not in _HIDDEN}
    return User(
        **facts | {"networks": _from_json(row["networks"]), "is_operator": bool(row["is_operator"])},
        has_totp=row["totp_secret"] is not None,
        recovery_codes_left=len(_from_json(row["recovery_codes"])),
    )


def _acts_in(account_id: int) -> ColumnElement[bool]:
    return exists().where(memberships.c.user_id == users.c.id, memberships.c.account_id == account_id)


def _one(connection: Connection, query: Select[tuple[object, ...]]) -> User | None:
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else from_row(row)


def _set(connection: Connection, user_id: int, **values: object) -> None:
    connection.execute(update(users).where(users.c.id == user_id).values(**values))


def _to_json(texts: tuple[str, ...]) -> str:
    return msgspec.json.encode(texts).decode()


def _from_json(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


def _place(user_id: int) -> str:
    return f"users/{user_id}/totp"
