"""Sending domains as SendGrid's calls of ``whitelabel/domains`` tell them: each with the records that it is to publish."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from postroad.dialects.sendgrid.bodies import given, number_in, object_from, required_text
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.refused import RefusedError
from postroad.policy.record_comparison import RecordVerdict, VerdictStatus
from postroad.policy.records import ExpectedRecord, RecordPurpose

USUAL_LIMIT = 50
MOST_LISTED = 100
"""Domains in one answer: each has its records made."""
_MOST_SKIPPED = 1_000_000
_LONGEST_NAME = 253
_OWN_KEYS = ("custom_dkim_selector",)
_NAMES = {
    RecordPurpose.RETURN_PATH_CNAME: "mail_cname",
    RecordPurpose.RETURN_PATH_MX: "mail_server",
    RecordPurpose.RETURN_PATH_SPF: "subdomain_spf",
    RecordPurpose.TRACKING: "tracking_cname",
    RecordPurpose.DMARC: "dmarc",
    RecordPurpose.ORGANISATIONAL_DKIM: "organisational_dkim",
}
"""Under which name a record stands among a domain's; those of the keys have numbers."""
_RETURN_PATH = frozenset({RecordPurpose.RETURN_PATH_CNAME, RecordPurpose.RETURN_PATH_MX, RecordPurpose.RETURN_PATH_SPF})


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which domains are asked for."""

    part: str
    """What their names hold."""
    limit: int
    offset: int


def read_page(query: Mapping[str, str]) -> Page:
    """Read the parameters of the list. Raises RefusedError."""
    limit, offset = number_in(query, "limit", MOST_LISTED, least=1), number_in(query, "offset", _MOST_SKIPPED)
    return Page(part=query.get("domain", "").strip().lower(), limit=limit or USUAL_LIMIT, offset=offset or 0)


def read_new(document: Any) -> str:
    """Return the name of a domain that is to be added. Raises RefusedError."""
    fields = object_from(document)
    for name in _OWN_KEYS:
        if given(fields, name, str):
            raise RefusedError(f"{name} cannot be chosen: the answer names the selector", field=name)
    return required_text(fields, "domain", _LONGEST_NAME)


def named_records(records: Iterable[ExpectedRecord]) -> dict[str, ExpectedRecord]:
    """Return the records by the names that they have in answers; those for people's mail clients are left out."""
    found: dict[str, ExpectedRecord] = {}
    for one in records:
        if one.purpose is RecordPurpose.DKIM:
            found[f"dkim{sum(name.startswith('dkim') for name in found) + 1}"] = one
        elif one.purpose in _NAMES:
            found[_NAMES[one.purpose]] = one
    return found


def told(domain: SendingDomain, records: Sequence[ExpectedRecord]) -> dict[str, Any]:
    """Return a domain with its records."""
    is_active = domain.state is DomainState.ACTIVE
    named = named_records(records)
    return {
        "id": domain.id,
        "user_id": domain.account_id,
        "subdomain": _subdomain(domain, records),
        "domain": domain.name,
        "username": "",
        "ips": [],
        "custom_spf": False,
        "default": False,
        "legacy": False,
        "automatic_security": all(one.form == "CNAME" for one in named.values() if one.is_required),
        "valid": is_active,
        "dns": {
            name: {
                "valid": is_active and one.is_required,
                "type": one.form.lower(),
                "host": one.name,
                "data": one.value.partition(" ")[2] if one.form == "MX" else one.value,
                "required": one.is_required,
            }
            for name, one in named.items()
        },
    }


def validated(domain: SendingDomain, verdicts: Sequence[RecordVerdict]) -> dict[str, Any]:
    """Return what a check of the records found."""
    by_record = {(one.expected.name, one.expected.form, one.expected.value): one for one in verdicts}
    named = named_records(one.expected for one in verdicts)
    results = {name: by_record[one.name, one.form, one.value] for name, one in named.items()}
    return {
        "id": domain.id,
        "valid": all(one.status is VerdictStatus.OK for one in verdicts if one.expected.is_required),
        "validation_results": {name: _result(one) for name, one in results.items()},
    }


def _result(verdict: RecordVerdict) -> dict[str, Any]:
    if verdict.status is VerdictStatus.OK:
        return {"valid": True, "reason": None}
    found = f"found {verdict.found}" if verdict.found else "nothing is published there"
    return {
        "valid": False,
        "reason": verdict.hint or f"Expected {verdict.expected.form} {verdict.expected.value}; {found}.",
    }


def _subdomain(domain: SendingDomain, records: Iterable[ExpectedRecord]) -> str:
    """Return the first label of where mail comes back to, which the vendor's users choose."""
    names = (one.name for one in records if one.purpose in _RETURN_PATH)
    return next(names, "").removesuffix(domain.name).rstrip(".")
