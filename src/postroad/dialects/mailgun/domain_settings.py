"""What Mailgun's calls change of a sending domain, laid over its settings."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from postroad.dialects.mailgun.domains import connection_of
from postroad.dialects.mailgun.parameters import Parameters
from postroad.model.domain import DomainSettings, SendingDomain
from postroad.model.options import TlsDemand
from postroad.model.refused import RefusedError

NOT_KEPT: Mapping[str, tuple[tuple[str, ...], str]] = {
    "spam_action": (("disabled",), "mail that a domain receives is not filtered"),
    "wildcard": (("no", "false"), "mail from names below a domain needs a sending domain of its own"),
    "web_scheme": (("https",), "links of tracking lead over https"),
    "encrypt_incoming_message": (("no", "false"), "what a domain receives is not encrypted"),
    "force_root_dkim_host": (("no", "false"), "a domain signs in its own name"),
    "dkim_key_size": (("2048", "1024"), "DKIM keys are made with 2048 bits"),
    "ips": ((), "the operator chooses which addresses mail leaves from"),
    "pool_id": ((), "the operator chooses which addresses mail leaves from"),
    "message_ttl": ((), "how long mail is tried is set for the installation"),
    "mailfrom_host": ((), "the name that mail comes back to is set for the installation"),
    "dkim_host_name": ((), "keys are found under the domain itself"),
    "dkim_selector": (("postroad1",), "a domain's first key has the selector postroad1"),
}
"""Parameters of domains whose other values would not be kept, with the values that say what is so anyway."""


def require_kept(parameters: Parameters) -> None:
    """Raise RefusedError for what a domain is asked to be and would not be."""
    for name, (same, reason) in NOT_KEPT.items():
        given = parameters.text(name)
        if given and given.lower() not in same:
            allowed = f"; it may be {' or '.join(same)}" if same else "; leave it out"
            raise RefusedError(f"{name} cannot be {given[:60]}: {reason}{allowed}", field=name)


def changed(domain: SendingDomain, parameters: Parameters) -> DomainSettings:
    """Return the settings of a domain with what a call sets; raises RefusedError."""
    require_kept(parameters)
    settings = domain.settings
    if parameters.text("web_prefix"):
        settings = with_web_prefix(domain.name, settings, parameters.text("web_prefix"))
    return with_connection(settings, parameters)


def with_web_prefix(name: str, settings: DomainSettings, prefix: str) -> DomainSettings:
    """Return settings with links that lead over a host below the domain."""
    return msgspec.structs.replace(settings, tracking_host=f"{prefix.lower().rstrip('.')}.{name}")


def with_connection(settings: DomainSettings, parameters: Parameters) -> DomainSettings:
    """Return settings with what a call demands of connections."""
    requires, skips = connection_of(settings.require_tls)
    asked = parameters.switch("require_tls"), parameters.switch("skip_verification")
    requires = requires if asked[0] is None else asked[0]
    skips = skips if asked[1] is None else asked[1]
    demand = TlsDemand.NOTHING if not requires else TlsDemand.ENCRYPT if skips else TlsDemand.VERIFY
    return msgspec.structs.replace(settings, require_tls=demand)


def connection_document(settings: DomainSettings) -> dict[str, bool]:
    """Return what is demanded of connections."""
    requires, skips = connection_of(settings.require_tls)
    return {"require_tls": requires, "skip_verification": skips}


def tracking_document(settings: DomainSettings) -> dict[str, dict[str, Any]]:
    """Return what is tracked."""
    clicks: bool | str = settings.tracks_clicks
    if settings.tracks_clicks and not settings.tracks_text_clicks:
        clicks = "htmlonly"
    return {
        "click": {"active": clicks},
        "open": {"active": settings.tracks_opens, "place_at_the_top": False},
        "unsubscribe": {"active": settings.offers_unsubscribe, "html_footer": "", "text_footer": ""},
    }


def _with_clicks(settings: DomainSettings, parameters: Parameters) -> DomainSettings:
    is_html_only = parameters.text("active").lower() == "htmlonly"
    active = True if is_html_only else _active(parameters)
    return msgspec.structs.replace(settings, tracks_clicks=active, tracks_text_clicks=active and not is_html_only)


def _with_opens(settings: DomainSettings, parameters: Parameters) -> DomainSettings:
    if parameters.switch("place_at_the_top"):
        raise RefusedError(
            "place_at_the_top cannot be yes: the pixel stands at the end of the message", field="place_at_the_top"
        )
    return msgspec.structs.replace(settings, tracks_opens=_active(parameters))


def _with_unsubscribing(settings: DomainSettings, parameters: Parameters) -> DomainSettings:
    for name in ("html_footer", "text_footer"):
        if parameters.text(name):
            raise RefusedError(
                f"{name} must be empty: nothing is added to what people read; put %unsubscribe_url% into the message, or "
                "leave it to the List-Unsubscribe header, which is added",
                field=name,
            )
    return msgspec.structs.replace(settings, offers_unsubscribe=_active(parameters))


def _active(parameters: Parameters) -> bool:
    active = parameters.switch("active")
    if active is None:
        raise RefusedError("active parameter is missing", field="active")
    return active


TRACKING: Mapping[str, Callable[[DomainSettings, Parameters], DomainSettings]] = {
    "click": _with_clicks,
    "open": _with_opens,
    "unsubscribe": _with_unsubscribing,
}
"""What may be tracked, and how a call changes that."""
