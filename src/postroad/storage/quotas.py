"""Quotas: how many recipients somebody had in a period, taken whole or not at all, on every node together."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, delete, select, tuple_, update

from postroad.policy.quota import Demand
from postroad.storage.dialect import insert_into
from postroad.storage.schema.control_plane import quota_usage


def take(connection: Connection, demands: Sequence[Demand], count: int) -> Demand | None:
    """Count ``count`` more in each period that is demanded, or in none of them.

    Returns the demand that has no room for so many; None where all were met.
    """
    taken: list[Demand] = []
    for demand in demands:
        if not _take(connection, demand, count):
            give_back(connection, taken, count)
            return demand
        taken.append(demand)
    return None


def give_back(connection: Connection, demands: Sequence[Demand], count: int) -> None:
    """Count ``count`` less: what they were taken for was not accepted."""
    for demand in demands:
        connection.execute(update(quota_usage).where(*_row_of(demand)).values(used=quota_usage.c.used - count))


def used(connection: Connection, demands: Sequence[Demand]) -> list[int]:
    """Return how much of each demand's period is used."""
    return [
        connection.execute(select(quota_usage.c.used).where(*_row_of(demand))).scalar_one_or_none() or 0
        for demand in demands
    ]


def delete_before(connection: Connection, instant: int, limit: int) -> int:
    """Remove at most ``limit`` periods that began before ``instant``; returns how many."""
    key = (quota_usage.c.subject, quota_usage.c.period, quota_usage.c.starts_at)
    oldest = select(*key).where(quota_usage.c.starts_at < instant).order_by(quota_usage.c.starts_at).limit(limit)
    return connection.execute(delete(quota_usage).where(tuple_(*key).in_(oldest))).rowcount


def _take(connection: Connection, demand: Demand, count: int) -> bool:
    if count > demand.limit:
        return False
    row = {"subject": demand.subject, "period": demand.period.value, "starts_at": demand.starts_at, "used": count}
    # One statement, so that two nodes cannot both take what is left: the second waits for the first and looks again.
    grown = quota_usage.c.used + count
    statement = (
        insert_into(connection, quota_usage)
        .values(row)
        .on_conflict_do_update(
            index_elements=["subject", "period", "starts_at"], set_={"used": grown}, where=grown <= demand.limit
        )
        .returning(quota_usage.c.used)
    )
    return connection.execute(statement).scalar_one_or_none() is not None


def _row_of(demand: Demand) -> tuple[ColumnElement[bool], ...]:
    return (
        quota_usage.c.subject == demand.subject,
        quota_usage.c.period == demand.period.value,
        quota_usage.c.starts_at == demand.starts_at,
    )
