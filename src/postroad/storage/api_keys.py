"""API keys: of each, what people know it by and the digest that proves it; the key itself is never stored."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, delete, select, update

from postroad.model.audit import AuditEntry
from postroad.model.credential import ApiKey
from postroad.storage import audit, revision
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict
from postroad.storage.rows import storable
from postroad.storage.schema.control_plane import api_keys


class StoredKey(msgspec.Struct, frozen=True):
    """A key with what proves it."""

    key: ApiKey
    secret_hash: bytes

    def __repr__(self) -> str:
        return f"StoredKey({self.key.prefix!r})"


class Use(msgspec.Struct, frozen=True):
    """A key that was offered, when and from where."""

    at: int
    address: str


def add(connection: Connection, key: ApiKey, secret_hash: bytes) -> ApiKey:
    """Add a key, whose id is given to it now; raises Conflict where its prefix is taken."""
    values = msgspec.structs.asdict(key)
    del values["id"]
    values |= {"note": storable(key.note), "networks": _to_json(key.networks), "secret_hash": secret_hash}
    statement = insert_into(connection, api_keys).values(values).on_conflict_do_nothing()
    row = connection.execute(statement.returning(*api_keys.c)).mappings().one_or_none()
    if row is None:
        raise Conflict(f"API key {key.prefix}")
    revision.bump(connection)
    return _key(row)


def get(connection: Connection, key_id: int) -> ApiKey | None:
    """Return a key."""
    row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings().one_or_none()
    return None if row is None else _key(row)


def by_prefix(connection: Connection, prefix: str) -> StoredKey | None:
    """Return the key that begins with a prefix, with its digest."""
    row = connection.execute(select(api_keys).where(api_keys.c.prefix == prefix)).mappings().one_or_none()
    return None if row is None else StoredKey(_key(row), row["secret_hash"])


def list_all(connection: Connection, account_id: int | None = None, domain_id: int | None = None) -> list[ApiKey]:
    """Return the keys of a domain, of an account, or all, oldest first."""
    query = select(api_keys).order_by(api_keys.c.id)
    if account_id is not None:
        query = query.where(api_keys.c.account_id == account_id)
    if domain_id is not None:
        query = query.where(api_keys.c.domain_id == domain_id)
    return [_key(row) for row in connection.execute(query).mappings()]


def change(
    connection: Connection,
    key_id: int,
    choose: Callable[[ApiKey], ApiKey],
    entry_of_change: Callable[[ApiKey, ApiKey], AuditEntry],
) -> ApiKey:
    """Give a key the note and networks that ``choose`` makes of it as it is now, with an entry if they are other ones.

    Nobody changes it meanwhile, so that two who do so at once both have what they chose. What ``choose`` raises ends the
    transaction; raises Conflict where the key is gone.
    """
    query = select(api_keys).where(api_keys.c.id == key_id).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise Conflict("API key was removed")
    before = _key(row)
    after = choose(before)
    if after == before:
        return before
    values = {"note": storable(after.note), "networks": _to_json(after.networks)}
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(values))
    revision.bump(connection)
    audit.record(connection, entry_of_change(before, after))
    return after


def remove(connection: Connection, key_id: int) -> None:
    """Remove a key, which revokes it; raises Conflict where it is gone already."""
    if connection.execute(delete(api_keys).where(api_keys.c.id == key_id)).rowcount != 1:
        raise Conflict("API key was removed")
    revision.bump(connection)


def touch(connection: Connection, uses: Mapping[int, Use], refusals: Mapping[int, Use]) -> None:
    """Note when keys were last used, and last refused for the address; nothing that caches hold changes by it."""
    for kind, noted in (("used", uses), ("refused", refusals)):
        if noted:
            columns: dict[str, BindParameter[Any]] = {
                f"last_{kind}_at": bindparam("at"),
                f"last_{kind}_address": bindparam("address"),
            }
            statement = update(api_keys).where(api_keys.c.id == bindparam("key_id")).values(**columns)
            rows = [{"key_id": key_id, **msgspec.structs.asdict(noted[key_id])} for key_id in sorted(noted)]
            connection.execute(statement, rows)


def _to_json(networks: tuple[str, ...]) -> str:
    return msgspec.json.encode(networks).decode()


def _key(row: RowMapping) -> ApiKey:
    facts = {name: value for name, value in row.items() if name != "secret_hash"}
    return ApiKey(**facts | {"networks": msgspec.json.decode(facts["networks"], type=tuple[str, ...])})
