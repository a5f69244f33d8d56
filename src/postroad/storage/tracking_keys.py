"""The keys of tracked links, by number: encrypted like all secrets, and never removed, as mail is read for years."""

import contextlib
from collections.abc import Iterator

import msgspec
from sqlalchemy import Connection, select

from postroad.model.audit import AuditEntry
from postroad.storage import revision
from postroad.storage.audit import record
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict
from postroad.storage.schema.control_plane import installation_secrets
from postroad.storage.secrets import Vault
from postroad.tracking.token import TrackingKey

OCTETS = 32
"""Of a secret."""
MOST = 255
"""Their number is one octet of each token."""
_PREFIX = "tracking-"
_TIME_OCTETS = 8


def ensure(connection: Connection, vault: Vault, fresh: bytes, now: int) -> list[TrackingKey]:
    """Return all keys, oldest first; where there is none, ``fresh`` becomes the first."""
    if not list_all(connection, vault):
        # Another node may start for the first time at this moment; then its key is the one.
        with contextlib.suppress(Conflict):
            _add(connection, vault, TrackingKey(1, now, fresh))
    return list_all(connection, vault)


def add(connection: Connection, vault: Vault, fresh: bytes, now: int) -> TrackingKey:
    """Add a key; raises Conflict where somebody adds another at this moment, or there can be no more."""
    number = max((one.number for one in list_all(connection, vault)), default=0) + 1
    if number > MOST:
        raise Conflict("the last key there can be")
    return _add(connection, vault, TrackingKey(number, now, fresh))


def add_recorded(connection: Connection, vault: Vault, fresh: bytes, entry: AuditEntry) -> TrackingKey:
    """Add a key and tell of it in the audit log, by its number; raises Conflict as ``add`` does."""
    key = add(connection, vault, fresh, entry.at)
    record(connection, msgspec.structs.replace(entry, target=f"tracking key {key.number}"))
    return key


def list_all(connection: Connection, vault: Vault) -> list[TrackingKey]:
    """Return all keys, oldest first."""
    return sorted(_read(connection, vault), key=lambda key: key.number)


def _read(connection: Connection, vault: Vault) -> Iterator[TrackingKey]:
    columns = select(installation_secrets.c.name, installation_secrets.c.value)
    for row in connection.execute(columns.where(installation_secrets.c.name.startswith(_PREFIX, autoescape=True))):
        value = vault.decrypt(row.value, _place(row.name))
        number = int(row.name.removeprefix(_PREFIX))
        yield TrackingKey(number, int.from_bytes(value[:_TIME_OCTETS]), value[_TIME_OCTETS:])


def _add(connection: Connection, vault: Vault, key: TrackingKey) -> TrackingKey:
    name = f"{_PREFIX}{key.number}"
    sealed = vault.encrypt(key.made_at.to_bytes(_TIME_OCTETS) + key.secret, _place(name))
    statement = insert_into(connection, installation_secrets).values(name=name, value=sealed)
    if connection.execute(statement.on_conflict_do_nothing()).rowcount != 1:
        raise Conflict(f"tracking key {key.number}")
    revision.bump(connection)
    return key


def _place(name: str) -> str:
    return f"installation_secrets/{name}"
