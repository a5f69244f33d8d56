"""Turning a second factor on: the enrolment is used up, the secret stored and other sessions ended, all at once."""

from collections.abc import Iterable

from sqlalchemy import Connection

from postroad.storage import one_time_tokens, users, web_sessions
from postroad.storage.errors import Conflict
from postroad.storage.secrets import Vault
from postroad.storage.users import TotpSecret


def turn_on(  # noqa: PLR0917 - one value per thing that is stored
    connection: Connection,
    vault: Vault,
    ticket_hash: bytes,
    purpose: str,
    user_id: int,
    secret: TotpSecret,
    recovery_codes: Iterable[str],
    *,
    but_session: int,
    now: int,
) -> None:
    """Store a confirmed secret; raises Conflict where its enrolment was used or has expired."""
    token = one_time_tokens.take(connection, ticket_hash, purpose, now)
    if token is None or token.user_id != user_id:
        raise Conflict("the enrolment")
    users.set_totp(connection, vault, user_id, secret, recovery_codes)
    web_sessions.remove_all_of(connection, user_id, but=but_session)
