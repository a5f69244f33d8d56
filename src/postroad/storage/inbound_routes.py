"""Routes for mail that sending domains receive; each domain's are numbered from 1, without gaps."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, delete, func, select, update

from postroad.model.audit import AuditEntry
from postroad.model.domain import SendingDomain
from postroad.model.inbound_route import InboundAction, InboundRoute
from postroad.storage import audit
from postroad.storage import domains as domain_rows
from postroad.storage.errors import Conflict
from postroad.storage.schema.control_plane import domains, inbound_routes


def receiving(connection: Connection, name: str) -> tuple[SendingDomain, list[InboundRoute]] | None:
    """Return the sending domain of a name with its routes; None where there is none."""
    domain = domain_rows.by_name(connection, name)
    return None if domain is None else (domain, of_domain(connection, domain.id))


def of_domain(connection: Connection, domain_id: int) -> list[InboundRoute]:
    """Return a domain's routes in their order."""
    query = select(inbound_routes).where(inbound_routes.c.domain_id == domain_id)
    found = connection.execute(query.order_by(inbound_routes.c.position, inbound_routes.c.id)).mappings()
    return [_route(row) for row in found]


def domains_with_routes(connection: Connection) -> list[str]:
    """Return the names of the domains that have any."""
    query = select(domains.c.name).where(domains.c.id.in_(select(inbound_routes.c.domain_id))).order_by(domains.c.name)
    return list(connection.execute(query).scalars())


def groups(connection: Connection, account_id: int, limit: int, skip: int) -> tuple[list[list[InboundRoute]], int]:
    """Return some of an account's groups in the order of their priorities and places, and how many it has."""
    query = select(_GROUP.label("of")).where(inbound_routes.c.account_id == account_id).group_by(_GROUP)
    total = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    order = (
        func.min(inbound_routes.c.priority),
        func.min(inbound_routes.c.domain_id),
        func.min(inbound_routes.c.position),
    )
    wanted = list(connection.execute(query.order_by(*order).limit(limit).offset(skip)).scalars())
    found: dict[int, list[InboundRoute]] = {group_id: [] for group_id in wanted}
    for route in _of_groups(connection, account_id, wanted):
        found[route.group].append(route)
    return list(found.values()), total


def group(connection: Connection, account_id: int, group_id: int) -> list[InboundRoute]:
    """Return the routes of a group in their order; none where the account has no such group."""
    return _of_groups(connection, account_id, [group_id])


def put_group(
    connection: Connection,
    routes: Sequence[InboundRoute],
    entry: AuditEntry,
    *,
    replaced: Sequence[InboundRoute] = (),
    most: int,
) -> list[InboundRoute]:
    """Add routes as one group, in the place of a group where one is named.

    Raises Conflict where the domain had too many, or the group is gone.
    """
    domain_id, priority = routes[0].domain_id, routes[0].priority
    for one in sorted({domain_id, *(route.domain_id for route in replaced)}):
        _lock(connection, one)
    place = None
    if replaced:
        if replaced[0].domain_id == domain_id and replaced[0].priority == priority:
            place = next(
                (at for at, one in enumerate(of_domain(connection, domain_id)) if one.id == replaced[0].id), None
            )
        _remove_group(connection, replaced[0])
    known = of_domain(connection, domain_id)
    if len(known) + len(routes) > most:
        raise Conflict(f"more than {most} routes")
    if place is None:
        place = next((at for at, one in enumerate(known) if one.priority > priority), len(known))
    group_id = replaced[0].group if replaced else None
    ids: list[int] = []
    for route in routes:
        values = {name: getattr(route, name) for name in _COLUMNS} | {
            "action": route.action.value,
            "group_id": group_id,
        }
        ids.append(
            connection.execute(inbound_routes.insert().values(values).returning(inbound_routes.c.id)).scalar_one()
        )
        group_id = ids[0] if group_id is None else group_id
    connection.execute(update(inbound_routes).where(inbound_routes.c.id.in_(ids)).values(group_id=group_id))
    order = [one.id for one in known]
    _number(connection, [*order[:place], *ids, *order[place:]])
    audit.record(connection, entry)
    return group(connection, routes[0].account_id, group_id or ids[0])


