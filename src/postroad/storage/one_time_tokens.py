"""One-time tokens: links and tickets that prove something once; only their hashes are stored."""

from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, delete, select

from postroad.storage.dialect import insert_into
from postroad.storage.schema.control_plane import one_time_tokens


class OneTimeToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a token stands for."""

    purpose: str
    """What it may be used for, such as ``reset_password``."""
    user_id: int | None
    data: dict[str, Any] = {}
    created_at: int
    expires_at: int


def add(connection: Connection, token_hash: bytes, token: OneTimeToken) -> None:
    """Store a token."""
    connection.execute(one_time_tokens.insert().values(_values(token_hash, token)))


def add_once(connection: Connection, token_hash: bytes, token: OneTimeToken) -> bool:
    """Store a token that was used; false where it was stored before."""
    statement = insert_into(connection, one_time_tokens).values(_values(token_hash, token))
    return connection.execute(statement.on_conflict_do_nothing()).rowcount == 1


def replace(connection: Connection, token_hash: bytes, token: OneTimeToken) -> None:
    """Store a token in the place of all others that its person has for the same purpose."""
    remove_of_user(connection, token.user_id, token.purpose)
    add(connection, token_hash, token)


def look(connection: Connection, token_hash: bytes, purpose: str, now: int) -> OneTimeToken | None:
    """Return a token without using it up."""
    query = select(one_time_tokens).where(
        one_time_tokens.c.token_hash == token_hash,
        one_time_tokens.c.purpose == purpose,
        one_time_tokens.c.expires_at > now,
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _token(row)


def of_user(connection: Connection, user_id: int, purpose: str) -> list[OneTimeToken]:
    """Return the tokens that a person has for a purpose, expired ones too."""
    query = select(one_time_tokens).where(one_time_tokens.c.user_id == user_id, one_time_tokens.c.purpose == purpose)
    return [_token(row) for row in connection.execute(query.order_by(one_time_tokens.c.created_at)).mappings()]


def take(connection: Connection, token_hash: bytes, purpose: str, now: int) -> OneTimeToken | None:
    """Use a token up and return it: of several that try at once, one gets it."""
    taken = delete(one_time_tokens).where(
        one_time_tokens.c.token_hash == token_hash,
        one_time_tokens.c.purpose == purpose,
        one_time_tokens.c.expires_at > now,
    )
    row = connection.execute(taken.returning(*one_time_tokens.c)).mappings().one_or_none()
    return None if row is None else _token(row)


def remove_of_user(connection: Connection, user_id: int | None, purpose: str | None = None) -> None:
    """Void a person's tokens, of one purpose or of all."""
    found = delete(one_time_tokens).where(one_time_tokens.c.user_id == user_id)
    connection.execute(found if purpose is None else found.where(one_time_tokens.c.purpose == purpose))


def delete_before(connection: Connection, instant: int, limit: int) -> int:
    """Remove at most ``limit`` tokens that expired before ``instant``; returns how many."""
    expired = select(one_time_tokens.c.token_hash).where(one_time_tokens.c.expires_at < instant).limit(limit)
    return connection.execute(delete(one_time_tokens).where(one_time_tokens.c.token_hash.in_(expired))).rowcount


def _values(token_hash: bytes, token: OneTimeToken) -> dict[str, Any]:
    data = msgspec.json.encode(token.data).decode()
    return msgspec.structs.asdict(token) | {"token_hash": token_hash, "data": data}


def _token(row: RowMapping) -> OneTimeToken:
    facts = {name: row[name] for name in OneTimeToken.__struct_fields__}
    return OneTimeToken(**facts | {"data": msgspec.json.decode(row["data"])})
