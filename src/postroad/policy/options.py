"""Which options hold for a message: what its sender asked for, over what its sending domain has as defaults."""

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

from postroad.model.domain import DomainSettings
from postroad.model.options import NO_OPTIONS, NO_SOURCES, CallbackFormat, OptionFault, Options, TlsDemand
from postroad.policy.suppression import comparable

FURTHEST_AHEAD_DAYS = 30
LONGEST_WAIT_DAYS = 30
"""How long after the time to send at a message may be tried."""
_DAY_MS = 86_400_000
_MOST_NAMED = 3
"""Addresses that a remark names."""
_MOST_SHOWN = 80
"""Characters of a host that a refusal names: a reply line has its bounds."""


HostTest = Callable[[str], bool]
"""Tells whether something holds for the host of a URL."""


def resolved(
    asked: Options,
    settings: DomainSettings,
    now: int,
    *,
    sources: Mapping[str, str] = NO_SOURCES,
    is_private_host: HostTest | None = None,
) -> Options | OptionFault:
    """Return the options as they hold, with nothing left open: what is off, by whomever, is None.

    A message for which nothing is on has the one value ``NO_OPTIONS``, which costs nothing to keep. ``sources`` are the
    headers that gave the options, which a fault names. A callback must not lead to a private host, unless there is no
    test for one.
    """
    fault = _time_fault(asked, now, sources) or _callback_fault(asked, sources, is_private_host)
    if fault is not None:
        return fault
    callback_format = None if asked.callback_url is None else asked.callback_format or CallbackFormat.MAILGUN
    tls = settings.require_tls if asked.tls is None else asked.tls
    held = msgspec.structs.replace(
        asked,
        is_test=_held(asked.is_test, settings.test_mode),
        tracks_clicks=_held(asked.tracks_clicks, settings.tracks_clicks),
        tracks_text_clicks=_held(asked.tracks_text_clicks, settings.tracks_text_clicks),
        tracks_opens=_held(asked.tracks_opens, settings.tracks_opens),
        offers_unsubscribe=_held(
            asked.offers_unsubscribe, settings.offers_unsubscribe and not settings.is_transactional
        ),
        tls=None if tls is TlsDemand.NOTHING else tls,
        callback_format=callback_format,
    )
    return NO_OPTIONS if held == NO_OPTIONS else held


def stray_variables(options: Options, recipients: Iterable[str]) -> str | None:
    """Return what a message's story says of recipient variables for addresses that it does not go to."""
    if not options.recipient_variables:
        return None
    known = {comparable(address) for address in recipients}
    strays = [address for address in options.recipient_variables if address not in known]
    if not strays:
        return None
    named, others = ", ".join(strays[:_MOST_NAMED]), len(strays) - _MOST_NAMED
    if others > 0:
        named += f" and {others} other{'s' if others > 1 else ''}"
    return f"variables for {named}, {'who is no recipient' if len(strays) == 1 else 'who are no recipients'}"


def _held(asked: bool | None, default: bool) -> bool | None:
    return (default if asked is None else asked) or None


def _callback_fault(asked: Options, sources: Mapping[str, str], is_private_host: HostTest | None) -> OptionFault | None:
    if asked.callback_url is None or is_private_host is None:
        return None
    host = urlsplit(asked.callback_url).hostname or ""
    if not is_private_host(host):
        return None
    return OptionFault(
        sources.get("callback_url", "X-OV-Callback-URL"),
        f"must not lead to {host[:_MOST_SHOWN]}: take a host of the public Internet, or have the operator set "
        "webhooks.allow_private_addresses",
    )


def _time_fault(asked: Options, now: int, sources: Mapping[str, str]) -> OptionFault | None:
    deliver_at = sources.get("deliver_at", "X-OV-Deliver-At")
    expires_at = sources.get("expires_at", "X-OV-Expires")
    if asked.deliver_at is not None and asked.deliver_at > now + FURTHEST_AHEAD_DAYS * _DAY_MS:
        return OptionFault(deliver_at, f"is more than {FURTHEST_AHEAD_DAYS} days ahead")
    due_at = max(now, asked.deliver_at or 0)
    if asked.expires_at is not None and asked.expires_at <= due_at:
        return OptionFault(expires_at, "is over before the message could be sent")
    if asked.expires_at is not None and asked.expires_at > due_at + LONGEST_WAIT_DAYS * _DAY_MS:
        return OptionFault(expires_at, f"is more than {LONGEST_WAIT_DAYS} days after the message is to be sent")
    return None
