"""What both of Bloomreach Engagement's formats say alike: the status of a campaign's message, and the data that comes back."""

from typing import Any

from postroad.dialects.json_body import json_body
from postroad.model.event import Event, EventType
from postroad.model.webhook import Happening
from postroad.policy.bounce_kind import BounceKind, bounce_kind_of

_WORDS = {
    EventType.ACCEPTED: "enqueued",
    EventType.REJECTED: "enqueue_failed",
    EventType.DELIVERED: "delivered",
    EventType.BOUNCED: "soft_bounced",
    EventType.SUPPRESSED: "suppressed",
    EventType.OPENED: "opened",
    EventType.CLICKED: "clicked",
    EventType.UNSUBSCRIBED: "unsubscribed",
    EventType.COMPLAINED: "complained",
}
SPEAKS_OF = frozenset(_WORDS)
_VARIABLES = ("custom_data", "my-custom-data")
"""The variables in which Bloomreach hands over what it wants to have back: over its channel, and as Mailgun's client."""


def status_of(event: Event) -> str:
    """Return the status that an event makes."""
    if event.type is EventType.BOUNCED and bounce_kind_of(event) is BounceKind.HARD:
        return "hard_bounced"
    return _WORDS[event.type]


def custom_data_of(happening: Happening) -> str:
    """Return what comes back unchanged, always as a text; all variables as JSON where none is the one for it."""
    variables = happening.told_variables
    found: Any = next((variables[name] for name in _VARIABLES if name in variables), variables)
    if isinstance(found, str):
        return found
    return json_body(found).decode() if found else ""
