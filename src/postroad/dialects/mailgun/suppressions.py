"""The lists of addresses that get no mail, as Mailgun tells of them: four, each with its own words and records."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec

from postroad.dialects.mailgun.parameters import Parameters, gmt
from postroad.model.refused import RefusedError
from postroad.model.suppression import Suppression, SuppressionKind

MOST_AT_ONCE = 1_000
_CODE = re.compile(r"(?<![\d.])[45]\d\d(?![\d.])")
_ANY_CODE = "550"
_STRINGS = (str, int, float)
_TAGS = ("tags", "tag")

Record = Mapping[str, Any]
"""One address that is to be added, as a form or JSON says it."""


class SuppressionList(msgspec.Struct, frozen=True, kw_only=True):
    """One of the lists: what it holds, and what is said of it."""

    kind: SuppressionKind
    pivot: str
    """The parameter that names an address."""
    added: str
    several_added: str
    """With the number in it."""
    missing: str
    removed: str
    cleared: str
    record: Callable[[Sequence[Suppression]], dict[str, Any]]
    """Makes the record of an address of all that the list says of it."""


def _bounce(entries: Sequence[Suppression]) -> dict[str, Any]:
    one = entries[0]
    found = _CODE.search(one.reason)
    code = found[0] if found else _ANY_CODE
    return {
        "address": one.address,
        "code": code,
        "error": "" if one.reason == code else one.reason.removeprefix(f"{code} "),
        "created_at": gmt(one.created_at),
    }


def _unsubscribe(entries: Sequence[Suppression]) -> dict[str, Any]:
    tags = [one.tag or "*" for one in entries]
    first = min(one.created_at for one in entries)
    # Older clients read the one, newer the other.
    return {"address": entries[0].address, "tag": tags[0], "tags": tags, "created_at": gmt(first)}


def _complaint(entries: Sequence[Suppression]) -> dict[str, Any]:
    return {"address": entries[0].address, "created_at": gmt(entries[0].created_at)}


def _allowed(entries: Sequence[Suppression]) -> dict[str, Any]:
    one = entries[0]
    return {
        "value": one.address.removeprefix("@"),
        "reason": one.reason,
        "type": type_of(one),
        "createdAt": gmt(one.created_at),
    }


def type_of(one: Suppression) -> str:
    """Return what an entry of the allow list is for."""
    return "domain" if one.address.startswith("@") else "address"


LISTS: Mapping[str, SuppressionList] = {
    "bounces": SuppressionList(
        kind=SuppressionKind.BOUNCE,
        pivot="address",
        added="Address has been added to the bounces table",
        several_added="{} addresses have been added to the bounces table",
        missing="Address not found in bounces table",
        removed="Bounced address has been removed",
        cleared="Bounced addresses for this domain have been removed",
        record=_bounce,
    ),
    "unsubscribes": SuppressionList(
        kind=SuppressionKind.UNSUBSCRIBE,
        pivot="address",
        added="Address has been added to the unsubscribes table",
        several_added="{} addresses have been added to the unsubscribes table",
        missing="Address not found in unsubscribers table",
        removed="Unsubscribe event has been removed",
        cleared="Unsubscribe addresses for this domain have been removed",
        record=_unsubscribe,
    ),
    "complaints": SuppressionList(
        kind=SuppressionKind.COMPLAINT,
        pivot="address",
        added="Address has been added to the complaints table",
        several_added="{} complaint addresses have been added to the complaints table",
        missing="No spam complaints found for this address",
        removed="Spam complaint has been removed",
        cleared="Complaint addresses for this domain have been removed",
        record=_complaint,
    ),
    "whitelists": SuppressionList(
        kind=SuppressionKind.ALLOW,
        pivot="address",
        added="Address/Domain has been added to the whitelists table",
        several_added="{} addresses/domains have been added to the whitelists table",
        missing="Address/Domain not found in whitelists table",
        removed="Whitelist address/domain has been removed",
        cleared="Whitelist addresses/domains for this domain have been removed",
        record=_allowed,
    ),
}


def records_of(kept: SuppressionList, entries: Iterable[Suppression]) -> list[dict[str, Any]]:
    """Return a record for each address, of entries in their order."""
    return [kept.record(list(of_address)) for _, of_address in groupby(entries, lambda one: one.address)]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What one record asks to be added."""

    address: str
    tags: tuple[str, ...] = ("",)
    reason: str = ""
    at: str = ""


def read_form(parameters: Parameters) -> Record:
    """Return the record that a form or query says; ``tag`` and ``tags`` may be repeated."""
    tags = {name: several for name in _TAGS if (several := parameters.texts(name))}
    return {name: values[0] for name, values in parameters.values.items() if values and name not in _TAGS} | tags


def read_document(document: object) -> list[Record]:
    """Return the records of a JSON document: one, or several; raises RefusedError."""
    records = document if isinstance(document, list) else [document]
    if not records or len(records) > MOST_AT_ONCE:
        raise RefusedError(f"Give 1 to {MOST_AT_ONCE} records, not {len(records)}")
    understood: list[Record] = []
    for number, one in enumerate(records):
        if not isinstance(one, dict):
            raise RefusedError(f"{number}: a record is an object with an address")
        understood.append(one)
    return understood


def read_wishes(kept: SuppressionList, records: Sequence[Record]) -> list[Wish]:
    """Return what records ask for; raises RefusedError with all that is wrong."""
    wishes, faults = [], []
    for number, record in enumerate(records):
        try:
            wishes.append(_wish(kept, record))
        except RefusedError as error:
            faults.append(f"{number}: {error}" if len(records) > 1 else str(error))
    if faults:
        raise RefusedError("; ".join(faults[:MOST_AT_ONCE]))
    return wishes


def _wish(kept: SuppressionList, record: Record) -> Wish:
    at = _text(record, "created_at") or _text(record, "createdAt")
    match kept.kind:
        case SuppressionKind.BOUNCE:
            reason = _with_code(_text(record, "code"), _text(record, "error"))
            return Wish(address=_address(record), reason=reason, at=at)
        case SuppressionKind.UNSUBSCRIBE:
            return Wish(address=_address(record), tags=_tags(record), at=at)
        case SuppressionKind.ALLOW:
            return Wish(address=_allowed_value(record), reason=_text(record, "reason"), at=at)
    return Wish(address=_address(record), at=at)


def _with_code(code: str, error: str) -> str:
    if code and not _CODE.fullmatch(code):
        raise RefusedError("code must be a reply code of SMTP such as 550", field="code")
    return error if not code or code in error else f"{code} {error}".strip()


def _address(record: Record) -> str:
    address = _text(record, "address")
    if not address:
        raise RefusedError("address parameter is missing", field="address")
    return address


def _allowed_value(record: Record) -> str:
    address, domain = _text(record, "address"), _text(record, "domain")
    if bool(address) == bool(domain):
        raise RefusedError("Give either address or domain", field="address")
    if domain:
        return f"@{domain.removeprefix('@')}"
    if "@" not in address:
        raise RefusedError(f"{address[:254]} is no address; a domain is given as domain", field="address")
    return address


def _tags(record: Record) -> tuple[str, ...]:
    several = record.get("tags")
    if several is None:
        several = record.get("tag") or "*"
    if isinstance(several, str):
        several = [several]
    if not isinstance(several, list) or not all(isinstance(one, str) for one in several):
        raise RefusedError("tags must be a list of texts", field="tags")
    return tuple("" if one.strip() == "*" else one for one in several) or ("",)


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, _STRINGS):
        raise RefusedError(f"{name} must be a text", field=name)
    return str(value).strip()
