"""What ``postroad check`` looks at of tracking: whether what is asked for can be done."""

from collections.abc import Sequence

from postroad.cli.findings import Finding
from postroad.config import Settings
from postroad.model.domain import SendingDomain

_SUBJECT = "tracking"
_NAMED = 5


def tracking(settings: Settings, domains: Sequence[SendingDomain]) -> list[Finding]:
    """Look for domains whose opens, clicks or unsubscribes have no host; nothing where no domain asks for any."""
    asking = [one for one in domains if _asks(one)]
    lacking = [one.name for one in asking if not (one.settings.tracking_host or settings.tracking.host)]
    if lacking:
        more = f" and {len(lacking) - _NAMED} others" if len(lacking) > _NAMED else ""
        text = f"Nothing is tracked of {', '.join(lacking[:_NAMED])}{more}: their links have no host to lead over."
        return [Finding(_SUBJECT, "warning", text, "Set tracking.host, or each domain's tracking_host.")]
    return [Finding(_SUBJECT, "ok", "Every domain that asks for it has a tracking host.")] if asking else []


def _asks(domain: SendingDomain) -> bool:
    settings = domain.settings
    return settings.tracks_clicks or settings.tracks_opens or settings.offers_unsubscribe
