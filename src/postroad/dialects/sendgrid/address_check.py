"""Checks of addresses in SendGrid's words."""

from typing import Any

import msgspec

from postroad.dialects.sendgrid.errors import Fault
from postroad.model.address_check import AddressCheck, AddressReason, AddressResult
from postroad.policy.address_check import LONGEST

_LONGEST_SOURCE = 100
_VERDICTS = {
    AddressResult.DELIVERABLE: "Valid",
    AddressResult.RISKY: "Risky",
    AddressResult.UNKNOWN: "Risky",
    AddressResult.UNDELIVERABLE: "Invalid",
}
ANSWER = {
    "verdict": "`Valid`, `Risky` or `Invalid`",
    "score": "an estimate, from 0 to 1",
    "email, local, host": "the address and its parts; the host in A-labels",
    "suggestion": "the domain that was probably meant; left out where that is not known",
    "checks.domain.has_valid_address_syntax": "false: it is no address",
    "checks.domain.has_mx_or_a_record": "false: its domain takes no mail",
    "checks.domain.is_suspected_disposable_address, checks.local_part.is_suspected_role_address": "true or false",
    "checks.additional.has_known_bounces": "true: it is on the bounce list, and no mail has reached it since",
    "checks.additional.has_suspected_bounces": "true: the last mail to it came back for something about the mailbox",
    "ip_address": "where the call came from",
    "source": "that of the call",
}
"""What the result holds, for people."""


class Asked(msgspec.Struct, frozen=True):
    """What a call asks about."""

    email: str
    source: str | None = None
    """Where the client has it from: comes back in the answer."""


def asked(body: Any) -> Asked | list[Fault]:
    """Read the body of a call, or say all that is wrong with it."""
    if not isinstance(body, dict):
        return [Fault("the body must be a JSON object")]
    email, source = body.get("email"), body.get("source")
    faults = []
    if not isinstance(email, str) or not email.strip():
        faults.append(Fault("email is required: the address to check, as a text", "email"))
    elif len(email) > LONGEST:
        faults.append(Fault(f"email has more than {LONGEST} characters", "email"))
    if source is not None and (not isinstance(source, str) or len(source) > _LONGEST_SOURCE):
        faults.append(Fault(f"source must be a text of at most {_LONGEST_SOURCE} characters", "source"))
    return faults or Asked(str(email), source)


def document(check: AddressCheck, source: str | None, client_address: str) -> dict[str, Any]:
    """Return the answer to a check; ``client_address`` is where the call came from."""
    has_syntax = AddressReason.SYNTAX not in check.reasons
    local, _, host = check.address.rpartition("@")
    result: dict[str, Any] = {
        "email": check.address,
        "verdict": _VERDICTS[check.result],
        "score": check.confidence / 100,
        "local": check.local_part if has_syntax else local,
        "host": check.domain if has_syntax else host,
        "checks": {
            "domain": {
                "has_valid_address_syntax": has_syntax,
                "has_mx_or_a_record": check.takes_mail,
                "is_suspected_disposable_address": check.is_disposable,
            },
            "local_part": {"is_suspected_role_address": check.is_role},
            "additional": {"has_known_bounces": check.has_bounced, "has_suspected_bounces": check.is_failing},
        },
        "ip_address": client_address,
    }
    optional = {"suggestion": check.suggested_domain, "source": source}
    return {"result": result | {name: value for name, value in optional.items() if value is not None}}
