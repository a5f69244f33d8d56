"""Sending domains as SparkPost's API tells them."""

from collections.abc import Sequence
from typing import Any

from postroad.model.domain import DkimKey, DomainState, KeyState, SendingDomain
from postroad.policy.record_comparison import RecordVerdict, VerdictStatus
from postroad.policy.records import ExpectedRecord, RecordPurpose

_COMPLIANCE = {
    DomainState.VETTING: "pending",
    DomainState.UNVERIFIED: "valid",
    DomainState.ACTIVE: "valid",
    DomainState.DISABLED: "blocked",
    DomainState.REJECTED: "blocked",
}
_VALID, _UNVERIFIED, _INVALID = "valid", "unverified", "invalid"
_SIGNED = "from:to:subject:date"
_RECORDS = {
    "dkim_status": frozenset({RecordPurpose.DKIM}),
    "mx_status": frozenset({RecordPurpose.RETURN_PATH_MX}),
    "spf_status": frozenset({RecordPurpose.RETURN_PATH_SPF}),
    "cname_status": frozenset({RecordPurpose.RETURN_PATH_CNAME, RecordPurpose.TRACKING}),
}
_WORDS = {
    VerdictStatus.OK: _VALID,
    VerdictStatus.MISSING: _INVALID,
    VerdictStatus.DIFFERENT: _INVALID,
    VerdictStatus.UNKNOWN: "pending",
}


def status(domain: SendingDomain, verdicts: Sequence[RecordVerdict] = ()) -> dict[str, Any]:
    """Return how a domain stands, with what a check has just found where there was one."""
    is_verified = domain.state is DomainState.ACTIVE
    told: dict[str, Any] = {
        "ownership_verified": is_verified,
        "compliance_status": _COMPLIANCE[domain.state],
        # Mailboxes prove nothing here: a domain is verified by its records.
        "abuse_at_status": _UNVERIFIED,
        "postmaster_at_status": _UNVERIFIED,
        "verification_mailbox_status": _UNVERIFIED,
    }
    for name, purposes in _RECORDS.items():
        found = [one.status for one in verdicts if one.expected.purpose in purposes]
        told[name] = _worst(found) if found else _VALID if is_verified else _UNVERIFIED
    return told


def _worst(found: Sequence[VerdictStatus]) -> str:
    said = {_WORDS[one] for one in found}
    return next(word for word in (_INVALID, "pending", _VALID) if word in said)


def listed(domain: SendingDomain) -> dict[str, Any]:
    """Return a domain as the list has it."""
    document: dict[str, Any] = {
        "domain": domain.name,
        "status": status(domain),
        "shared_with_subaccounts": False,
        "is_default_bounce_domain": False,
    }
    if domain.settings.tracking_host:
        document["tracking_domain"] = domain.settings.tracking_host
    return document


def shown(domain: SendingDomain, keys: Sequence[DkimKey], records: Sequence[ExpectedRecord]) -> dict[str, Any]:
    """Return a domain with its key, and with the records that it is to publish."""
    document = listed(domain) | {
        "dns_records": [
            {"type": one.form, "name": one.name, "value": one.value, "required": one.is_required} for one in records
        ],
    }
    if told := dkim(domain, keys):
        document["dkim"] = told
    return document


def dkim(domain: SendingDomain, keys: Sequence[DkimKey]) -> dict[str, str]:
    """Return the public half of the key that a domain signs with, or will once its record is seen."""
    present = [one for one in keys if one.state is not KeyState.RETIRED]
    present.sort(key=lambda one: (one.state is not KeyState.ACTIVE, one.algorithm.value != "rsa"))
    if not present:
        return {}
    key = present[0]
    return {"public": key.public_key, "selector": key.selector, "signing_domain": domain.name, "headers": _SIGNED}


def checked(domain: SendingDomain, verdicts: Sequence[RecordVerdict]) -> dict[str, Any]:
    """Return what a check of the records found."""
    records = [
        {
            "type": one.expected.form,
            "name": one.expected.name,
            "value": one.expected.value,
            "required": one.expected.is_required,
            "status": one.status.value,
            "found": one.found,
        }
        for one in verdicts
    ]
    dns = {"dkim_record": RecordPurpose.DKIM, "spf_record": RecordPurpose.RETURN_PATH_SPF}
    values = {
        name: next((one.expected.value for one in verdicts if one.expected.purpose is purpose), "")
        for name, purpose in dns.items()
    }
    return status(domain, verdicts) | {
        "dns": {name: value for name, value in values.items() if value},
        "records": records,
    }
