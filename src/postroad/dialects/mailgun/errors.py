"""What callers of the Mailgun API are told: clients look at the status and, some of them, at the words."""

from collections.abc import Sequence
from typing import Any

import msgspec

from postroad.model.submission import Rejected
from postroad.policy.quota import Period
from postroad.protocol.mime.date import format_date

FORBIDDEN = "Forbidden"
"""The whole answer to a key that is not known, as plain text."""
QUEUED = "Queued. Thank you."
"""anymail wants an answer that begins with "Queued"."""
_PERIODS = {
    "hourly_limit": Period.HOUR,
    "hourly_quota": Period.HOUR,
    "daily_limit": Period.DAY,
    "daily_quota": Period.DAY,
}
_PAUSED_S = 300
_TOO_LARGE = frozenset({"message_too_large"})


class Refusal(msgspec.Struct, frozen=True):
    """A call that is refused: the status, and the sentence in ``message``."""

    status: int
    text: str
    retry_after_s: int | None = None
    """When another try may help; null where it will not."""

    @property
    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"message": self.text}


def faulty(faults: Sequence[str], status: int = 400) -> Refusal:
    """Return the refusal of a call for all that is wrong with it."""
    return Refusal(status, "; ".join(dict.fromkeys(faults)))


def domain_not_found(domain: str, sends_for: str | None = None) -> Refusal:
    """Return the answer to a domain that the key does not reach; anymail looks for its first words."""
    hint = "" if sends_for is None else f" (this API key sends for {sends_for} only)"
    return Refusal(404, f"Domain not found: {domain}{hint}")


def rejected(why: Rejected, domain: str, now: int) -> Refusal:
    """Return what is said of a message that admission refused."""
    period = _PERIODS.get(why.rule)
    if period is not None:
        ends_at = now - now % period.length_ms + period.length_ms
        text = (
            f"Domain {domain} is not allowed to send: recipient limit exceeded, try again after {format_date(ends_at)}. "
            f"{why.text}"
        )
        return Refusal(429, text, max(1, (ends_at - now) // 1000))
    if why.rule in _TOO_LARGE:
        return Refusal(413, why.text)
    if why.rule.startswith("domain_"):
        is_temporary = why.enhanced_status.startswith("4")
        text = f"Domain {domain} is not allowed to send: {why.text}"
        return Refusal(429 if is_temporary else 400, text, _PAUSED_S if is_temporary else None)
    if why.enhanced_status.startswith("4"):
        return Refusal(429, why.text, _PAUSED_S)
    return Refusal(400, why.text)
