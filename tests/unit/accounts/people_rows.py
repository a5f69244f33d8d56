"""Rows of people that tests about them share."""

from postroad.model.account import Account
from postroad.model.actor import Actor, ActorKind
from postroad.model.user import Membership, Role, User
from postroad.storage import memberships, users
from postroad.storage.database import Database

HERE = "192.0.2.7"


async def person(
    database: Database,
    email: str,
    account: Account | None = None,
    role: Role = Role.ADMIN,
    *,
    is_operator: bool = False,
    networks: tuple[str, ...] = (),
) -> User:
    """Store a person, native to an account where one is given."""
    wanted = User(
        id=0,
        account_id=None if account is None else account.id,
        email=email,
        is_operator=is_operator,
        networks=networks,
        created_at=1,
    )
    added = await database.write(users.add, wanted)
    if account is not None:
        await join(database, added, account, role)
    return added


async def join(database: Database, user: User, account: Account, role: Role) -> None:
    """Give a person a right in an account."""
    await database.write(memberships.add, Membership(user_id=user.id, account_id=account.id, role=role, created_at=1))


def acting_as(user: User, account: Account | None, role: Role = Role.ADMIN) -> Actor:
    """Return the actor that a person is in an account."""
    return Actor(
        kind=ActorKind.USER,
        id=user.id,
        name=user.email,
        client_address=HERE,
        account_id=None if account is None else account.id,
        role=role,
        is_operator=user.is_operator,
    )
