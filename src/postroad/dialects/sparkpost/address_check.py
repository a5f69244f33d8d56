"""Checks of addresses in SparkPost's words."""

from typing import Any

from postroad.model.address_check import AddressCheck, AddressReason, AddressResult

_WHY = {AddressReason.SYNTAX: "Invalid Syntax", AddressReason.BOUNCED: "Invalid Recipient"}
_INVALID_DOMAIN = "Invalid Domain"
ANSWER = {
    "result": "`valid`, `typo`, `risky`, `undeliverable`, or `neutral` where DNS gave no answer",
    "valid": "false: it is no address, or its domain takes no mail",
    "reason": "of what is undeliverable: `Invalid Syntax`, `Invalid Domain` or `Invalid Recipient`, which bounced",
    "is_role, is_disposable": "true or false",
    "is_free": "its domain is that of a provider that takes everybody",
    "delivery_confidence": "an estimate, from 0 to 100",
    "did_you_mean": "what was probably meant; left out where that is not known",
}
"""What the results hold, for people."""


def document(check: AddressCheck) -> dict[str, Any]:
    """Return the answer to a check."""
    results: dict[str, Any] = {
        "valid": check.takes_mail,
        "result": _result(check),
        "is_role": check.is_role,
        "is_disposable": check.is_disposable,
        "is_free": check.is_free,
        "delivery_confidence": check.confidence,
    }
    if check.result is AddressResult.UNDELIVERABLE:
        # The vendor gives a reason for nothing else.
        results["reason"] = _WHY.get(check.reasons[0], _INVALID_DOMAIN)
    if check.suggestion is not None:
        results["did_you_mean"] = check.suggestion
    return {"results": results}


def _result(check: AddressCheck) -> str:
    match check.result:
        case AddressResult.DELIVERABLE:
            return "valid"
        case AddressResult.UNDELIVERABLE:
            return "undeliverable"
        case AddressResult.UNKNOWN:
            return "neutral"
        case AddressResult.RISKY:
            return "typo" if check.reasons[0] is AddressReason.TYPO else "risky"
