"""Changes to people that must leave somebody in charge: of each account an admin, of the installation an operator."""

from collections.abc import Callable

from sqlalchemy import Connection

from postroad.model.audit import AuditEntry
from postroad.model.user import Membership, Role, User
from postroad.storage import audit, invitations, memberships, one_time_tokens, users, web_sessions
from postroad.storage.errors import Conflict
from postroad.storage.one_time_tokens import OneTimeToken

LAST_ADMIN = "the last admin of an account"
LAST_OPERATOR = "the last operator"


def add(connection: Connection, user: User, role: Role | None, link: tuple[bytes, OneTimeToken] | None = None) -> User:
    """Add a person, in its account as ``role`` where it has one, with a one-time link; raises Conflict."""
    added = users.add(connection, user)
    if user.account_id is not None and role is not None:
        _join(connection, added, user.account_id, role, "")
    if link is not None:
        _give_link(connection, added, link)
    return added


def accept_as_new(connection: Connection, invitation_id: int, user: User, role: Role, *, invited_by: str) -> User:
    """Use an invitation up and add the person that it was for; raises Conflict where it is gone or the address taken."""
    if not invitations.take(connection, invitation_id, user.created_at):
        raise Conflict("the invitation")
    added = users.add(connection, user)
    assert user.account_id is not None, "an invitation is into an account"
    _join(connection, added, user.account_id, role, invited_by)
    return added


def accept_as_member(connection: Connection, invitation_id: int, membership: Membership) -> None:
    """Use an invitation up and give a person who exists the right it offers; raises Conflict."""
    if not invitations.take(connection, invitation_id, membership.created_at):
        raise Conflict("the invitation")
    memberships.add(connection, membership)


def set_role(connection: Connection, user_id: int, account_id: int, role: Role) -> None:
    """Give a member another role; raises Conflict for the last admin, and where it has none."""
    if role is not Role.ADMIN:
        _keep_an_admin(connection, user_id, account_id)
    memberships.set_role(connection, user_id, account_id, role)


def leave(connection: Connection, user_id: int, account_id: int) -> None:
    """Take a person's right in an account away; raises Conflict for the last admin, and where it has none."""
    _keep_an_admin(connection, user_id, account_id)
    memberships.remove(connection, user_id, account_id)


def disable(connection: Connection, user: User, at: int) -> None:
    """Disable a person and end what it is signed in with; raises Conflict for a last admin or operator."""
    _keep_somebody(connection, user)
    users.set_disabled(connection, user.id, at)
    web_sessions.remove_all_of(connection, user.id)
    one_time_tokens.remove_of_user(connection, user.id)


def remove(connection: Connection, user: User, revoked: Callable[[Membership], AuditEntry]) -> None:
    """Remove a person; raises Conflict for a last admin or operator, and where it is gone already.

    Each other account that it could act in gets the entry that ``revoked`` makes of its right there.
    """
    _keep_somebody(connection, user)
    elsewhere = [one for one in memberships.of_user(connection, user.id) if one.account_id != user.account_id]
    users.remove(connection, user.id)
    for right in elsewhere:
        audit.record(connection, revoked(right))


def reset_second_factor(connection: Connection, user_id: int) -> None:
    """Turn a person's second factor off and end what it is signed in with."""
    users.clear_totp(connection, user_id)
    web_sessions.remove_all_of(connection, user_id)


def set_password(connection: Connection, user_id: int, password_hash: str, *, but: int | None = None) -> None:
    """Store another password; all the person's sessions end, or all but one, and its links are void."""
    users.set_password(connection, user_id, password_hash)
    web_sessions.remove_all_of(connection, user_id, but=but)
    one_time_tokens.remove_of_user(connection, user_id)


def set_password_by_link(connection: Connection, token_hash: bytes, purpose: str, password_hash: str, now: int) -> None:
    """Use a link up and store another password; raises Conflict where the link was used or has expired."""
    token = one_time_tokens.take(connection, token_hash, purpose, now)
    if token is None or token.user_id is None:
        raise Conflict("the link")
    set_password(connection, token.user_id, password_hash)


def _join(connection: Connection, user: User, account_id: int, role: Role, invited_by: str) -> None:
    right = Membership(
        user_id=user.id, account_id=account_id, role=role, invited_by=invited_by, created_at=user.created_at
    )
    memberships.add(connection, right)


def _give_link(connection: Connection, user: User, link: tuple[bytes, OneTimeToken]) -> None:
    token_hash, token = link
    one_time_tokens.add(
        connection,
        token_hash,
        OneTimeToken(purpose=token.purpose, user_id=user.id, created_at=token.created_at, expires_at=token.expires_at),
    )


def _keep_somebody(connection: Connection, user: User) -> None:
    for right in memberships.of_user(connection, user.id):
        _keep_an_admin(connection, user.id, right.account_id)
    if user.is_operator and user.disabled_at is None:
        others = [one for one in users.lock_operators(connection) if one.id != user.id and one.disabled_at is None]
        if not others:
            raise Conflict(LAST_OPERATOR)


def _keep_an_admin(connection: Connection, user_id: int, account_id: int) -> None:
    """Raise Conflict where an account would be left without anybody who can administer it."""
    if memberships.lock_admins(connection, account_id) == [user_id]:
        raise Conflict(LAST_ADMIN)
