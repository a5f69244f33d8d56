"""Sending domains, their records and DKIM keys as Mailgun's API tells them."""

from collections.abc import Mapping, Sequence
from typing import Any

from postroad.dialects.mailgun.parameters import Parameters, gmt
from postroad.model.domain import DkimKey, DomainQuery, DomainState, KeyState, SendingDomain
from postroad.model.options import TlsDemand
from postroad.model.refused import RefusedError
from postroad.policy.record_comparison import RecordVerdict, VerdictStatus
from postroad.policy.records import ExpectedRecord, RecordPurpose, dkim_name, key_record

STATES: Mapping[str, tuple[DomainState, ...]] = {
    "active": (DomainState.ACTIVE,),
    "unverified": (DomainState.VETTING, DomainState.UNVERIFIED),
    "disabled": (DomainState.DISABLED, DomainState.REJECTED),
}
"""Mailgun's words for where a domain stands."""
_VALID, _UNKNOWN, _INVALID = "valid", "unknown", "invalid"
_WORDS = {
    VerdictStatus.OK: _VALID,
    VerdictStatus.DIFFERENT: _INVALID,
    VerdictStatus.MISSING: _UNKNOWN,
    VerdictStatus.UNKNOWN: _UNKNOWN,
}
_RECEIVING = frozenset({RecordPurpose.RETURN_PATH_MX})
_NOT_TOLD = frozenset({RecordPurpose.MAIL_CLIENTS})
"""For people's mail clients: Mailgun has none of them, and nobody waits for them."""
_DESCENDING = ("name:asc", "name:desc")


def read_query(parameters: Parameters) -> DomainQuery:
    """Return which domains a list is to have; raises RefusedError."""
    state = parameters.one_of("state", tuple(STATES))
    sort = parameters.text("sort").replace(" ", "").lower()
    if sort not in ("", *_DESCENDING):
        raise RefusedError(f"sort must be one of {', '.join(_DESCENDING)}", field="sort")
    return DomainQuery(
        states=STATES.get(state, ()),
        # Every domain signs in its own name.
        name=parameters.text("authority").lower().rstrip("."),
        part=parameters.text("search").lower(),
        is_descending=sort == _DESCENDING[1],
        limit=parameters.limit,
        skip=parameters.skip,
    )


def document_of(domain: SendingDomain) -> dict[str, Any]:
    """Return a domain."""
    settings = domain.settings
    requires_tls, skips_verification = connection_of(settings.require_tls)
    return {
        "id": str(domain.id),
        "name": domain.name,
        "state": state_of(domain),
        "type": "custom",
        "created_at": gmt(domain.created_at),
        "is_disabled": domain.state in STATES["disabled"],
        "smtp_login": login_of(domain),
        "spam_action": "disabled",
        "wildcard": False,
        "web_scheme": "https",
        "web_prefix": web_prefix_of(domain),
        "require_tls": requires_tls,
        "skip_verification": skips_verification,
        "use_automatic_sender_security": False,
    }


def state_of(domain: SendingDomain) -> str:
    """Return Mailgun's word for a domain's state."""
    return next(word for word, states in STATES.items() if domain.state in states)


def login_of(domain: SendingDomain) -> str:
    """Return the name of the SMTP user whose password is ``smtp_password``."""
    return f"postmaster@{domain.name}"


def web_prefix_of(domain: SendingDomain) -> str:
    """Return what stands before the domain's name in the host of its links; empty where that is another host."""
    host = domain.settings.tracking_host
    return host.removesuffix(f".{domain.name}") if host.endswith(f".{domain.name}") else ""


def connection_of(demand: TlsDemand) -> tuple[bool, bool]:
    """Return what is demanded of connections as ``require_tls`` and ``skip_verification``."""
    return demand is not TlsDemand.NOTHING, demand is TlsDemand.ENCRYPT


def records_document(
    domain: SendingDomain,
    keys: Sequence[DkimKey],
    records: Sequence[ExpectedRecord],
    verdicts: Sequence[RecordVerdict] = (),
) -> dict[str, Any]:
    """Return the records that a domain is to publish, with what a check found, or else with what is known without one."""
    found = {(one.expected.purpose, one.expected.name): _WORDS[one.status] for one in verdicts}
    told = [one for one in records if one.purpose not in _NOT_TOLD]
    documents = [(one, _record(one, found.get((one.purpose, one.name)) or _known(one, domain, keys))) for one in told]
    return {
        "receiving_dns_records": [document for one, document in documents if one.purpose in _RECEIVING],
        "sending_dns_records": [document for one, document in documents if one.purpose not in _RECEIVING],
    }


def _record(record: ExpectedRecord, valid: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "record_type": record.form,
        "name": record.name,
        "value": record.value,
        "valid": valid,
        "cached": [],
        "is_active": valid == _VALID,
    }
    if record.form == "MX":
        priority, _, host = record.value.partition(" ")
        document |= {"priority": priority, "value": host}
    return document


def _known(record: ExpectedRecord, domain: SendingDomain, keys: Sequence[DkimKey]) -> str:
    """Return what the last check says of a record, as far as it is remembered."""
    key = next((one for one in keys if one.selector == record.selector and one.state is not KeyState.RETIRED), None)
    if record.purpose is RecordPurpose.ORGANISATIONAL_DKIM:
        return _VALID if key is not None and key.signs_organisational else _UNKNOWN
    # Where the installation verifies nothing, a domain is active without anything having been seen.
    is_right = domain.state is DomainState.ACTIVE and domain.verified_at is not None and domain.failing_since is None
    if record.is_required:
        return _VALID if is_right else _UNKNOWN
    if record.purpose is RecordPurpose.DKIM:
        return _VALID if is_right and key is not None and key.state is KeyState.ACTIVE else _UNKNOWN
    return _UNKNOWN


def key_document(domain: str, key: DkimKey) -> dict[str, Any]:
    """Return a DKIM key."""
    is_active = key.state is KeyState.ACTIVE
    return {
        "signing_domain": domain,
        "selector": key.selector,
        "dns_record": {
            "is_active": is_active,
            "cached": [],
            "name": dkim_name(key.selector, domain),
            "record_type": "TXT",
            "valid": _VALID if is_active else _UNKNOWN,
            "value": key_record(key),
        },
    }
