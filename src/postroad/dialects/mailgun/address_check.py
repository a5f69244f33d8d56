"""Checks of addresses in Mailgun's words."""

from typing import Any

from postroad.model.address_check import AddressCheck, AddressReason, AddressResult
from postroad.policy.address_check import LONGEST

_REASONS = {
    AddressReason.SYNTAX: "failed custom grammar check",
    AddressReason.NO_SUCH_DOMAIN: "no_mx",
    AddressReason.NULL_MX: "no_mx",
    AddressReason.NO_MAIL_HOST: "no_mx",
    AddressReason.BOUNCED: "mailbox_does_not_exist",
    AddressReason.DISPOSABLE: "mailbox_is_disposable_address",
    AddressReason.ROLE: "mailbox_is_role_address",
    AddressReason.DNS_AWAY: "no_data",
}
"""Those that the vendor has a word for."""


ANSWER = {
    "address": "as it was given",
    "result": "`deliverable`, `undeliverable`, `do_not_send` or `unknown`",
    "risk": "`low`, `medium`, `high` or `unknown`",
    "reason": f"a list of {', '.join(f'`{one}`' for one in sorted(set(_REASONS.values())))}; empty where nothing speaks against it",
    "is_disposable_address, is_role_address": "true or false",
    "did_you_mean": "what was probably meant; left out where that is not known",
}
"""What the answer holds, for people."""


def address_fault(given: str | None) -> str:
    """Return what is wrong with the parameter ``address``; empty where it can be looked at."""
    if not given or not given.strip():
        return "address parameter is required: the address to check"
    return f"address has more than {LONGEST} characters" if len(given) > LONGEST else ""


def document(check: AddressCheck) -> dict[str, Any]:
    """Return the answer to a check."""
    result, risk = _result_and_risk(check)
    found = {
        "address": check.address,
        "is_disposable_address": check.is_disposable,
        "is_role_address": check.is_role,
        "reason": list(dict.fromkeys(_REASONS[one] for one in check.reasons if one in _REASONS)),
        "result": result,
        "risk": risk,
    }
    return found if check.suggestion is None else found | {"did_you_mean": check.suggestion}


def _result_and_risk(check: AddressCheck) -> tuple[str, str]:
    match check.result:
        case AddressResult.DELIVERABLE:
            return "deliverable", "low"
        case AddressResult.UNDELIVERABLE:
            return "undeliverable", "high"
        case AddressResult.UNKNOWN:
            return "unknown", "unknown"
        case AddressResult.RISKY:
            return ("do_not_send", "high") if check.is_disposable else ("deliverable", "medium")
