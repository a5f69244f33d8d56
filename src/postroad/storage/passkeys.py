"""Passkeys: public keys of people's devices."""

import msgspec
from sqlalchemy import Connection, RowMapping, delete, select, update

from postroad.model.identity import Passkey
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict
from postroad.storage.schema.control_plane import passkeys


def add(connection: Connection, passkey: Passkey) -> Passkey:
    """Add a passkey, whose id is given now; raises Conflict where the device has given it before."""
    values = msgspec.structs.asdict(passkey)
    del values["id"]
    statement = insert_into(connection, passkeys).values(values).on_conflict_do_nothing().returning(*passkeys.c)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise Conflict("passkey")
    return _passkey(row)


def by_credential(connection: Connection, credential_id: bytes) -> Passkey | None:
    """Return the passkey of the id that its device knows it by."""
    row = connection.execute(select(passkeys).where(passkeys.c.credential_id == credential_id)).mappings().one_or_none()
    return None if row is None else _passkey(row)


def of_user(connection: Connection, user_id: int) -> list[Passkey]:
    """Return a person's passkeys, the oldest first."""
    query = select(passkeys).where(passkeys.c.user_id == user_id).order_by(passkeys.c.id)
    return [_passkey(row) for row in connection.execute(query).mappings()]


def use(connection: Connection, passkey: Passkey, sign_count: int, at: int) -> bool:
    """Note a use with the device's new count; false where another use was noted since ``passkey`` was read."""
    unchanged = (passkeys.c.id == passkey.id, passkeys.c.sign_count == passkey.sign_count)
    noted = update(passkeys).where(*unchanged).values(sign_count=sign_count, last_used_at=at)
    return connection.execute(noted).rowcount == 1


def remove(connection: Connection, user_id: int, passkey_id: int) -> bool:
    """Remove one of a person's passkeys; false where there is no such passkey of this person."""
    found = delete(passkeys).where(passkeys.c.id == passkey_id, passkeys.c.user_id == user_id)
    return connection.execute(found).rowcount == 1


def _passkey(row: RowMapping) -> Passkey:
    return Passkey(**row)
