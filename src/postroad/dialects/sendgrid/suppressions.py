"""SendGrid's lists of suppressions: which list is which kind of entry, and what a call asks of them."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from postroad.dialects.sendgrid.bodies import number_in
from postroad.model.refused import RefusedError
from postroad.model.suppression import Suppression, SuppressionKind

LISTS = {
    "bounces": SuppressionKind.BOUNCE,
    "blocks": SuppressionKind.BLOCK,
    "spam_reports": SuppressionKind.COMPLAINT,
    "unsubscribes": SuppressionKind.UNSUBSCRIBE,
}
"""The lists that hold something; ``invalid_emails`` is always empty, as such addresses bounce here."""
MOST_EMAILS = 1_000
"""Addresses that one call adds or removes."""
USUAL_LIMIT = 500
MOST_LISTED = 10_000
_MOST_SKIPPED = 10_000_000
_LATEST_S = 253_402_300_799
_STATUS = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")  # RFC 3463 §2


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is asked for."""

    since: int | None
    """Milliseconds since 1970, this instant included."""
    until: int | None
    """The same, its whole second included."""
    limit: int
    offset: int


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be taken from a list: some addresses, or everything."""

    emails: tuple[str, ...] = ()
    is_all: bool = False


def read_window(query: Mapping[str, str]) -> Window:
    """Read the parameters of a list. Raises RefusedError."""
    since, until = number_in(query, "start_time", _LATEST_S), number_in(query, "end_time", _LATEST_S)
    limit, offset = number_in(query, "limit", MOST_LISTED, least=1), number_in(query, "offset", _MOST_SKIPPED)
    return Window(
        since=None if since is None else since * 1000,
        until=None if until is None else until * 1000 + 999,
        limit=USUAL_LIMIT if limit is None else limit,
        offset=offset or 0,
    )


def read_removal(document: Any) -> Removal:
    """Read the body of a call that removes. Raises RefusedError."""
    fields = document if isinstance(document, dict) else {}
    is_all = fields.get("delete_all", False)
    if not isinstance(is_all, bool):
        raise RefusedError("delete_all must be true or false", field="delete_all")
    has_emails = fields.get("emails") is not None
    if is_all == has_emails:
        raise RefusedError("either delete_all: true or emails is needed, and not both", field="emails")
    return Removal(is_all=True) if is_all else Removal(emails=_emails(fields["emails"], "emails"))


def read_recipients(document: Any) -> tuple[str, ...]:
    """Read the addresses that are to be added. Raises RefusedError."""
    fields = document if isinstance(document, dict) else {}
    return _emails(fields.get("recipient_emails"), "recipient_emails")


def entry(name: str, one: Suppression) -> dict[str, Any]:
    """Return how a list tells an entry."""
    told: dict[str, Any] = {"created": one.created_at // 1000, "email": one.address}
    if name in {"bounces", "blocks"}:
        status = _STATUS.search(one.reason)
        told |= {"reason": one.reason, "status": "" if status is None else status[0]}
    elif name == "spam_reports":
        told["ip"] = ""
    return told


def _emails(value: Any, field: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise RefusedError(f"{field} must be a list of addresses", field=field)
    if len(value) > MOST_EMAILS:
        raise RefusedError(f"{field} has {len(value):,} addresses; a call takes {MOST_EMAILS:,}", field=field)
    return tuple(value)
