"""What callers of our own API are told: problem details (RFC 9457), with every fault by the field that it is about."""

from collections.abc import Mapping, Sequence

import msgspec

from postroad.model.submission import Rejected
from postroad.policy.quota import Period

MEDIA_TYPE = "application/problem+json"
MOST_FAULTS = 100
"""What one answer lists; who has more learns of the others with the next try."""
_PAUSED_S = 300
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_PERIODS = {
    "hourly_limit": Period.HOUR,
    "hourly_quota": Period.HOUR,
    "daily_limit": Period.DAY,
    "daily_quota": Period.DAY,
}
_FIELDS = {
    "header_from_not_aligned": "from",
    "template_unknown": "template",
    "template_failed": "template",
    "idempotency_key_reused": "headers",
}
"""What a refusal of admission is about, by its rule."""


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with a call."""

    detail: str
    field: str | None = None
    """Where it stands, with dots between its steps: ``messages.3.to.0``."""
    rule: str | None = None
    """The rule of admission that refused the message, as the reference of refusals lists it."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every answer that is no success (RFC 9457)."""

    title: str
    status: int
    detail: str
    errors: tuple[Fault, ...] = ()


class Refusal(msgspec.Struct, frozen=True):
    """A call that is refused: the status, and all that is wrong."""

    status: int
    detail: str
    faults: tuple[Fault, ...] = ()
    retry_after_s: int | None = None
    """When another try may help; null where it will not."""

    @property
    def problem(self) -> Problem:
        """The body of the answer."""
        return Problem(_TITLES.get(self.status, "Error"), self.status, self.detail, self.faults)

    @property
    def text(self) -> str:
        """All of it as one line, for the events."""
        lines = [one.detail if one.field is None else f"{one.field}: {one.detail}" for one in self.faults]
        return "; ".join(lines) or self.detail


def faulty(faults: Sequence[Fault]) -> Refusal:
    """Return the refusal of a call for all that is wrong with it."""
    distinct = tuple(dict.fromkeys(faults))
    left_out = len(distinct) - MOST_FAULTS
    if left_out > 0:
        distinct = (*distinct[:MOST_FAULTS], Fault(f"and {left_out} more"))
    return Refusal(422, "The call cannot be carried out as it is; nothing was stored.", distinct)


def rejected(by_place: Mapping[int, Rejected], now: int, *, is_batch: bool) -> Refusal:
    """Return what is said of messages that admission refused; ``now`` is in milliseconds since 1970."""
    places = dict(list(by_place.items())[:MOST_FAULTS])
    faults = tuple(_fault(why, place if is_batch else None) for place, why in places.items())
    first = next(iter(by_place.values()))
    detail = first.text if len(faults) == 1 else f"{len(by_place)} of the messages are refused; none was stored."
    period = _PERIODS.get(first.rule)
    if period is not None:
        return Refusal(429, detail, faults, max(1, (period.length_ms - now % period.length_ms) // 1000))
    if first.enhanced_status.startswith("4"):
        return Refusal(429, detail, faults, _PAUSED_S)
    if first.rule == "message_too_large":
        return Refusal(413, detail, faults)
    is_forbidden = first.rule == "header_from_not_aligned" or first.rule.startswith("domain_")
    return Refusal(403 if is_forbidden else 422, detail, faults)


def _fault(why: Rejected, place: int | None) -> Fault:
    if why.rule == "call_key_reused":
        return Fault(why.text, "Idempotency-Key", why.rule)
    field = _FIELDS.get(why.rule)
    if why.rule == "option_malformed":
        # Its sentence begins with what gave the option: a field of the call, or a header.
        given_by = why.text.partition(" ")[0]
        field = f"headers.{given_by}" if given_by.startswith("X-") else given_by
    if place is not None:
        field = f"messages.{place}" if field is None else f"messages.{place}.{field}"
    return Fault(why.text, field, why.rule)
