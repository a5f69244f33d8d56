"""The suppression list as SparkPost's API tells it: what stops all mail is ``transactional``, unsubscribing ``non_transactional``."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from postroad.dialects.sparkpost.values import flag, moment, text
from postroad.model.refused import RefusedError
from postroad.model.suppression import Suppression, SuppressionKind, Way

MOST_ENTRIES = 10_000
"""Entries of one call."""
TRANSACTIONAL, NON_TRANSACTIONAL = "transactional", "non_transactional"
TYPES = (TRANSACTIONAL, NON_TRANSACTIONAL)
SOURCES = ("Spam Complaint", "List Unsubscribe", "Bounce Rule", "Unsubscribe Link", "Manually Added", "Compliance")
_COMPLAINED, _UNSUBSCRIBED, _BOUNCED, _LINK, _BY_HAND, _ = SOURCES
_KINDS = {TRANSACTIONAL: SuppressionKind.BLOCK, NON_TRANSACTIONAL: SuppressionKind.UNSUBSCRIBE}
_NO_TYPE = "Must supply a suppression type"
_WRONG_TYPE = "Type must be one of: 'transactional', 'non_transactional'"


class Wish(msgspec.Struct, frozen=True):
    """An entry that a call wants."""

    address: str
    kind: SuppressionKind
    description: str


def type_of(kind: SuppressionKind) -> str:
    """Return the type of an entry of a kind."""
    return NON_TRANSACTIONAL if kind is SuppressionKind.UNSUBSCRIBE else TRANSACTIONAL


def source_of(kind: SuppressionKind, way: Way) -> str:
    """Return the word for how an entry came to be."""
    if way in {Way.HAND, Way.IMPORT}:
        return _BY_HAND
    match kind:
        case SuppressionKind.COMPLAINT:
            return _COMPLAINED
        case SuppressionKind.UNSUBSCRIBE:
            return _LINK if way is Way.LINK else _UNSUBSCRIBED
    return _BOUNCED


def record(entry: Suppression, domain: str) -> dict[str, Any]:
    """Return an entry."""
    document: dict[str, Any] = {
        "recipient": entry.address,
        "type": type_of(entry.kind),
        "source": source_of(entry.kind, entry.way),
        "description": entry.reason,
        "created": moment(entry.created_at),
        "updated": moment(entry.created_at),
        "sending_domain": domain,
        NON_TRANSACTIONAL: True,
    }
    if entry.kind is not SuppressionKind.UNSUBSCRIBE:
        document[TRANSACTIONAL] = True
    if entry.tag:
        document["list_id"] = entry.tag
    return document


def read_entries(document: Mapping[str, Any]) -> list[Wish]:
    """Read the entries of a call; raises RefusedError for the first that is none."""
    given = document.get("recipients")
    if not isinstance(given, list) or not given:
        raise RefusedError("recipients is required: a list of entries", field="recipients")
    if len(given) > MOST_ENTRIES:
        raise RefusedError(f"recipients has {len(given):,} entries; {MOST_ENTRIES:,} are allowed in a call")
    found: list[Wish] = []
    for number, one in enumerate(given):
        if not isinstance(one, dict):
            raise RefusedError(f"recipients[{number}] must be an object")
        try:
            found += read_entry(one, text(one, "recipient") or text(one, "email"))
        except RefusedError as error:
            raise RefusedError(f"recipients[{number}]: {error}", field=error.field) from error
    return found


def read_entry(document: Mapping[str, Any], address: str) -> list[Wish]:
    """Read what an entry says of an address: one type, or both in the form of old clients; raises RefusedError."""
    if not address:
        raise RefusedError("recipient is required", field="recipient")
    local, at, _ = address.strip().rpartition("@")
    if not at or not local:
        # A destination alone would stop mail to all of its addresses.
        raise RefusedError(f"recipient must be an address, not {address[:100]}", field="recipient")
    if text(document, "list_id"):
        raise RefusedError("list_id is not offered: an entry is about all mail of its type", field="list_id")
    return [Wish(address, _KINDS[one], text(document, "description")) for one in _types(document)]


def _types(document: Mapping[str, Any]) -> list[str]:
    kind = text(document, "type")
    if kind:
        if kind not in TYPES:
            raise RefusedError(_WRONG_TYPE, field="type")
        return [kind]
    found = [one for one in TYPES if flag(document, one)]
    if not found:
        raise RefusedError(_NO_TYPE, field="type")
    return found


def read_type(kind: str | None) -> str | None:
    """Read a type that narrows what is removed; raises RefusedError."""
    if kind and kind not in TYPES:
        raise RefusedError(_WRONG_TYPE, field="type")
    return kind or None


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries of the list are told."""

    types: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None

    def takes(self, entry: Suppression) -> bool:
        """Whether an entry is told; allowed addresses are none of this list."""
        if entry.kind is SuppressionKind.ALLOW:
            return False
        if self.types and type_of(entry.kind) not in self.types:
            return False
        if self.sources and source_of(entry.kind, entry.way).lower() not in self.sources:
            return False
        if self.since is not None and entry.created_at < self.since:
            return False
        return self.until is None or entry.created_at < self.until


def summary(counted: Iterable[tuple[SuppressionKind, Way, int]]) -> dict[str, int]:
    """Return how many entries there are from each source."""
    numbers = {one.lower().replace(" ", "_"): 0 for one in SOURCES} | {"total": 0}
    for kind, way, number in counted:
        if kind is not SuppressionKind.ALLOW:
            numbers[source_of(kind, way).lower().replace(" ", "_")] += number
            numbers["total"] += number
    return numbers


def links(path: str, query: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Return the links beside a page; ``query`` holds the cursor of the next one, or nothing."""
    return [{"href": f"{path}?{urlencode(query)}", "rel": "next"}] if query else []
