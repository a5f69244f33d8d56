"""Links that people open in a browser: where they lead, and how long they hold."""

import msgspec

from postroad.accounts.people.tokens import hash_of, new_token
from postroad.model.credential import Secret
from postroad.storage.one_time_tokens import OneTimeToken

PASSWORD = "set_password"
"""The purpose of links by which a person sets a password, the first or another."""
SIGN_IN = "sign_in"
"""The purpose of links that sign a person in, which ``postroad dev`` prints."""
PASSWORD_PATH = "/set-password"
SIGN_IN_PATH = "/sign-in/link"
INVITATION_PATH = "/invitation"

RESET_MS = 3_600_000
FIRST_MS = 24 * 3_600_000
INVITATION_MS = 7 * 24 * 3_600_000


def without_token(path: str) -> str:
    """Return a path as logs may hold it: the token of a link is worth what the link is for."""
    for prefix in (PASSWORD_PATH, SIGN_IN_PATH, INVITATION_PATH):
        if path.startswith(f"{prefix}/"):
            return f"{prefix}/…"
    return path


class Link(msgspec.Struct, frozen=True):
    """A link that works once; whoever has it may do what it is for."""

    url: Secret
    expires_at: int


class Links:
    """Makes links to the console under the address that people reach it by."""

    def __init__(self, public_url: str) -> None:
        self.base = public_url.rstrip("/")
        """Where the console is reached."""

    def to_set_password(self, token: str, expires_at: int) -> Link:
        """Return the link to the page where a password is chosen."""
        return self._link(PASSWORD_PATH, token, expires_at)

    def to_sign_in(self, token: str, expires_at: int) -> Link:
        """Return the link to the page that signs in by a button."""
        return self._link(SIGN_IN_PATH, token, expires_at)

    def to_invitation(self, token: str, expires_at: int) -> Link:
        """Return the link to the page where an invitation is accepted."""
        return self._link(INVITATION_PATH, token, expires_at)

    def _link(self, path: str, token: str, expires_at: int) -> Link:
        return Link(Secret(f"{self.base}{path}/{token}"), expires_at)


class NewToken(msgspec.Struct, frozen=True):
    """A token that was just made, with the row that stands for it."""

    token: Secret
    row: OneTimeToken

    @property
    def stored(self) -> tuple[bytes, OneTimeToken]:
        """Return what is stored of it."""
        return hash_of(self.token), self.row


def one_time_token(purpose: str, user_id: int | None, *, now: int, valid_ms: int) -> NewToken:
    """Return a new token of a purpose."""
    row = OneTimeToken(purpose=purpose, user_id=user_id, created_at=now, expires_at=now + valid_ms)
    return NewToken(new_token(), row)
