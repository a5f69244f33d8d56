"""Which options hold for a message: what its sender asked for, over what its sending domain has as defaults."""

import msgspec

from postroad.model.domain import DomainSettings
from postroad.model.options import NO_OPTIONS, CallbackFormat, OptionFault, Options, TlsDemand

FURTHEST_AHEAD_DAYS = 30
LONGEST_WAIT_DAYS = 30
"""How long after the time to send at a message may be tried."""
_DAY_MS = 86_400_000


def resolved(asked: Options, settings: DomainSettings, now: int) -> Options | OptionFault:
    """Return the options as they hold, with nothing left open: what is off, by whomever, is None.

    A message for which nothing is on has the one value ``NO_OPTIONS``, which costs nothing to keep.
    """
    fault = _time_fault(asked, now)
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


def _held(asked: bool | None, default: bool) -> bool | None:
    return (default if asked is None else asked) or None


def _time_fault(asked: Options, now: int) -> OptionFault | None:
    if asked.deliver_at is not None and asked.deliver_at > now + FURTHEST_AHEAD_DAYS * _DAY_MS:
        return OptionFault("X-OV-Deliver-At", f"is more than {FURTHEST_AHEAD_DAYS} days ahead")
    due_at = max(now, asked.deliver_at or 0)
    if asked.expires_at is not None and asked.expires_at <= due_at:
        return OptionFault("X-OV-Expires", "is over before the message could be sent")
    if asked.expires_at is not None and asked.expires_at > due_at + LONGEST_WAIT_DAYS * _DAY_MS:
        return OptionFault("X-OV-Expires", f"is more than {LONGEST_WAIT_DAYS} days after the message is to be sent")
    return None
