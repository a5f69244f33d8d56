"""How the console tells of webhooks: formats, types of events, states and results in words."""

from collections.abc import Collection

import msgspec

from postroad.dialects import formats
from postroad.model.event import EventType
from postroad.model.options import CallbackFormat
from postroad.model.webhook import CallResult, Health, Webhook

FORMATS = {
    CallbackFormat.STANDARD: ("Standard Webhooks", "one event a call, verified by libraries in many languages"),
    CallbackFormat.MAILGUN: ("Mailgun", "one event a call, with its signature in the body"),
    CallbackFormat.SENDGRID: ("SendGrid", "a list of events a call, signed by ECDSA"),
    CallbackFormat.SPARKPOST: ("SparkPost", "a list of events a call, with a token or a password"),
    CallbackFormat.BLOOMREACH: ("Bloomreach Engagement", "its email callback, with a JSON Web Token"),
    CallbackFormat.BLOOMEVENTS: ("Bloomreach events", "its tracking API, with an API key and secret"),
}
"""What a format is called, and one line on it."""

SIGNED = {
    CallbackFormat.STANDARD: "",
    CallbackFormat.MAILGUN: "The body holds a signature: HMAC-SHA256 of timestamp and token, by the account’s signing key.",
    CallbackFormat.SENDGRID: "Two headers hold an ECDSA signature, which receivers verify by the account’s public key.",
    CallbackFormat.SPARKPOST: "The token goes along in X-MessageSystems-Webhook-Token, or user and password by HTTP Basic.",
    CallbackFormat.BLOOMREACH: "The header Authorization holds a JSON Web Token (HS256), by the account’s signing key.",
    CallbackFormat.BLOOMEVENTS: "API key and secret of Bloomreach go along as user and password, by HTTP Basic.",
}
"""How a format authenticates its calls, besides the headers that all have."""

TYPES = {
    EventType.ACCEPTED: ("Accepted", "a message was taken"),
    EventType.REJECTED: ("Rejected", "a submission was refused"),
    EventType.DELIVERED: ("Delivered", "the recipient’s server took it"),
    EventType.DEFERRED: ("Deferred", "it is tried again later"),
    EventType.BOUNCED: ("Bounced", "it was given up"),
    EventType.SUPPRESSED: ("Suppressed", "the recipient is on a list"),
    EventType.CANCELLED: ("Cancelled", "by hand or by program"),
    EventType.HELD: ("Held", "it waits to be released"),
    EventType.RELEASED: ("Released", "it goes on"),
    EventType.DEDUPLICATED: ("Deduplicated", "it was handed in twice"),
    EventType.COMPLAINED: ("Complained", "reported as spam"),
    EventType.OPENED: ("Opened", "by a human or a machine"),
    EventType.CLICKED: ("Clicked", "a link was followed"),
    EventType.UNSUBSCRIBED: ("Unsubscribed", "the recipient wants no more"),
}

RESULTS = {
    CallResult.DELIVERED: ("Taken", "good"),
    CallResult.FAILED: ("Failed", "warn"),
    CallResult.REFUSED: ("Refused", "bad"),
    CallResult.GIVEN_UP: ("Given up", "bad"),
}
"""What an attempt came to, with the colour of its badge."""


class State(msgspec.Struct, frozen=True):
    """How a webhook is doing, in a word."""

    word: str
    kind: str
    """The colour of its badge."""
    since: int | None = None
    why: str = ""
    """The last error, in part of a sentence."""
    is_paused: bool = False
    """By a person or the circuit breaker: resuming would change something."""


def state_of(webhook: Webhook, health: Health) -> State:
    """Return how a webhook is doing."""
    if webhook.paused_at is not None:
        return State("Paused", "", webhook.paused_at, is_paused=True)
    if health.paused_at is not None:
        return State("Paused: takes no calls", "bad", health.paused_at, health.last_error, is_paused=True)
    if health.failures:
        return State("Failing", "warn", health.failing_since, health.last_error)
    return State("On", "good")


def types_in_words(types: Collection[EventType], chosen: CallbackFormat) -> str:
    """Return the types of events that a webhook takes, in few words."""
    spoken = [kind for kind in EventType if formats.of(chosen).speaks_of(kind)]
    left_out = [TYPES[kind][0].lower() for kind in spoken if kind not in types]
    if not left_out:
        return f"all {len(spoken)} types"
    if len(left_out) <= 2:
        return f"all but {' and '.join(left_out)}"
    return ", ".join(TYPES[kind][0].lower() for kind in EventType if kind in types)
