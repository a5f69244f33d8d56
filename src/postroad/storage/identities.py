"""Which person an OpenID provider's subject is."""

import msgspec
from sqlalchemy import Connection, RowMapping, delete, exists, select

from postroad.model.audit import AuditEntry
from postroad.model.identity import Identity
from postroad.model.user import Invitation, Role, User
from postroad.storage import audit, people, users
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict
from postroad.storage.schema.control_plane import identities


def person_of(connection: Connection, issuer: str, subject: str) -> User | None:
    """Return the person that a provider's subject is."""
    found = select(identities.c.user_id).where(identities.c.issuer == issuer, identities.c.subject == subject)
    user_id = connection.execute(found).scalar_one_or_none()
    return None if user_id is None else users.get(connection, user_id)


def of_user(connection: Connection, user_id: int) -> list[Identity]:
    """Return who a person is elsewhere, the first that was bound first."""
    query = select(identities).where(identities.c.user_id == user_id).order_by(identities.c.created_at)
    return [_identity(row) for row in connection.execute(query).mappings()]


def bind(connection: Connection, identity: Identity) -> None:
    """Bind a subject to a person; raises Conflict where it is bound, or the person to another of the same provider."""
    same = exists().where(identities.c.issuer == identity.issuer, identities.c.user_id == identity.user_id)
    if connection.execute(select(same)).scalar_one():
        raise Conflict("identity of the same provider")
    statement = insert_into(connection, identities).values(msgspec.structs.asdict(identity))
    if connection.execute(statement.on_conflict_do_nothing()).rowcount != 1:
        raise Conflict("identity")


def add_person(
    connection: Connection, user: User, subject: tuple[str, str], invitation: Invitation | None, entry: AuditEntry
) -> User:
    """Add a person that a provider has proven, as it is invited or else to look only; raises Conflict.

    Args:
        connection: Where the transaction is.
        user: The person, whose id is given now.
        subject: The issuer, and its name for the person.
        invitation: What is used up by it.
        entry: The audit log's entry of the binding.
    """
    if invitation is None:
        added = people.add(connection, user, Role.USER)
    else:
        added = people.accept_as_new(connection, invitation.id, user, invitation.role, invited_by=invitation.invited_by)
    issuer, name = subject
    bind(connection, Identity(issuer=issuer, subject=name, user_id=added.id, created_at=user.created_at))
    audit.record(connection, entry)
    return added


def remove_of_user(connection: Connection, user_id: int) -> int:
    """Forget who a person is elsewhere; returns how many identities that were."""
    return connection.execute(delete(identities).where(identities.c.user_id == user_id)).rowcount


def _identity(row: RowMapping) -> Identity:
    return Identity(**row)
