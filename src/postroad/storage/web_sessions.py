"""Sessions of the console; of their tokens only the hashes are stored."""

import msgspec
from sqlalchemy import Connection, RowMapping, delete, select, update

from postroad.model.account import Account
from postroad.model.audit import AuditEntry
from postroad.model.user import Membership, User, WebSession
from postroad.storage import accounts, audit, memberships, users
from postroad.storage.schema.control_plane import web_sessions


class FoundSession(msgspec.Struct, frozen=True):
    """A session with everything that decides what its person may do now."""

    session: WebSession
    user: User
    memberships: list[Membership]
    accounts: list[Account]
    """Every account for an operator, else those of the memberships."""


def add(connection: Connection, session: WebSession, token_hash: bytes) -> WebSession:
    """Store a session, whose id is given now, and note that its person has signed in."""
    values = msgspec.structs.asdict(session)
    del values["id"]
    statement = web_sessions.insert().values(token_hash=token_hash, **values).returning(*web_sessions.c)
    users.set_signed_in(connection, session.user_id, session.created_at)
    return _session(connection.execute(statement).mappings().one())


def find(connection: Connection, token_hash: bytes, *, now: int, seen_since: int) -> FoundSession | None:
    """Return the session of a token where it is neither too old nor idle for too long."""
    query = select(web_sessions).where(
        web_sessions.c.token_hash == token_hash,
        web_sessions.c.expires_at > now,
        web_sessions.c.last_seen_at > seen_since,
    )
    row = connection.execute(query).mappings().one_or_none()
    user = None if row is None else users.get(connection, row["user_id"])
    if row is None or user is None:
        return None
    rights = memberships.of_user(connection, user.id)
    if user.is_operator:
        reached = accounts.list_all(connection)
    else:
        reached = [found for one in rights if (found := accounts.get(connection, one.account_id)) is not None]
    return FoundSession(_session(row), user, rights, reached)


def of_user(connection: Connection, user_id: int, *, now: int, seen_since: int) -> list[WebSession]:
    """Return a person's live sessions, the one seen last first."""
    query = select(web_sessions).where(
        web_sessions.c.user_id == user_id, web_sessions.c.expires_at > now, web_sessions.c.last_seen_at > seen_since
    )
    return [_session(row) for row in connection.execute(query.order_by(web_sessions.c.last_seen_at.desc())).mappings()]


def touch(connection: Connection, session_id: int, now: int) -> None:
    """Note that a session was used."""
    connection.execute(update(web_sessions).where(web_sessions.c.id == session_id).values(last_seen_at=now))


def set_account(connection: Connection, session_id: int, account_id: int | None) -> None:
    """Have a session look at another account, or with null at the installation."""
    connection.execute(update(web_sessions).where(web_sessions.c.id == session_id).values(account_id=account_id))


def remove(connection: Connection, user_id: int, session_id: int) -> bool:
    """End one of a person's sessions; false where there is no such session of this person."""
    found = delete(web_sessions).where(web_sessions.c.id == session_id, web_sessions.c.user_id == user_id)
    return connection.execute(found).rowcount == 1


def remove_all_of(connection: Connection, user_id: int, *, but: int | None = None) -> int:
    """End a person's sessions, all or all but one; returns how many."""
    found = delete(web_sessions).where(web_sessions.c.user_id == user_id)
    return connection.execute(found if but is None else found.where(web_sessions.c.id != but)).rowcount


def end(
    connection: Connection, entry: AuditEntry, user_id: int, *, only: int | None = None, but: int | None = None
) -> int:
    """End a person's sessions, all, one or all but one, and record how many; returns that.

    Where none has ended nothing is recorded.
    """
    ended = remove_all_of(connection, user_id, but=but) if only is None else int(remove(connection, user_id, only))
    if ended:
        audit.record(connection, msgspec.structs.replace(entry, after={"sessions": ended}))
    return ended


def delete_before(connection: Connection, instant: int, limit: int) -> int:
    """Remove at most ``limit`` sessions that expired before ``instant``; returns how many."""
    expired = select(web_sessions.c.id).where(web_sessions.c.expires_at < instant).order_by(web_sessions.c.id)
    return connection.execute(delete(web_sessions).where(web_sessions.c.id.in_(expired.limit(limit)))).rowcount


def _session(row: RowMapping) -> WebSession:
    return WebSession(**{name: row[name] for name in WebSession.__struct_fields__})
