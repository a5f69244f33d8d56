"""Checking an address before mail goes to it: what is known of it, and what that comes to."""

import enum

import msgspec


class AddressResult(enum.Enum):
    """What a check comes to."""

    DELIVERABLE = "deliverable"
    """Its domain takes mail, and nothing speaks against the address; whether there is such a mailbox is not asked."""
    RISKY = "risky"
    UNDELIVERABLE = "undeliverable"
    UNKNOWN = "unknown"
    """DNS gave no answer in time: a later check may say more."""


class AddressReason(enum.Enum):
    """Why a check came to its result."""

    SYNTAX = "syntax"
    """It is no address (RFC 5321 §4.1.2)."""
    NO_SUCH_DOMAIN = "no-such-domain"
    NULL_MX = "null-mx"
    """Its domain says that it takes no mail (RFC 7505)."""
    NO_MAIL_HOST = "no-mail-host"
    """No host of its domain can be reached (RFC 5321 §5.1)."""
    BOUNCED = "bounced"
    """It is on the bounce list, and no mail has reached it since."""
    DISPOSABLE = "disposable"
    TYPO = "typo"
    """Its domain looks like a well-known one."""
    FAILING = "failing"
    """The last message to it came back, for something about the mailbox that may pass."""
    ROLE = "role"
    """It is of a role or a team, not of a person."""
    DNS_AWAY = "dns-away"


class AddressHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What became of earlier mail to an address; instants are milliseconds since 1970."""

    bounce_listed_at: int | None = None
    """Since when it is on a bounce list whose domain does not allow it again."""
    delivered_at: int | None = None
    """When mail to it was taken last."""
    failed_at: int | None = None
    """When mail to it last came back for something about the mailbox."""


class AddressCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is said of an address."""

    address: str
    """As it was given."""
    result: AddressResult
    reasons: tuple[AddressReason, ...] = ()
    """Why; the weightiest first."""
    local_part: str = ""
    domain: str = ""
    """In A-labels; both are empty where it is no address."""
    suggestion: str | None = None
    """What was probably meant."""
    is_role: bool = False
    is_disposable: bool = False
    is_free: bool = False
    """Its domain is that of a provider that takes everybody."""
    has_bounced: bool = False
    is_failing: bool = False
    was_delivered: bool = False
    """Mail to it was taken, and none has come back since."""
    detail: str = ""
    """What is wrong, in one sentence."""

    @property
    def takes_mail(self) -> bool:
        """Whether the domain takes mail, as far as is known."""
        none = {AddressReason.SYNTAX, AddressReason.NO_SUCH_DOMAIN, AddressReason.NULL_MX, AddressReason.NO_MAIL_HOST}
        return none.isdisjoint(self.reasons)

    @property
    def suggested_domain(self) -> str | None:
        """The domain that was probably meant."""
        return None if self.suggestion is None else self.suggestion.rpartition("@")[2]

    @property
    def confidence(self) -> int:
        """How likely it is that mail will be taken, from 0 to 100: an estimate for programs that want a number."""
        match self.result:
            case AddressResult.UNDELIVERABLE:
                return 0
            case AddressResult.UNKNOWN:
                return 50
            case AddressResult.RISKY:
                return min(_RISKY[one] for one in self.reasons)
        return 95 if self.was_delivered else 85


_RISKY = {
    AddressReason.DISPOSABLE: 10,
    AddressReason.TYPO: 30,
    AddressReason.FAILING: 40,
    AddressReason.ROLE: 60,
}
