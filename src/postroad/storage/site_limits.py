"""Limits that workers share: how much of a site one source may use, and whether it waits."""

import msgspec
from sqlalchemy import Connection, delete, select

from postroad.storage.dialect import insert_into
from postroad.storage.schema.control_plane import site_limits


class SiteLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a site, seen from one egress source, for the whole installation."""

    source: str
    site: str
    window: int
    """Connections that all workers together may hold."""
    paused_until: int | None = None
    reason: str = ""
    """The reply or failure that led to this, in one line."""
    updated_at: int


def store(connection: Connection, limit: SiteLimit) -> None:
    """Store what a worker learnt; what another learnt later stays."""
    values = msgspec.structs.asdict(limit)
    statement = insert_into(connection, site_limits).values(values)
    changed = {name: statement.excluded[name] for name in values if name not in {"source", "site"}}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["source", "site"],
            set_=changed,
            where=site_limits.c.updated_at <= statement.excluded.updated_at,
        )
    )


def get(connection: Connection, source: str, site: str) -> SiteLimit | None:
    """Return what is known of a site."""
    query = select(site_limits).where(site_limits.c.source == source, site_limits.c.site == site)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else SiteLimit(**row)


def changed_since(connection: Connection, instant: int) -> list[SiteLimit]:
    """Return what has been learnt since, oldest first."""
    query = select(site_limits).where(site_limits.c.updated_at >= instant).order_by(site_limits.c.updated_at)
    return [SiteLimit(**row) for row in connection.execute(query).mappings()]


def delete_before(connection: Connection, instant: int) -> int:
    """Forget what is older and pauses nothing any more; returns how much."""
    stale = (site_limits.c.updated_at < instant) & (
        site_limits.c.paused_until.is_(None) | (site_limits.c.paused_until < instant)
    )
    return connection.execute(delete(site_limits).where(stale)).rowcount
