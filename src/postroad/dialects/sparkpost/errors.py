"""What callers of the SparkPost API are told: a list of errors, each with the vendor's words and code, and what is meant."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from postroad.model.submission import Rejected
from postroad.policy.quota import Period

_PERIODS = {
    "hourly_limit": Period.HOUR,
    "hourly_quota": Period.HOUR,
    "daily_limit": Period.DAY,
    "daily_quota": Period.DAY,
}
_PAUSED_S = 300
MOST_FAULTS = 100
"""What one answer lists; who has more learns of the others with the next try."""


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with a call, or with one recipient of it."""

    message: str
    """In the vendor's words, which clients look at."""
    description: str | None = None
    """What it is about, and what was expected."""
    code: str | None = None
    part: str | None = None
    """Which text of a content."""
    line: int | None = None

    @property
    def text(self) -> str:
        """The fault as a sentence."""
        return self.message if self.description is None else f"{self.message}: {self.description}"


class Refusal(msgspec.Struct, frozen=True):
    """A call that is refused: the status, and all that is wrong."""

    status: int
    faults: tuple[Fault, ...]
    retry_after_s: int | None = None
    """When another try may help; null where it will not."""
    recipient_faults: tuple[Fault, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        document: dict[str, Any] = {"errors": msgspec.to_builtins(self.faults)}
        if self.recipient_faults:
            document["results"] = {"rcpt_to_errors": msgspec.to_builtins(self.recipient_faults)}
        return document

    @property
    def text(self) -> str:
        """All of it as one line, for the events."""
        return "; ".join(one.text for one in (*self.faults, *self.recipient_faults))


UNAUTHORIZED = Refusal(401, (Fault("Unauthorized."),))
NOT_FOUND = Refusal(404, (Fault("resource not found", "There is no transmission with this id.", "1600"),))
NO_RECIPIENT = Fault("At least one valid recipient is required", code="5002")
PARTLY = Fault("transmission created, but with validation errors", code="2000")
"""Said beside the answer to a call of which some recipients could not be taken."""


def missing(description: str) -> Fault:
    """Return the fault of what has to be there and is not."""
    return Fault("required field is missing", description, "1400")


def malformed(description: str) -> Fault:
    """Return the fault of a value that is of another kind, or not within its bounds."""
    return Fault("invalid data format/type", description, "1300")


def unknown(description: str) -> Fault:
    """Return the fault of a name that stands for nothing here."""
    return Fault("Subresource not found", description, "1603")


def wrong_syntax(part: str, line: int, sentence: str) -> Fault:
    """Return the fault of a text whose substitutions are not understood."""
    where = f"Error while compiling part {part}: line {line}: {sentence}"
    return Fault("substitution language syntax error in template content", where, "3000", part, line)


def forbidden(description: str) -> Refusal:
    """Return the answer to a key that is right and does not help."""
    return Refusal(403, (Fault("Forbidden.", description),))


def faulty(faults: Sequence[Fault], recipient_faults: Sequence[Fault] = ()) -> Refusal:
    """Return the refusal of a call for all that is wrong with it."""
    distinct = tuple(dict.fromkeys(faults))
    left_out = len(distinct) - MOST_FAULTS
    if left_out > 0:
        distinct = (*distinct[:MOST_FAULTS], Fault(f"and {left_out} more"))
    # The vendor's statuses: 422 where each value is of its kind and together they are no transmission.
    is_processable = all(one.code in {"1301", "1400", "1603", "3000"} for one in faults)
    return Refusal(422 if is_processable else 400, distinct, recipient_faults=tuple(recipient_faults))


def rejected(reasons: Iterable[Rejected], domain: str, now: int) -> Refusal:
    """Return what is said of messages that admission refused."""
    refused = list(reasons)
    first = refused[0]
    period = _PERIODS.get(first.rule)
    if period is not None:
        word, code = ("hourly", "2101") if period is Period.HOUR else ("daily", "2102")
        ends_at = now - now % period.length_ms + period.length_ms
        fault = Fault(f"Exceed Sending Limit ({word})", first.text, code)
        # 420 is the vendor's own status.
        return Refusal(420, (fault,), max(1, (ends_at - now) // 1000))
    faults = tuple(dict.fromkeys(_fault(one, domain) for one in refused))[:MOST_FAULTS]
    if first.enhanced_status.startswith("4"):
        return Refusal(429, faults, _PAUSED_S)
    if first.rule == "message_too_large":
        return Refusal(413, faults)
    if first.rule.startswith("domain_"):
        return Refusal(403, faults)
    return Refusal(422 if first.rule.startswith("template_") else 400, faults)


def _fault(why: Rejected, domain: str) -> Fault:
    match why.rule:
        case "header_from_not_aligned" | "domain_not_active":
            return Fault("Invalid domain", f"Unconfigured or unverified sending domain. {why.text}", "7001")
        case "reverse_path_not_at_domain" | "reverse_path_null":
            return malformed(f"return_path must be an address at {domain}, the sending domain")
        case "template_unknown":
            return unknown(why.text)
        case "template_failed":
            return Fault("substitution language syntax error in template content", why.text, "3000")
        case rule if rule.startswith("domain_"):
            return Fault("Forbidden.", why.text)
    return malformed(why.text)
