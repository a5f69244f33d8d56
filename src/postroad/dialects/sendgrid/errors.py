"""What callers of the SendGrid API are told: a list of faults, each with the field that it is about."""

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
_FOREIGN_FROM = (
    "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved."
)
_FIELDS = {
    "header_from_not_aligned": "from",
    "template_unknown": "template_id",
    "template_failed": "template_id",
}
"""What a refusal of admission is about, by its rule."""
MOST_FAULTS = 100
"""What one answer lists; who has more learns of the others with the next try."""


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with a call."""

    message: str
    field: str | None = None
    """Where it stands, with dots between its steps: ``personalizations.0.to``."""
    help: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """A call that is refused: the status, and all that is wrong."""

    status: int
    faults: tuple[Fault, ...]
    retry_after_s: int | None = None
    """When another try may help; null where it will not."""

    @property
    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"errors": [msgspec.structs.asdict(one) for one in self.faults]}

    @property
    def text(self) -> str:
        """All of it as one line, for the events."""
        return "; ".join(one.message if one.field is None else f"{one.field}: {one.message}" for one in self.faults)


UNPROVEN = Refusal(401, (Fault("authorization required"),))
UNKNOWN_KEY = Refusal(401, (Fault("The provided authorization grant is invalid, expired, or revoked"),))
BAD_REQUEST = Fault("Bad Request")
"""The vendor's whole answer to values of a kind that it does not expect in ``custom_args`` and ``substitutions``."""


def refusal(status: int, message: str, field: str | None = None, retry_after_s: int | None = None) -> Refusal:
    """Return a refusal for one reason."""
    return Refusal(status, (Fault(message, field),), retry_after_s)


def faulty(faults: Sequence[Fault]) -> Refusal:
    """Return the refusal of a call for all that is wrong with it."""
    distinct = tuple(dict.fromkeys(faults))
    left_out = len(distinct) - MOST_FAULTS
    if left_out > 0:
        distinct = (*distinct[:MOST_FAULTS], Fault(f"and {left_out} more"))
    return Refusal(400, distinct)


def rejected(refused: Iterable[tuple[Rejected, int | None]], now: int) -> Refusal:
    """Return what is said of messages that admission refused.

    Args:
        refused: Each one's reason, and the number of the personalization that it is of, where there are several.
        now: Milliseconds since 1970.
    """
    reasons = list(refused)
    first = reasons[0][0]
    faults = tuple(dict.fromkeys(_fault(why, place) for why, place in reasons))[:MOST_FAULTS]
    period = _PERIODS.get(first.rule)
    if period is not None:
        ends_at = now - now % period.length_ms + period.length_ms
        return Refusal(429, faults, max(1, (ends_at - now) // 1000))
    if first.enhanced_status.startswith("4"):
        return Refusal(429, faults, _PAUSED_S)
    if first.rule == "message_too_large":
        return Refusal(413, faults)
    is_forbidden = first.rule == "header_from_not_aligned" or first.rule.startswith("domain_")
    return Refusal(403 if is_forbidden else 400, faults)


def _fault(why: Rejected, place: int | None) -> Fault:
    field = _FIELDS.get(why.rule)
    if why.rule == "option_malformed":
        # Its sentence begins with what gave the option: a field of the call, or a header.
        given_by = why.text.partition(" ")[0]
        field = f"headers.{given_by}" if given_by.startswith("X-") else given_by
    text = f"{_FOREIGN_FROM} {why.text}" if why.rule == "header_from_not_aligned" else why.text
    if place is not None and field != "template_id":
        field = f"personalizations.{place}" if field is None else f"personalizations.{place}.{field}"
    return Fault(text, field)
