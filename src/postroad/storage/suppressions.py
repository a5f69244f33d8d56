"""Suppressions, beside the flow; the flow's own statements are in ``hot_sqlite`` and ``hot_postgres``."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, collate, delete, func, literal_column, select, tuple_

from postroad.model.suppression import Suppression, SuppressionKind, Way
from postroad.policy.suppression import Found, additions, entries_about, key_of, keys_around, names_about, rewritings
from postroad.storage import rows
from postroad.storage.dialect import insert_into
from postroad.storage.schema.control_plane import suppressions

T = TypeVar("T")

COLUMNS = (
    "key", "domain_id", "address", "kind", "tag", "account_id", "way", "reason", "created_at", "created_by",
    "message_id",
)  # fmt: skip
_SELECTED = [suppressions.c[name] for name in COLUMNS]
_KEYS_PER_STATEMENT = 500
_LAST = "\U0010ffff"
_KINDS = {kind.value: kind for kind in SuppressionKind}
_WAYS = {way.value: way for way in Way}


class Place(msgspec.Struct, frozen=True):
    """Where an entry stands in the order of the lists: by domain, address, kind and tag."""

    domain_id: int
    address: str
    kind: str
    tag: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries; what is not said selects all of the domains."""

    domain_ids: tuple[int, ...]
    beginning: str = ""
    """What their addresses begin with."""
    kind: SuppressionKind | None = None
    is_plain: bool = False
    """Only those about single addresses and all mail; not about a tag, nor about a whole destination."""


def place_of(entry: Suppression) -> Place:
    """Return where an entry stands."""
    return Place(entry.domain_id, entry.address, entry.kind.value, entry.tag)


# -- in the transaction of what leads to a change -----------------------------------------------------------------------


def add(connection: Connection, offered: Iterable[Suppression]) -> list[Suppression]:
    """Add what is not there yet, in the transaction of what led to it; returns what was added.

    An entry that is there keeps its date and reason, and a bounce of an allowed address is not added. Callers that find
    out about complaints and unsubscribes write their events with the same ``connection``.
    """
    offered = [_storable(one) for one in offered]
    fresh = additions(offered, lookup(connection, keys_around(offered)))
    added = []
    for part in _parts(sorted(fresh, key=_key)):
        values = [dict(zip(COLUMNS, row_of(one), strict=True)) for one in part]
        # Somebody may add the same on another node at this moment.
        statement = insert_into(connection, suppressions).on_conflict_do_nothing()
        returned = connection.execute(statement.returning(*suppressions.primary_key.columns), values)
        written = {tuple(row) for row in returned}
        added += [one for one in part if (_key(one), one.domain_id, one.address, one.kind.value, one.tag) in written]
    return added


def put(connection: Connection, offered: Iterable[Suppression]) -> list[tuple[Suppression | None, Suppression]]:
    """Write entries, those that are there anew; returns each that was written, with the one whose place it took.

    A bounce of an allowed address is not written.
    """
    offered = [_storable(one) for one in offered]
    written = rewritings(offered, lookup(connection, keys_around(offered)))
    # Every node takes rows in one order.
    for part in _parts(sorted((one for _, one in written), key=_key)):
        values = [dict(zip(COLUMNS, row_of(one), strict=True)) for one in part]
        statement = insert_into(connection, suppressions)
        keys = suppressions.primary_key.columns.keys()
        anew = {name: statement.excluded[name] for name in COLUMNS if name not in keys}
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=anew), values)
    return written


def remove(connection: Connection, place: Place) -> Suppression | None:
    """Remove an entry and return what it was; None where there is none."""
    statement = delete(suppressions).where(*_at(place)).returning(*_SELECTED)
    row = connection.execute(statement).one_or_none()
    return None if row is None else entry_from(row)


def remove_some(connection: Connection, wanted: Wanted, limit: int) -> int:
    """Remove the first entries of those that are wanted, and others of the same addresses; returns how many."""
    keys = {_key(one) for one in page(connection, wanted, limit)}
    if not keys:
        return 0
    statement = delete(suppressions).where(suppressions.c.key.in_(keys), *_conditions(connection, wanted))
    return connection.execute(statement).rowcount


def remove_addresses(
    connection: Connection, domain_id: int, kind: SuppressionKind, addresses: Collection[str]
) -> list[Suppression]:
    """Remove the entries of a kind about some addresses and all mail; returns what they were."""
    removed: list[Suppression] = []
    for part in _parts(sorted(map(rows.storable, addresses))):
        statement = delete(suppressions).where(
            suppressions.c.key.in_([key_of(domain_id, one) for one in part]),
            suppressions.c.domain_id == domain_id,
            suppressions.c.address.in_(part),
            suppressions.c.kind == kind.value,
            suppressions.c.tag == "",
        )
        removed += map(entry_from, connection.execute(statement.returning(*_SELECTED)))
    return removed


def remove_of_domain(connection: Connection, domain_id: int) -> None:
    """Remove the lists of a domain that goes."""
    connection.execute(delete(suppressions).where(suppressions.c.domain_id == domain_id))


# -- looking -----------------------------------------------------------------------------------------------------------


def lookup(connection: Connection, keys: Collection[int]) -> Found:
    """Return the entries with some keys."""
    found: list[Any] = []
    for part in _parts(sorted(keys)):
        found += connection.execute(select(*_SELECTED).where(suppressions.c.key.in_(part)))
    return by_key(found)


def get(connection: Connection, place: Place) -> Suppression | None:
    """Return an entry."""
    row = connection.execute(select(*_SELECTED).where(*_at(place))).one_or_none()
    return None if row is None else entry_from(row)