def remove_group(connection: Connection, removed: Sequence[InboundRoute], entry: AuditEntry) -> None:
    """Remove a group; raises Conflict where it is gone."""
    _lock(connection, removed[0].domain_id)
    _remove_group(connection, removed[0])
    audit.record(connection, entry)


def _remove_group(connection: Connection, route: InboundRoute) -> None:
    mine = (inbound_routes.c.account_id == route.account_id, _GROUP.in_([route.group]))
    if not connection.execute(delete(inbound_routes).where(*mine)).rowcount:
        raise Conflict("the route was removed just now")
    _number(connection, [one.id for one in of_domain(connection, route.domain_id)])


def _of_groups(connection: Connection, account_id: int, wanted: Sequence[int]) -> list[InboundRoute]:
    query = select(inbound_routes).where(inbound_routes.c.account_id == account_id, _GROUP.in_(wanted))
    found = connection.execute(query.order_by(inbound_routes.c.position, inbound_routes.c.id)).mappings()
    return [_route(row) for row in found]


def add(connection: Connection, route: InboundRoute, entry: AuditEntry, most: int) -> InboundRoute | None:
    """Put a route at its position, before those that stand there, or at the end for 0; None where there are too many."""
    _lock(connection, route.domain_id)
    known = of_domain(connection, route.domain_id)
    if len(known) >= most:
        return None
    values = {name: getattr(route, name) for name in _COLUMNS} | {"action": route.action.value, "position": 0}
    added = connection.execute(inbound_routes.insert().values(values).returning(*inbound_routes.c)).mappings().one()
    place = route.position - 1 if 0 < route.position <= len(known) else len(known)
    ids = [one.id for one in known]
    ids.insert(place, added["id"])
    _number(connection, ids)
    audit.record(connection, entry)
    return _route({**added, "position": place + 1})


def remove(connection: Connection, domain_id: int, position: int, entry: AuditEntry) -> InboundRoute | None:
    """Remove a route, and let those behind move up; None where there is none."""
    _lock(connection, domain_id)
    known = of_domain(connection, domain_id)
    if not 0 < position <= len(known):
        return None
    removed = known.pop(position - 1)
    connection.execute(delete(inbound_routes).where(inbound_routes.c.id == removed.id))
    _number(connection, [one.id for one in known])
    audit.record(connection, entry)
    return removed


def move(connection: Connection, domain_id: int, position: int, to: int, entry: AuditEntry) -> bool:
    """Put a route at another position; false where one of the two is none."""
    _lock(connection, domain_id)
    known = of_domain(connection, domain_id)
    if not (0 < position <= len(known) and 0 < to <= len(known)):
        return False
    known.insert(to - 1, known.pop(position - 1))
    _number(connection, [one.id for one in known])
    audit.record(connection, entry)
    return True


def _number(connection: Connection, ids: Sequence[int]) -> None:
    for position, route_id in enumerate(ids, 1):
        connection.execute(update(inbound_routes).where(inbound_routes.c.id == route_id).values(position=position))


def _lock(connection: Connection, domain_id: int) -> None:
    """Make others that change the domain's routes wait."""
    connection.execute(select(domains.c.id).where(domains.c.id == domain_id).with_for_update()).first()


_GROUP = func.coalesce(inbound_routes.c.group_id, inbound_routes.c.id)
_COLUMNS = tuple(column.name for column in inbound_routes.columns if column.name != "id")


def _route(row: RowMapping | dict[str, object]) -> InboundRoute:
    return InboundRoute(**dict(row) | {"action": InboundAction(row["action"])})
