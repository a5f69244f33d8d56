"""Tags of sending domains: which there are, since when, and what somebody says of them."""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, collate, delete, func, select

from postroad.storage.counters import FURTHER, HOURS_OF_DAY, Dimension
from postroad.storage.dialect import insert_into
from postroad.storage.rows import storable
from postroad.storage.schema.control_plane import tag_descriptions
from postroad.storage.schema.data_plane import counter_deltas, counters_daily, counters_four_weekly, counters_hourly

_DAY_MS = HOURS_OF_DAY * 3_600_000
_LAST = "\U0010ffff"


class SeenTag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that mail was sent with; its times are those of days of UTC, in milliseconds."""

    tag: str
    """In small letters, as tags are compared."""
    description: str
    first_seen: int
    last_seen: int


def page(
    connection: Connection,
    domain_id: int,
    limit: int,
    *,
    beginning: str = "",
    beside: str = "",
    is_backwards: bool = False,
) -> list[SeenTag]:
    """Return tags by name: those after ``beside``, or before it; the first or last of all where nothing is beside them."""
    key = _ordered(connection)
    query = _seen(domain_id)
    if beginning:
        query = query.where(key >= beginning, key < beginning + _LAST)
    if beside:
        query = query.where(key < beside if is_backwards else key > beside)
    query = query.order_by(key.desc() if is_backwards else key).limit(limit)
    found = list(map(_tag, connection.execute(query)))
    return found[::-1] if is_backwards else found


def names(
    connection: Connection, domain_ids: Collection[int], limit: int, *, offset: int = 0, beginning: str = ""
) -> list[str]:
    """Return the tags of some domains by name, each once."""
    of, key = counters_daily.c, _ordered(connection)
    query = select(key).where(
        of.domain_id.in_(sorted(domain_ids)), of.dimension == Dimension.TAG.value, of.key != FURTHER
    )
    if beginning:
        query = query.where(key >= beginning, key < beginning + _LAST)
    return list(connection.execute(query.group_by(key).order_by(key).limit(limit).offset(offset)).scalars())


def get(connection: Connection, domain_id: int, tag: str) -> SeenTag | None:
    """Return a tag, if mail was sent with it."""
    row = connection.execute(_seen(domain_id).where(counters_daily.c.key == tag)).one_or_none()
    return None if row is None else _tag(row)


def describe(connection: Connection, domain_id: int, tag: str, description: str) -> None:
    """Say what a tag is for; nothing takes back what was said."""
    this = and_(tag_descriptions.c.domain_id == domain_id, tag_descriptions.c.tag == tag)
    connection.execute(delete(tag_descriptions).where(this))
    if description:
        values = {"domain_id": domain_id, "tag": tag, "description": storable(description)}
        connection.execute(insert_into(connection, tag_descriptions).values(values).on_conflict_do_nothing())


def forget(connection: Connection, domain_id: int, tag: str) -> None:
    """Remove a tag with all that was counted of it."""
    describe(connection, domain_id, tag, "")
    for table in (counter_deltas, counters_hourly, counters_daily, counters_four_weekly):
        of = table.c
        mine = and_(of.domain_id == domain_id, of.dimension == Dimension.TAG.value, of.key == tag)
        connection.execute(delete(table).where(mine))


def remove_of_domain(connection: Connection, domain_id: int) -> None:
    """Remove what was said of the tags of a domain that goes."""
    connection.execute(delete(tag_descriptions).where(tag_descriptions.c.domain_id == domain_id))


def _seen(domain_id: int) -> Select[Any]:
    of, said = counters_daily.c, tag_descriptions.c
    joined = counters_daily.outerjoin(tag_descriptions, and_(said.domain_id == of.domain_id, said.tag == of.key))
    query = select(of.key, func.min(of.day), func.max(of.day), func.max(said.description)).select_from(joined)
    query = query.where(of.domain_id == domain_id, of.dimension == Dimension.TAG.value, of.key != FURTHER)
    return query.group_by(of.key)


def _ordered(connection: Connection) -> ColumnElement[str]:
    key = counters_daily.c.key
    return collate(key, "C") if connection.dialect.name == "postgresql" else key


def _tag(row: Any) -> SeenTag:
    tag, first, last, description = row
    return SeenTag(
        tag=tag, description=description or "", first_seen=first * _DAY_MS, last_seen=(last + 1) * _DAY_MS - 1
    )
