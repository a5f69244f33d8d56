"""DKIM keys of sending domains; their private halves are stored encrypted."""

import msgspec
from sqlalchemy import Connection, RowMapping, select, update

from postroad.model.domain import DkimKey, KeyAlgorithm, KeyState
from postroad.policy.records import key_record
from postroad.storage import revision
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict
from postroad.storage.schema.control_plane import dkim_keys, domains
from postroad.storage.secrets import Vault


def add(connection: Connection, vault: Vault, key: DkimKey) -> DkimKey:
    """Add a key, whose id is given to it now; raises Conflict where its selector has a key that is not retired."""
    sealed = vault.encrypt(key.private_key, _place(key.domain_id, key.selector))
    values = _values(key) | {"domain_id": key.domain_id, "created_at": key.created_at, "private_key": sealed}
    statement = insert_into(connection, dkim_keys).values(values).on_conflict_do_nothing()
    row = connection.execute(statement.returning(*dkim_keys.c)).mappings().one_or_none()
    if row is None:
        raise Conflict(f"selector {key.selector}")
    revision.bump(connection)
    return _key(row, vault)


def of_domain(connection: Connection, vault: Vault, domain_id: int) -> list[DkimKey]:
    """Return a domain's keys with their private halves, oldest first."""
    query = select(dkim_keys).where(dkim_keys.c.domain_id == domain_id).order_by(dkim_keys.c.id)
    return [_key(row, vault) for row in connection.execute(query).mappings()]


def in_use(
    connection: Connection, account_id: int, *, name: str = "", selector: str = "", limit: int, skip: int = 0
) -> list[tuple[str, DkimKey]]:
    """Return keys of an account's domains that are not retired, each with its domain's name and without its secret."""
    query = select(dkim_keys, domains.c.name).join(domains, domains.c.id == dkim_keys.c.domain_id)
    query = query.where(domains.c.account_id == account_id, dkim_keys.c.state != KeyState.RETIRED.value)
    if name:
        query = query.where(domains.c.name == name)
    if selector:
        query = query.where(dkim_keys.c.selector == selector)
    rows = connection.execute(query.order_by(domains.c.name, dkim_keys.c.id).limit(limit).offset(skip)).mappings()
    return [(row["name"], _without_secret(row)) for row in rows]


def replace(connection: Connection, key: DkimKey) -> bool:
    """Store a key's changed state; the key itself stays. False where it is gone."""
    result = connection.execute(update(dkim_keys).where(dkim_keys.c.id == key.id).values(_values(key)))
    revision.bump(connection)
    return result.rowcount == 1


def published_records(connection: Connection) -> dict[tuple[str, str], str]:
    """Return the TXT record that each key has in DNS, by selector and domain."""
    query = select(dkim_keys, domains.c.name).join(domains, domains.c.id == dkim_keys.c.domain_id)
    found = connection.execute(query.order_by(dkim_keys.c.id)).mappings()
    return {(row["selector"], row["name"]): key_record(_without_secret(row)) for row in found}


def _values(key: DkimKey) -> dict[str, object]:
    return {
        "selector": key.selector,
        "algorithm": key.algorithm.value,
        "state": key.state.value,
        "public_key": key.public_key,
        "signs_organisational": key.signs_organisational,
    }


def _key(row: RowMapping, vault: Vault) -> DkimKey:
    opened = vault.decrypt(row["private_key"], _place(row["domain_id"], row["selector"]))
    return msgspec.structs.replace(_without_secret(row), private_key=opened)


def _without_secret(row: RowMapping) -> DkimKey:
    return DkimKey(
        id=row["id"],
        domain_id=row["domain_id"],
        selector=row["selector"],
        algorithm=KeyAlgorithm(row["algorithm"]),
        state=KeyState(row["state"]),
        public_key=row["public_key"],
        signs_organisational=row["signs_organisational"],
        created_at=row["created_at"],
    )


def _place(domain_id: int, selector: str) -> str:
    return f"dkim_keys/{domain_id}/{selector}"
