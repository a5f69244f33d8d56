"""Signing keys: one per account, encrypted, with the one before it while that still counts."""

from sqlalchemy import Connection, RowMapping, select, update

from postroad.model.credential import Secret, SigningKeys
from postroad.storage import revision
from postroad.storage.dialect import insert_into
from postroad.storage.schema.control_plane import signing_keys
from postroad.storage.secrets import Vault


def ensure(connection: Connection, vault: Vault, account_id: int, fresh: Secret, now: int) -> SigningKeys:
    """Return an account's keys, storing ``fresh`` where it has none."""
    statement = insert_into(connection, signing_keys).values(
        account_id=account_id, key=_sealed(vault, account_id, fresh), changed_at=now
    )
    if connection.execute(statement.on_conflict_do_nothing()).rowcount == 1:
        revision.bump(connection)
    found = get(connection, vault, account_id)
    assert found is not None, "it was made just now where there was none"
    return found


def get(connection: Connection, vault: Vault, account_id: int) -> SigningKeys | None:
    """Return an account's keys as they are stored, also a previous one whose time is over."""
    query = select(signing_keys).where(signing_keys.c.account_id == account_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _opened(row, vault)


def replace(
    connection: Connection, vault: Vault, account_id: int, fresh: Secret, now: int, *, previous_until: int | None
) -> SigningKeys:
    """Store another key of an account that has one; that one counts beside it until an instant, or with null no longer."""
    values = {
        # The row's own key, not one read before: whoever replaces it at the same moment comes before or after.
        "previous_key": None if previous_until is None else signing_keys.c.key,
        "previous_until": previous_until,
        "key": _sealed(vault, account_id, fresh),
        "changed_at": now,
    }
    statement = update(signing_keys).where(signing_keys.c.account_id == account_id).values(values)
    row = connection.execute(statement.returning(*signing_keys.c)).mappings().one()
    revision.bump(connection)
    return _opened(row, vault)


def _sealed(vault: Vault, account_id: int, key: Secret) -> bytes:
    return vault.encrypt(key.encode(), _place(account_id))


def _opened(row: RowMapping, vault: Vault) -> SigningKeys:
    place = _place(row["account_id"])
    previous = row["previous_key"]
    return SigningKeys(
        account_id=row["account_id"],
        key=Secret(vault.decrypt(row["key"], place).decode()),
        previous_key=None if previous is None else Secret(vault.decrypt(previous, place).decode()),
        previous_until=row["previous_until"],
        changed_at=row["changed_at"],
    )


def _place(account_id: int) -> str:
    return f"signing_keys/{account_id}"
