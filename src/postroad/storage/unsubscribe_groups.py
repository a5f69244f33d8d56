"""Groups of mail that recipients unsubscribe from, and the entries of who left them."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    collate,
    delete,
    func,
    literal_column,
    select,
    update,
)

from postroad.model.suppression import Suppression, SuppressionKind
from postroad.model.unsubscribe_group import UnsubscribeGroup
from postroad.policy.suppression import key_of
from postroad.storage import revision, suppressions
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict
from postroad.storage.rows import storable
from postroad.storage.schema.control_plane import domains
from postroad.storage.schema.control_plane import suppressions as entries
from postroad.storage.schema.control_plane import unsubscribe_groups as groups

# As the index over them says it, whatever the tag is.
_HAS_TAG: ColumnElement[bool] = literal_column("suppressions.tag <> ''")


class TooMany(Conflict):
    """A domain has as many groups as it may have."""


def add(connection: Connection, group: UnsubscribeGroup, most: int) -> UnsubscribeGroup:
    """Add a group, whose id is given to it now; raises Conflict where its name is taken, TooMany beyond ``most``."""
    _lock(connection, group.domain_id)
    mine = select(func.count()).select_from(groups).where(groups.c.domain_id == group.domain_id)
    if connection.execute(mine).scalar_one() >= most:
        raise TooMany(f"more than {most} groups")
    values = {name: value for name, value in msgspec.structs.asdict(group).items() if name != "id"}
    values |= _texts(group)
    statement = insert_into(connection, groups).values(values).on_conflict_do_nothing()
    row = connection.execute(statement.returning(*groups.c)).mappings().one_or_none()
    if row is None:
        raise Conflict(f"group {group.name}")
    _let_be_only_default(connection, added := _group(row))
    revision.bump(connection)
    return added


def get(connection: Connection, group_id: int) -> UnsubscribeGroup | None:
    """Return a group."""
    row = connection.execute(select(groups).where(groups.c.id == group_id)).mappings().one_or_none()
    return None if row is None else _group(row)


def of_domains(connection: Connection, domain_ids: Collection[int], limit: int) -> list[UnsubscribeGroup]:
    """Return the groups of some domains, the oldest first."""
    query = select(groups).where(groups.c.domain_id.in_(sorted(domain_ids))).order_by(groups.c.id).limit(limit)
    return [_group(row) for row in connection.execute(query).mappings()]


def change(connection: Connection, group: UnsubscribeGroup) -> None:
    """Store what a group is called; raises Conflict where it is gone, or another one has the name."""
    _lock(connection, group.domain_id)
    namesake = select(groups.c.id).where(
        groups.c.domain_id == group.domain_id, groups.c.key == _texts(group)["key"], groups.c.id != group.id
    )
    values = {**_texts(group), "is_default": group.is_default}
    is_free = connection.execute(namesake).first() is None
    if not is_free or connection.execute(update(groups).where(groups.c.id == group.id).values(values)).rowcount != 1:
        raise Conflict(f"group {group.name}")
    _let_be_only_default(connection, group)
    revision.bump(connection)


def remove(connection: Connection, group_id: int) -> None:
    """Remove a group; raises Conflict where it is gone already. Who left it is forgotten by ``forget_some``."""
    if connection.execute(delete(groups).where(groups.c.id == group_id)).rowcount != 1:
        raise Conflict("the group was removed")
    revision.bump(connection)


def remove_of_domain(connection: Connection, domain_id: int) -> None:
    """Remove the groups of a domain that goes."""
    connection.execute(delete(groups).where(groups.c.domain_id == domain_id))


# -- who left ----------------------------------------------------------------------------------------------------------


def counts(connection: Connection, of: Sequence[UnsubscribeGroup], most: int) -> dict[int, int]:
    """Return how many left each of some groups; at most ``most`` are counted of one."""
    found: dict[int, int] = {}
    for group in of:
        some = select(literal_column("1")).select_from(entries).where(*_left([group])).limit(most).subquery()
        found[group.id] = connection.execute(select(func.count()).select_from(some)).scalar_one()
    return found


def page(connection: Connection, of: Sequence[UnsubscribeGroup], limit: int, offset: int = 0) -> list[Suppression]:
    """Return entries of who left some groups, by domain, group and address."""
    query = _selected(connection).where(*_left(of)).limit(limit).offset(offset)
    return [suppressions.entry_from(row) for row in connection.execute(query)]


def left_among(connection: Connection, group: UnsubscribeGroup, addresses: Collection[str]) -> set[str]:
    """Return which of some addresses, written as lists compare them, left a group."""
    found = suppressions.lookup(connection, {key_of(group.domain_id, one) for one in addresses})
    return {
        one.address
        for one in (entry for same_key in found.values() for entry in same_key)
        if (one.domain_id, one.tag) == (group.domain_id, group.tag) and one.address in addresses
    }


def forget_some(connection: Connection, group: UnsubscribeGroup, limit: int) -> int:
    """Remove at most ``limit`` entries of who left a group; returns how many."""
    found = page(connection, [group], limit)
    for one in found:
        suppressions.remove(connection, suppressions.place_of(one))
    return len(found)


def has(connection: Connection, domain_id: int, group_id: int) -> bool:
    """Return whether a domain has a group."""
    found = get(connection, group_id)
    return found is not None and found.domain_id == domain_id


def _left(of: Sequence[UnsubscribeGroup]) -> Iterator[ColumnElement[bool]]:
    yield _HAS_TAG
    yield entries.c.domain_id.in_(sorted({one.domain_id for one in of}))
    yield entries.c.tag.in_(sorted({one.tag for one in of}))
    yield entries.c.kind == SuppressionKind.UNSUBSCRIBE.value


def _selected(connection: Connection) -> Select[Any]:
    address = collate(entries.c.address, "C") if connection.dialect.name == "postgresql" else entries.c.address
    return select(*(entries.c[name] for name in suppressions.COLUMNS)).order_by(
        entries.c.domain_id, entries.c.tag, address
    )


# -- rows --------------------------------------------------------------------------------------------------------------


def _lock(connection: Connection, domain_id: int) -> None:
    """Make others that change the domain's groups wait."""
    connection.execute(select(domains.c.id).where(domains.c.id == domain_id).with_for_update()).first()


def _let_be_only_default(connection: Connection, group: UnsubscribeGroup) -> None:
    if group.is_default:
        others = (groups.c.domain_id == group.domain_id, groups.c.id != group.id)
        connection.execute(update(groups).where(*others).values(is_default=False))


def _texts(group: UnsubscribeGroup) -> dict[str, str]:
    name = storable(group.name)
    return {"name": name, "key": name.casefold(), "description": storable(group.description)}


def _group(row: RowMapping) -> UnsubscribeGroup:
    return UnsubscribeGroup(**{name: value for name, value in row.items() if name != "key"})
