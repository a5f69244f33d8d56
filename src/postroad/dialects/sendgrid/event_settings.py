"""Settings of SendGrid's event webhook: one switch for each kind of event."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from postroad.model.event import EventType
from postroad.model.refused import RefusedError
from postroad.model.webhook import Webhook

T = TypeVar("T")

SWITCHES: Mapping[str, frozenset[EventType]] = {
    "processed": frozenset({EventType.ACCEPTED}),
    "delivered": frozenset({EventType.DELIVERED}),
    "deferred": frozenset({EventType.DEFERRED}),
    "bounce": frozenset({EventType.BOUNCED}),
    "dropped": frozenset({EventType.REJECTED, EventType.SUPPRESSED}),
    "open": frozenset({EventType.OPENED}),
    "click": frozenset({EventType.CLICKED}),
    "spam_report": frozenset({EventType.COMPLAINED}),
    "unsubscribe": frozenset({EventType.UNSUBSCRIBED}),
}
"""What each switch lets through."""
WITHOUT_EVENTS = ("group_resubscribe",)
"""Switches for what does not happen here: they are accepted, and off."""
SAME = {"group_unsubscribe": "unsubscribe"}
"""Switches that are one with another here: on where either is."""
_OAUTH = ("oauth_client_id", "oauth_client_secret", "oauth_token_url")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a call says of a webhook; None for what it does not say."""

    url: str | None
    is_enabled: bool | None
    note: str | None
    switches: Mapping[str, bool]

    def event_types(self, before: Webhook | None = None) -> list[EventType]:
        """Return the types of events that are wanted. Raises RefusedError where none is."""
        kept = set() if before is None else set(before.event_types)
        on = {
            kind
            for name, kinds in SWITCHES.items()
            for kind in (kinds if self.switches.get(name) else () if name in self.switches else kinds & kept)
        }
        if not on:
            raise RefusedError("at least one kind of event must be true", field="processed")
        return [kind for kind in EventType if kind in on]


def read_wish(document: Any) -> Wish:
    """Read the body of a call that adds or changes a webhook. Raises RefusedError."""
    if not isinstance(document, dict):
        raise RefusedError("the body must be a JSON object")
    for name in _OAUTH:
        if document.get(name):
            raise RefusedError(f"{name} has no effect here: calls are signed, and OAuth is not spoken", field=name)
    switches = {name: _of_kind(document, name, bool) for name in (*SWITCHES, *SAME, *WITHOUT_EVENTS)}
    switches |= {name: True for same, name in SAME.items() if switches[same]}
    return Wish(
        url=_of_kind(document, "url", str),
        is_enabled=_of_kind(document, "enabled", bool),
        note=_of_kind(document, "friendly_name", str),
        switches={name: value for name, value in switches.items() if value is not None},
    )


def read_test(document: Any) -> tuple[str, str]:
    """Return the id and the address that a call to test names; empty where it does not. Raises RefusedError."""
    if not isinstance(document, dict):
        return "", ""
    return _of_kind(document, "id", str) or "", _of_kind(document, "url", str) or ""


def settings(webhook: Webhook, public_key: str) -> dict[str, Any]:
    """Return how a call tells a webhook."""
    on = {name: not kinds.isdisjoint(webhook.event_types) for name, kinds in SWITCHES.items()}
    return {
        "id": str(webhook.id),
        "enabled": webhook.paused_at is None,
        "url": webhook.url,
        "friendly_name": webhook.note or None,
        **on,
        **{same: on[name] for same, name in SAME.items()},
        **dict.fromkeys(WITHOUT_EVENTS, False),
        **dict.fromkeys(_OAUTH),
        "public_key": public_key,
        "created_date": _date(webhook.created_at),
        "updated_date": None,
    }


def unset() -> dict[str, Any]:
    """Return what is told where there is no webhook."""
    names = (*SWITCHES, *SAME, *WITHOUT_EVENTS)
    return {"enabled": False, "url": "", **dict.fromkeys(names, False), "public_key": ""}


def _date(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _of_kind(document: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, kind):
        raise RefusedError(f"{name} must be {'true or false' if kind is bool else 'a text'}", field=name)
    return value
