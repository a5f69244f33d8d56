"""Suppressions: addresses that get no mail of a sending domain, and why; and the allow list that lifts bounces."""

import enum

import msgspec


class SuppressionKind(enum.Enum):
    """Why an address is on the lists of a sending domain."""

    BOUNCE = "bounce"
    """A receiving host said that there is no such mailbox, or that it is no longer used."""
    UNSUBSCRIBE = "unsubscribe"
    COMPLAINT = "complaint"
    """The recipient called a message spam."""
    BLOCK = "block"
    """Somebody decided so by hand."""
    ALLOW = "allow"
    """Never suppressed for a bounce; wins over nothing else."""

    @property
    def takes_domains(self) -> bool:
        """Whether such an entry can be for all addresses of a destination."""
        return self in {SuppressionKind.BLOCK, SuppressionKind.ALLOW}


class Way(enum.Enum):
    """How an entry came to be."""

    DELIVERY = "delivery"
    """A receiving host's reply."""
    RETURNED = "returned"
    """A report that came back by mail."""
    HAND = "hand"
    IMPORT = "import"
    FEEDBACK_LOOP = "feedback-loop"
    LINK = "link"
    """The unsubscribe page."""
    ONE_CLICK = "one-click"
    """A mail client's button (RFC 8058)."""
    MAIL = "mail"
    """A message to the unsubscribe address."""


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a sending domain's lists."""

    account_id: int
    domain_id: int
    kind: SuppressionKind
    address: str
    """As ``policy.suppression.comparable`` writes it; ``@domain`` for all addresses of a destination."""
    tag: str = ""
    """Of an unsubscribe: the one tag, compared without case, that it is about; empty for all mail."""
    way: Way = Way.HAND
    reason: str = ""
    """The reply of the host, or what somebody noted."""
    created_at: int
    created_by: str = ""
    """The actor's name; empty where Postroad added it by itself."""
    message_id: int | None = None
    """The message that led to it, where one did."""


class Fault(msgspec.Struct, frozen=True):
    """A line of a list that is not understood."""

    line: int
    text: str
    """One sentence."""


class ImportProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the import of a list has come."""

    total: int
    """Lines of the file."""
    done: int = 0
    added: int = 0
    known: int = 0
    """Entries that were there already."""
    bad: int = 0
    faults: tuple[Fault, ...] = ()
    """The first of the bad lines."""
    failure: str = ""
    """What broke it off; empty where nothing did."""


class SuppressionImport(msgspec.Struct, frozen=True, kw_only=True):
    """One uploaded list."""

    id: int
    account_id: int
    domain_id: int
    file_name: str
    created_by: str
    started_at: int
    updated_at: int
    finished_at: int | None = None
    progress: ImportProgress
