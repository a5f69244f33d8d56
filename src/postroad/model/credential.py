"""Who may submit mail: SMTP users, and the principal that a verified credential becomes."""

import enum

import msgspec


class Secret(str):
    """A text that never shows itself in logs, errors or reprs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('…')"


class CredentialKind(enum.Enum):
    """How a credential is proven."""

    PASSWORD = "password"
    ADDRESS = "address"
    """The client's network address is the proof: for own servers and devices that cannot log in."""


class SmtpUser(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that may submit mail by SMTP for one sending domain, and do nothing else."""

    id: int
    account_id: int
    domain_id: int
    username: str
    """Lower case, in the form of an address; it need not exist."""
    kind: CredentialKind
    password_hash: str = ""
    networks: tuple[str, ...] = ()
    """For kind ``address``: the CIDR networks that are the proof."""
    note: str = ""
    created_at: int
    disabled_at: int | None = None
    last_used_at: int | None = None


class Principal(msgspec.Struct, frozen=True):
    """Who acts now: a verified credential with the account and domain it is bound to."""

    account_id: int
    domain_id: int
    sending_domain: str
    credential_id: int
    username: str
    kind: CredentialKind
    password_mark: str = ""
    """Tells one password of the credential from the next: who was proven by an earlier one acts no longer."""
