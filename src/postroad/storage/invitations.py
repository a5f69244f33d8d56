"""Invitations: rights that are offered, each proven by a token of which only the hash is stored."""

from sqlalchemy import Connection, RowMapping, delete, select

from postroad.model.user import Invitation, Role
from postroad.storage.schema.control_plane import invitations


def add(connection: Connection, invitation: Invitation, token_hash: bytes) -> Invitation:
    """Store an invitation beside an earlier one, which holds until ``replace_earlier``."""
    statement = invitations.insert().values(
        account_id=invitation.account_id,
        email=invitation.email,
        role=invitation.role.value,
        token_hash=token_hash,
        invited_by=invitation.invited_by,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
    )
    return _invitation(connection.execute(statement.returning(*invitations.c)).mappings().one())


def replace_earlier(connection: Connection, invitation: Invitation) -> None:
    """Remove the invitations of the same address to the same account that are older."""
    earlier = (
        invitations.c.account_id == invitation.account_id,
        invitations.c.email == invitation.email,
        invitations.c.id < invitation.id,
    )
    connection.execute(delete(invitations).where(*earlier))


def get(connection: Connection, invitation_id: int) -> Invitation | None:
    """Return an invitation."""
    query = select(invitations).where(invitations.c.id == invitation_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _invitation(row)


def by_token(connection: Connection, token_hash: bytes, now: int) -> Invitation | None:
    """Return the invitation of a token that has not expired."""
    query = select(invitations).where(invitations.c.token_hash == token_hash, invitations.c.expires_at > now)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _invitation(row)


def newest_for(connection: Connection, email: str, now: int, account_id: int | None = None) -> Invitation | None:
    """Return the newest open invitation of an address, to one account or to any."""
    query = select(invitations).where(invitations.c.email == email, invitations.c.expires_at > now)
    if account_id is not None:
        query = query.where(invitations.c.account_id == account_id)
    row = connection.execute(query.order_by(invitations.c.id.desc()).limit(1)).mappings().one_or_none()
    return None if row is None else _invitation(row)


def of_account(connection: Connection, account_id: int, now: int) -> list[Invitation]:
    """Return an account's open invitations, the newest first."""
    query = select(invitations).where(invitations.c.account_id == account_id, invitations.c.expires_at > now)
    rows = connection.execute(query.order_by(invitations.c.id.desc())).mappings()
    return [_invitation(row) for row in rows]


def take(connection: Connection, invitation_id: int, now: int) -> bool:
    """Use an invitation up; false where it was used, revoked or has expired."""
    taken = delete(invitations).where(invitations.c.id == invitation_id, invitations.c.expires_at > now)
    return connection.execute(taken.returning(invitations.c.id)).one_or_none() is not None


def remove(connection: Connection, invitation_id: int) -> None:
    """Take an invitation back."""
    connection.execute(delete(invitations).where(invitations.c.id == invitation_id))


def delete_before(connection: Connection, instant: int, limit: int) -> int:
    """Remove at most ``limit`` invitations that expired before ``instant``; returns how many."""
    expired = select(invitations.c.id).where(invitations.c.expires_at < instant).order_by(invitations.c.id)
    return connection.execute(delete(invitations).where(invitations.c.id.in_(expired.limit(limit)))).rowcount


def _invitation(row: RowMapping) -> Invitation:
    facts = {name: row[name] for name in Invitation.__struct_fields__}
    return Invitation(**facts | {"role": Role(row["role"])})
