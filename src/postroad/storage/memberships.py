"""Memberships: who may do what in which account."""

from sqlalchemy import Connection, RowMapping, delete, select, update

from postroad.model.user import Membership, Role
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict
from postroad.storage.schema.control_plane import memberships, users

NO_MEMBER = "no member of the account"


def add(connection: Connection, membership: Membership) -> None:
    """Give a person a right in an account; raises Conflict where it has one."""
    statement = insert_into(connection, memberships).values(
        user_id=membership.user_id,
        account_id=membership.account_id,
        role=membership.role.value,
        invited_by=membership.invited_by,
        created_at=membership.created_at,
    )
    if connection.execute(statement.on_conflict_do_nothing()).rowcount != 1:
        raise Conflict(f"member {membership.user_id} of account {membership.account_id}")


def get(connection: Connection, user_id: int, account_id: int) -> Membership | None:
    """Return a person's right in an account."""
    query = select(memberships).where(memberships.c.user_id == user_id, memberships.c.account_id == account_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _membership(row)


def of_user(connection: Connection, user_id: int) -> list[Membership]:
    """Return a person's rights, of the first account first."""
    query = select(memberships).where(memberships.c.user_id == user_id).order_by(memberships.c.account_id)
    return [_membership(row) for row in connection.execute(query).mappings()]


def of_account(connection: Connection, account_id: int) -> list[Membership]:
    """Return the rights in an account."""
    query = select(memberships).where(memberships.c.account_id == account_id).order_by(memberships.c.user_id)
    return [_membership(row) for row in connection.execute(query).mappings()]


def lock_admins(connection: Connection, account_id: int) -> list[int]:
    """Return the people who can administer an account, and keep others from changing that until the transaction ends."""
    query = (
        select(memberships.c.user_id)
        .join(users, users.c.id == memberships.c.user_id)
        .where(
            memberships.c.account_id == account_id,
            memberships.c.role == Role.ADMIN.value,
            users.c.disabled_at.is_(None),
        )
        .order_by(memberships.c.user_id)
        .with_for_update()
    )
    return list(connection.execute(query).scalars())


def set_role(connection: Connection, user_id: int, account_id: int, role: Role) -> None:
    """Give a member another role; raises Conflict where it has none."""
    found = update(memberships).where(memberships.c.user_id == user_id, memberships.c.account_id == account_id)
    if connection.execute(found.values(role=role.value)).rowcount != 1:
        raise Conflict(NO_MEMBER)


def remove(connection: Connection, user_id: int, account_id: int) -> None:
    """Take a person's right in an account away; raises Conflict where it has none."""
    found = delete(memberships).where(memberships.c.user_id == user_id, memberships.c.account_id == account_id)
    if connection.execute(found).rowcount != 1:
        raise Conflict(NO_MEMBER)


def _membership(row: RowMapping) -> Membership:
    return Membership(**dict(row) | {"role": Role(row["role"])})
