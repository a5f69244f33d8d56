"""What ``postroad check`` looks at of webhooks: whether their receivers take calls."""

from collections.abc import Mapping, Sequence

from postroad.cli.findings import Finding
from postroad.cli.output import local_time
from postroad.model.webhook import Health, Webhook

_SUBJECT = "webhooks"
_NAMED = 5


def receivers(webhooks: Sequence[Webhook], paused: Mapping[int, Health]) -> list[Finding]:
    """Look for receivers that the circuit breaker has paused; nothing where there are no webhooks."""
    dead = [one for one in webhooks if one.id in paused]
    found = [
        Finding(
            _SUBJECT,
            "warning",
            f"{one.url} has taken no calls since {local_time(paused[one.id].failing_since)}: {paused[one.id].last_error}.",
            f"Mend the receiver, and try it with `postroad webhook test {one.id}`.",
        )
        for one in dead[:_NAMED]
    ]
    if len(dead) > _NAMED:
        text = f"{len(dead) - _NAMED} further addresses take no calls."
        found.append(Finding(_SUBJECT, "warning", text, "`postroad webhook list` shows them."))
    return found or ([Finding(_SUBJECT, "ok", "Every webhook is called.")] if webhooks else [])
