"""The audit log: written in the transaction of the change that it records."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
from sqlalchemy import Connection, RowMapping, delete, func, select

from postroad.model.actor import ActorKind
from postroad.model.audit import AuditEntry
from postroad.storage.rows import storable
from postroad.storage.schema.control_plane import audit_entries

P = ParamSpec("P")
T = TypeVar("T")


class AuditSelector(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries; what is not said selects all."""

    account_id: int | None = None
    actor: str | None = None
    """The actor's name."""
    action: str | None = None
    """A whole action, or a noun for all that is done to such things."""
    target_contains: str | None = None
    since: int | None = None
    until: int | None = None
    """Up to, but not at, this instant."""


def record(connection: Connection, entry: AuditEntry) -> None:
    """Write an entry."""
    values = msgspec.structs.asdict(entry)
    del values["id"]
    values |= {
        "actor_kind": entry.actor_kind.value,
        "target": storable(entry.target),
        "before": _to_json(entry.before),
        "after": _to_json(entry.after),
    }
    connection.execute(audit_entries.insert().values(values))


def recorded(
    connection: Connection,
    entry: AuditEntry,
    change: Callable[Concatenate[Connection, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Make a change and write its entry in one transaction; returns what the change does."""
    result = change(connection, *args, **kwargs)
    record(connection, entry)
    return result


def search(connection: Connection, selector: AuditSelector, limit: int, before: int | None = None) -> list[AuditEntry]:
    """Return the newest entries first; of those older than the id ``before`` where it is given."""
    query = select(audit_entries).order_by(audit_entries.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit_entries.c.id < before)
    if selector.account_id is not None:
        query = query.where(audit_entries.c.account_id == selector.account_id)
    if selector.actor is not None:
        query = query.where(audit_entries.c.actor_name == selector.actor)
    if selector.action is not None:
        noun = audit_entries.c.action.startswith(f"{selector.action}.", autoescape=True)
        query = query.where((audit_entries.c.action == selector.action) | noun)
    if selector.target_contains is not None:
        query = query.where(audit_entries.c.target.icontains(selector.target_contains, autoescape=True))
    if selector.since is not None:
        query = query.where(audit_entries.c.at >= selector.since)
    if selector.until is not None:
        query = query.where(audit_entries.c.at < selector.until)
    return [_entry(row) for row in connection.execute(query).mappings()]


def count(
    connection: Connection, action: str, *, since: int, account_id: int | None = None, target: str | None = None
) -> int:
    """Return how often something was done since, in an account or to a target; what commands did is left out."""
    query = select(func.count()).where(
        audit_entries.c.action == action,
        audit_entries.c.at >= since,
        audit_entries.c.actor_kind != ActorKind.COMMAND.value,
    )
    if account_id is not None:
        query = query.where(audit_entries.c.account_id == account_id)
    if target is not None:
        query = query.where(audit_entries.c.target == storable(target))
    return connection.execute(query).scalar_one()


def delete_before(connection: Connection, instant: int, limit: int) -> int:
    """Remove at most ``limit`` entries made before ``instant``; returns how many."""
    oldest = select(audit_entries.c.id).where(audit_entries.c.at < instant).order_by(audit_entries.c.id).limit(limit)
    return connection.execute(delete(audit_entries).where(audit_entries.c.id.in_(oldest))).rowcount


def _to_json(values: dict[str, Any] | None) -> str | None:
    return None if values is None else msgspec.json.encode(values).decode()


def _entry(row: RowMapping) -> AuditEntry:
    facts = dict(row)
    for name in ("before", "after"):
        facts[name] = None if facts[name] is None else msgspec.json.decode(facts[name])
    return AuditEntry(**facts | {"actor_kind": ActorKind(facts["actor_kind"])})
