"""Where a delivery goes: what DNS says of its destination, and the route made of it."""

import enum

import msgspec


class MxStatus(enum.Enum):
    """What looking up a destination's mail hosts showed; the kinds of failure are told apart."""

    FOUND = "found"
    NULL_MX = "null-mx"
    """The domain says that it takes no mail (RFC 7505)."""
    NO_SUCH_DOMAIN = "no-such-domain"
    """NXDOMAIN for the domain itself."""
    NO_HOSTS = "no-hosts"
    """The domain exists; neither it nor any of its MX hosts has an address."""
    TEMPORARY = "temporary"
    """SERVFAIL, refusal or no answer: a later look-up may do better."""


class MailHost(msgspec.Struct, frozen=True):
    """One host of a destination with its addresses, both families."""

    name: str
    preference: int
    addresses: tuple[str, ...]


class MailHosts(msgspec.Struct, frozen=True, kw_only=True):
    """A destination's MX set as it was looked up, lowest preference first (RFC 5321 §5.1)."""

    status: MxStatus
    hosts: tuple[MailHost, ...] = ()
    is_implicit: bool = False
    """There is no MX: the domain's own address is the only host."""
    detail: str = ""
    """What DNS answered, in one sentence, where status is not ``found``."""
    expires_at: int = 0
    """When the answer's TTL ends."""


class TlsRule(enum.Enum):
    """What a delivery demands of the connection it leaves by."""

    NEVER = "never"
    OPPORTUNISTIC = "opportunistic"
    """STARTTLS where it is offered and works, clear text where not."""
    ENCRYPT = "encrypt"
    VERIFY = "verify"
    """Encrypted, and a public authority vouches for the host name."""


class EgressSource(msgspec.Struct, frozen=True, kw_only=True):
    """An address that mail leaves from, with the name it introduces itself by."""

    name: str
    ehlo_name: str
    ipv4: str | None = None
    """Local address to bind; null lets the system choose."""
    ipv6: str | None = None


class Hop(msgspec.Struct, frozen=True):
    """One place to try: a host at one of its addresses."""

    host: str
    address: str
    port: int


class Login(msgspec.Struct, frozen=True):
    """Name and password for a smarthost."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.username!r}, '…')"


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach a destination: hops in the order to try them, and on what terms."""

    site: str
    """Names the MX set: destinations with equal sets share connections and limits."""
    hops: tuple[Hop, ...]
    source: EgressSource
    tls_rule: TlsRule
    login: Login | None = None
    implicit_tls: bool = False
