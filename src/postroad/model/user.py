"""People: who may look at an account, and who may change it."""

import enum

import msgspec


class Role(enum.Enum):
    """What a person may do in an account."""

    USER = "user"
    """Look only."""
    ADMIN = "admin"


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person who signs in to the console."""

    id: int
    account_id: int | None
    """The account that the person belongs to; null for an operator who belongs to none."""
    email: str
    """Lower case; the name to sign in with."""
    name: str = ""
    is_operator: bool = False
    """Runs the installation: sees and changes every account."""
    password_hash: str = ""
    """Empty until the person has chosen one."""
    networks: tuple[str, ...] = ()
    """CIDR networks that the person may use the console from; none for everywhere."""
    has_totp: bool = False
    recovery_codes_left: int = 0
    created_at: int
    disabled_at: int | None = None
    last_signed_in_at: int | None = None


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """A person's right in one account; in another than the person's own it makes an external user of that account."""

    user_id: int
    account_id: int
    role: Role
    invited_by: str = ""
    created_at: int


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """A right in an account that is offered to whoever reads mail at an address."""

    id: int
    account_id: int
    email: str
    role: Role
    invited_by: str
    created_at: int
    expires_at: int


class WebSession(msgspec.Struct, frozen=True, kw_only=True):
    """One browser that a person is signed in with."""

    id: int
    user_id: int
    account_id: int | None
    """The account that is looked at; null for an operator who looks at the installation."""
    method: str
    """How the person was proven: ``password``, ``password+totp``, ``password+recovery``, ``passkey`` or ``oidc``."""
    client_address: str
    user_agent: str
    created_at: int
    last_seen_at: int
    expires_at: int
