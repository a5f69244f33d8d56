"""Routes that the operator sets: destinations that leave through a host of the operator's choice."""

import msgspec
from sqlalchemy import Connection, Row, delete, select

from postroad.model.route import Login, TlsRule
from postroad.storage import revision
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict
from postroad.storage.schema.control_plane import routes
from postroad.storage.secrets import Vault


class StoredRoute(msgspec.Struct, frozen=True, kw_only=True):
    """How a destination is reached that the operator routes, instead of by its MX records."""

    id: int = 0
    destination: str
    """A domain, ``.example.com`` for all below one, or ``*`` for every destination."""
    host: str
    port: int
    tls_rule: TlsRule
    implicit_tls: bool = False
    login: Login | None = None
    created_at: int


def add(connection: Connection, vault: Vault, route: StoredRoute) -> StoredRoute:
    """Add a route, whose id is given to it now; raises Conflict where the destination has one."""
    login = route.login
    password = vault.encrypt(login.password.encode(), _place(route.destination)) if login else None
    statement = insert_into(connection, routes).values(
        destination=route.destination,
        host=route.host,
        port=route.port,
        tls_rule=route.tls_rule.value,
        implicit_tls=route.implicit_tls,
        username=login.username if login else None,
        password=password,
        created_at=route.created_at,
    )
    row = connection.execute(statement.on_conflict_do_nothing().returning(*routes.c)).one_or_none()
    if row is None:
        raise Conflict(f"route for {route.destination}")
    revision.bump(connection)
    return _route(row, vault)


def list_all(connection: Connection, vault: Vault) -> list[StoredRoute]:
    """Return every route, in the order of their destinations."""
    return [_route(row, vault) for row in connection.execute(select(routes).order_by(routes.c.destination))]


def remove(connection: Connection, destination: str) -> bool:
    """Remove a destination's route; false where there is none."""
    removed = connection.execute(delete(routes).where(routes.c.destination == destination)).rowcount
    revision.bump(connection)
    return removed == 1


def _route(row: Row[tuple[object, ...]], vault: Vault) -> StoredRoute:
    login = None
    if row.username is not None:
        login = Login(row.username, vault.decrypt(row.password, _place(row.destination)).decode())
    return StoredRoute(
        id=row.id,
        destination=row.destination,
        host=row.host,
        port=row.port,
        tls_rule=TlsRule(row.tls_rule),
        implicit_tls=row.implicit_tls,
        login=login,
        created_at=row.created_at,
    )


def _place(destination: str) -> str:
    return f"routes/{destination}"
