"""Pauses of sending domains: put in force once, and counted anew after."""

from collections.abc import Collection

from sqlalchemy import Connection, Update, update

from postroad.model.audit import AuditEntry
from postroad.model.event import EventType
from postroad.policy.pause import Tally
from postroad.storage import audit, counters, revision
from postroad.storage.counters import Period
from postroad.storage.rows import HOUR_MS, RETURNED
from postroad.storage.schema.control_plane import domains

_TALLIED = (EventType.DELIVERED, EventType.BOUNCED, EventType.COMPLAINED)


def pause(connection: Connection, entry: AuditEntry, domain_id: int, *, at: int, reason: str) -> bool:
    """Pause a domain and write the audit entry; False, and nothing is stored, where it is paused or gone already."""
    statement = update(domains).where(domains.c.id == domain_id, domains.c.paused_at.is_(None))
    return _changed(connection, entry, statement.values(paused_at=at, pause_reason=reason))


def resume(connection: Connection, entry: AuditEntry, domain_id: int, *, at: int) -> bool:
    """End a pause and write the audit entry, remembering what was counted by then; False where there is no pause."""
    hour = at // HOUR_MS
    before = tallies(connection, [domain_id], hour, hour + 1).get(domain_id, {}).get(hour, Tally())
    statement = update(domains).where(domains.c.id == domain_id, domains.c.paused_at.is_not(None))
    values = {
        "paused_at": None,
        "pause_reason": "",
        "resumed_at": at,
        "delivered_before_resume": before.delivered,
        "bounced_before_resume": before.bounced,
        "complained_before_resume": before.complained,
    }
    return _changed(connection, entry, statement.values(values))


def tallies(connection: Connection, domain_ids: Collection[int], since: int, until: int) -> dict[int, dict[int, Tally]]:
    """Return what became of some domains' deliveries in the hours from ``since`` up to, not at, ``until``."""
    counts: dict[tuple[int, int], dict[str, int]] = {}
    for one in counters.read_of(connection, Period.HOUR, since, until, domain_ids):
        if one.dimension == "all":
            counts.setdefault((one.domain_id, one.period), {})[one.type] = one.count
    found: dict[int, dict[int, Tally]] = {}
    for (domain_id, hour), by_type in counts.items():
        delivered, bounced, complained = (by_type.get(kind.value, 0) for kind in _TALLIED)
        stayed = max(0, delivered - by_type.get(RETURNED, 0))
        found.setdefault(domain_id, {})[hour] = Tally(stayed, bounced, complained)
    return found


def _changed(connection: Connection, entry: AuditEntry, statement: Update) -> bool:
    if connection.execute(statement).rowcount != 1:
        return False
    audit.record(connection, entry)
    revision.bump(connection)
    return True
