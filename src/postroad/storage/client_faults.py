"""What clients do that they should not, by credential."""

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection, RowMapping, case, delete, select, tuple_

from postroad.model.client_fault import ClientFault, FaultKind
from postroad.storage.dialect import insert_into
from postroad.storage.schema.control_plane import client_faults, smtp_users

_KEY = ("credential_id", "kind")
_EXAMPLE = ("last_at", "client_address", "subject", "recipient", "recipient_count", "reply")
_AT_ONCE = 500


def note(connection: Connection, faults: Sequence[ClientFault]) -> None:
    """Add to the counts, and keep the newest example."""
    # In one order, so that two nodes do not wait for each other.
    for fault in sorted(faults, key=lambda one: (one.credential_id, one.kind.value)):
        statement = insert_into(connection, client_faults).values(msgspec.to_builtins(fault))
        new, old = statement.excluded, client_faults.c
        newest = {name: case((new.last_at >= old.last_at, new[name]), else_=old[name]) for name in _EXAMPLE}
        grown = newest | {"count": old.count + new.count}
        connection.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=grown))


def of_credentials(connection: Connection, credential_ids: Collection[int]) -> list[ClientFault]:
    """Return the faults of some credentials, the latest first."""
    wanted, found = list(credential_ids), []
    for start in range(0, len(wanted), _AT_ONCE):
        query = select(client_faults).where(client_faults.c.credential_id.in_(wanted[start : start + _AT_ONCE]))
        found += [_fault(row) for row in connection.execute(query).mappings()]
    return sorted(found, key=lambda one: one.last_at, reverse=True)


def repeating(
    connection: Connection, account_id: int | None, since: int, limit: int, *, domain_id: int | None = None
) -> list[str]:
    """Return the names of an account's users, a domain's, or all, whose clients repeated something since an instant."""
    faulty = select(client_faults.c.credential_id).where(client_faults.c.last_at >= since)
    query = (
        select(smtp_users.c.username).where(smtp_users.c.id.in_(faulty)).order_by(smtp_users.c.username).limit(limit)
    )
    if account_id is not None:
        query = query.where(smtp_users.c.account_id == account_id)
    if domain_id is not None:
        query = query.where(smtp_users.c.domain_id == domain_id)
    return list(connection.execute(query).scalars())


def delete_before(connection: Connection, instant: int, limit: int) -> int:
    """Forget at most ``limit`` of those that did not happen again since ``instant``; returns how many."""
    key = (client_faults.c.credential_id, client_faults.c.kind)
    oldest = select(*key).where(client_faults.c.last_at < instant).order_by(client_faults.c.last_at).limit(limit)
    return connection.execute(delete(client_faults).where(tuple_(*key).in_(oldest))).rowcount


def _fault(row: RowMapping) -> ClientFault:
    return ClientFault(**{**row, "kind": FaultKind(row["kind"])})
