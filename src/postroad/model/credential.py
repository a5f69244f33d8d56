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
    API_KEY = "api_key"
    """A key of the HTTP APIs; ids of keys are counted apart from those of SMTP users."""


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
    """CIDR networks: for kind ``address`` they are the proof, for kind ``password`` the only ones to log in from, if any."""
    note: str = ""
    created_at: int
    disabled_at: int | None = None
    requires_tls: bool = False
    """Log-ins in clear text are refused."""
    hourly_limit: int | None = None
    """Recipients in a clock hour (UTC); null for any number."""
    daily_limit: int | None = None
    """Recipients in a day (UTC); null for any number."""
    allowed_from: tuple[str, ...] = ()
    """Addresses that From may have, or ``@name`` for all of a domain; none for every aligned one."""
    last_used_at: int | None = None
    last_used_address: str | None = None
    last_used_tls: bool | None = None


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A credential for the HTTP APIs: of one sending domain, to send; or of the account, to manage it."""

    id: int
    account_id: int
    domain_id: int | None = None
    """The one domain that the key sends for; null for a key that manages the account."""
    prefix: str
    """The key's first characters, by which people and secret scanners know it."""
    note: str = ""
    networks: tuple[str, ...] = ()
    """CIDR networks that the key may be used from; none for everywhere."""
    created_at: int
    last_used_at: int | None = None
    last_used_address: str | None = None
    last_refused_at: int | None = None
    """When it was last offered from an address outside its networks."""
    last_refused_address: str | None = None


class SigningKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What an account's webhook calls are signed with."""

    account_id: int
    key: Secret
    previous_key: Secret | None = None
    """The key before this one, while receivers may still verify by it."""
    previous_until: int | None = None
    changed_at: int

    def as_of(self, now: int) -> "SigningKeys":
        """Return the keys without a previous one whose time is over."""
        if self.previous_until is None or now < self.previous_until:
            return self
        return msgspec.structs.replace(self, previous_key=None, previous_until=None)

    @property
    def counting(self) -> tuple[Secret, ...]:
        """The present key, then the previous one."""
        return (self.key,) if self.previous_key is None else (self.key, self.previous_key)


class KeyPrincipal(msgspec.Struct, frozen=True):
    """Who acts over HTTP: an API key that was verified, with the account and domain it is bound to."""

    key: ApiKey
    account: str
    """The account's name."""
    sending_domain: str | None
    """The name of the one domain that the key sends for; null for a key that manages the account."""


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
    allowed_from: tuple[str, ...] = ()
    """Addresses that From may have, or ``@name`` for all of a domain, in lower case; none for every aligned one."""
    hourly_limit: int | None = None
    """Recipients in a clock hour (UTC)."""
    daily_limit: int | None = None
    """Recipients in a day (UTC)."""


class Use(msgspec.Struct, frozen=True):
    """One use of a credential: when, from where, and whether the connection was encrypted."""

    at: int
    client_address: str
    over_tls: bool
