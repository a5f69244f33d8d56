"""Lists of addresses that are checked in the background."""

import msgspec

from postroad.model.address_check import AddressCheck, AddressResult


class ListCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks of a list came to so far."""

    deliverable: int = 0
    risky: int = 0
    undeliverable: int = 0
    unknown: int = 0
    disposable: int = 0
    """How many of the risky ones are mailboxes for an hour."""

    @property
    def checked(self) -> int:
        """How many addresses have been checked."""
        return self.deliverable + self.risky + self.undeliverable + self.unknown

    def and_of(self, checks: tuple[AddressCheck, ...]) -> "ListCounts":
        """Return the counts with those of further checks."""
        counts = msgspec.structs.asdict(self)
        for one in checks:
            counts[one.result.value] += 1
            counts["disposable"] += one.result is AddressResult.RISKY and one.is_disposable
        return ListCounts(**counts)


class ListCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One list; it is checked part by part."""

    id: int
    account_id: int
    domain_id: int | None = None
    """The sending domain whose earlier mail is looked at; that of the whole account where it is null."""
    name: str
    """What programs call it by, once in its account."""
    file_name: str
    created_by: str
    created_at: int
    updated_at: int
    finished_at: int | None = None
    total: int
    """Addresses of the list."""
    parts: int
    parts_done: int = 0
    counts: ListCounts = ListCounts()
    failure: str = ""
    """What broke it off; empty where nothing did."""


class ListPart(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses that somebody checks next, and for how long nobody else will."""

    list_check: ListCheck
    number: int
    addresses: tuple[str, ...]
    claimed_until: int