def about(connection: Connection, domain_id: int, address: str) -> list[Suppression]:
    """Return all that a domain's lists say of an address, or of all addresses of its destination."""
    found = lookup(connection, {key_of(domain_id, name) for name in names_about(address)})
    return sorted(entries_about(domain_id, address, found), key=lambda one: (one.kind.value, one.tag))


def page(connection: Connection, wanted: Wanted, limit: int, after: Place | None = None) -> list[Suppression]:
    """Return entries in the order of their places, beyond one of them."""
    order = _order(connection)
    query = _wanted(connection, wanted).order_by(*order).limit(limit)
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(after.domain_id, after.address, after.kind, after.tag))
    return [entry_from(row) for row in connection.execute(query)]


def page_before(connection: Connection, wanted: Wanted, limit: int, before: Place | None) -> list[Suppression]:
    """Return the entries that stand just before a place, or the last ones of all; in the order of their places."""
    order = _order(connection)
    query = _wanted(connection, wanted).order_by(*(column.desc() for column in order)).limit(limit)
    if before is not None:
        query = query.where(tuple_(*order) < tuple_(before.domain_id, before.address, before.kind, before.tag))
    return [entry_from(row) for row in reversed(connection.execute(query).all())]


def added_between(
    connection: Connection, wanted: Wanted, between: tuple[int | None, int | None], limit: int, offset: int = 0
) -> list[Suppression]:
    """Return entries that were added between two instants, in the order of their places."""
    c, address = suppressions.c, _ordered(connection)
    query = _wanted(connection, wanted)
    since, until = between
    if since is not None:
        query = query.where(c.created_at >= since)
    if until is not None:
        query = query.where(c.created_at <= until)
    return [
        entry_from(row)
        for row in connection.execute(query.order_by(c.domain_id, address, c.kind).limit(limit).offset(offset))
    ]


def count(connection: Connection, domain_id: int, limit: int) -> int:
    """Return how many entries a domain has; at most ``limit`` are counted."""
    some = select(literal_column("1")).where(suppressions.c.domain_id == domain_id).limit(limit).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def summary(connection: Connection, domain_ids: Collection[int], most: int) -> list[tuple[SuppressionKind, Way, int]]:
    """Return how many entries some domains have, by kind and way; at most ``most`` are counted."""
    wanted = suppressions.c.domain_id.in_(domain_ids)
    some = select(suppressions.c.kind, suppressions.c.way).where(wanted).limit(most).subquery()
    query = select(some.c.kind, some.c.way, func.count()).group_by(some.c.kind, some.c.way)
    return [(_KINDS[kind], _WAYS[way], number) for kind, way, number in connection.execute(query)]


def _order(connection: Connection) -> tuple[ColumnElement[Any], ...]:
    return (suppressions.c.domain_id, _ordered(connection), suppressions.c.kind, suppressions.c.tag)


def _wanted(connection: Connection, wanted: Wanted) -> Select[Any]:
    return select(*_SELECTED).where(*_conditions(connection, wanted))


def _conditions(connection: Connection, wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    c = suppressions.c
    yield c.domain_id.in_(wanted.domain_ids)
    if wanted.kind is not None:
        yield c.kind == wanted.kind.value
    if wanted.is_plain:
        yield c.tag == ""
        yield ~c.address.startswith("@")
    if wanted.beginning:
        address = _ordered(connection)
        yield address >= wanted.beginning
        yield address < wanted.beginning + _LAST


def _ordered(connection: Connection) -> ColumnElement[str]:
    if connection.dialect.name == "postgresql":
        return collate(suppressions.c.address, "C")
    return suppressions.c.address


def _at(place: Place) -> Iterator[ColumnElement[bool]]:
    yield suppressions.c.key == key_of(place.domain_id, place.address)
    for name in ("domain_id", "address", "kind", "tag"):
        yield suppressions.c[name] == getattr(place, name)


# -- rows --------------------------------------------------------------------------------------------------------------


def row_of(entry: Suppression) -> rows.Row:
    """Return a row of ``COLUMNS``."""
    return (
        _key(entry),
        entry.domain_id,
        entry.address,
        entry.kind.value,
        entry.tag,
        entry.account_id,
        entry.way.value,
        rows.storable(entry.reason),
        entry.created_at,
        entry.created_by,
        entry.message_id,
    )


def entry_from(row: Sequence[Any]) -> Suppression:
    """Read an entry from a row of ``COLUMNS``."""
    return Suppression(
        domain_id=row[1],
        address=row[2],
        kind=_KINDS[row[3]],
        tag=row[4],
        account_id=row[5],
        way=_WAYS[row[6]],
        reason=row[7],
        created_at=row[8],
        created_by=row[9],
        message_id=row[10],
    )


def by_key(found: Iterable[Sequence[Any]]) -> Found:
    """Return entries by the key that they have in rows of ``COLUMNS``."""
    entries: dict[int, list[Suppression]] = {}
    for row in found:
        entries.setdefault(row[0], []).append(entry_from(row))
    return entries


def new_rows(offered: Iterable[Suppression], found: Found) -> list[rows.Row]:
    """Return the rows that offered entries add to those found, in the one order in which every node takes them."""
    return [row_of(one) for one in sorted(additions(map(_storable, offered), found), key=_key)]


def _parts(whole: Sequence[T]) -> Iterator[Sequence[T]]:
    return (whole[start : start + _KEYS_PER_STATEMENT] for start in range(0, len(whole), _KEYS_PER_STATEMENT))


def _key(entry: Suppression) -> int:
    return key_of(entry.domain_id, entry.address)


def _storable(entry: Suppression) -> Suppression:
    if entry.address.isascii() and entry.tag.isascii():
        return entry
    return msgspec.structs.replace(entry, address=rows.storable(entry.address), tag=rows.storable(entry.tag))
