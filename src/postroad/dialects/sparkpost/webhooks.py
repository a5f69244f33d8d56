"""Webhooks as SparkPost's API tells them: a name, a target, and words for events."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import msgspec

from postroad.dialects.samples import sample
from postroad.dialects.sparkpost.event_query import UNUSED_WORDS
from postroad.dialects.sparkpost.events import SPEAKS_OF, class_of, objects, words_of
from postroad.dialects.sparkpost.values import flag, moment, part, text
from postroad.model.event import EventType
from postroad.model.refused import RefusedError
from postroad.model.webhook import CallAttempt, CallResult, Health, Webhook

_BASIC, _NONE = "basic", "none"
_DESCRIPTIONS = {
    "message_event": "What becomes of a message on its way to its recipient.",
    "track_event": "A recipient opened a message or followed a link in it.",
    "gen_event": "A message was not made, or is not sent to this recipient.",
    "unsubscribe_event": "A recipient unsubscribed.",
}
_EVENTS = {
    "injection": "The message was taken, and is to be delivered.",
    "policy_rejection": "The message was refused when it was handed in.",
    "delivery": "The receiving host has taken the message.",
    "delay": "The receiving host put the message off; it is tried again.",
    "bounce": "The message could not be delivered.",
    "out_of_band": "The receiving host took the message and returned it later.",
    "spam_complaint": "The recipient called the message spam.",
    "generation_rejection": "The recipient is on the suppression list.",
    "generation_failure": "The message could not be made of its template.",
    "open": "The recipient opened the message.",
    "click": "The recipient followed a link.",
    "list_unsubscribe": "The recipient unsubscribed by the button of a mail client, or by mail.",
    "link_unsubscribe": "The recipient unsubscribed on the page that a link leads to.",
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a call wants a webhook to be; None for what it does not say."""

    name: str | None
    target: str | None
    types: tuple[EventType, ...] | None
    is_active: bool | None
    username: str | None
    """Empty where it is to have none."""
    password: str
    token: str | None
    domain: str | None

    def url(self, before: Webhook | None = None) -> str:
        """Return the address with the name and password of its user; raises RefusedError where there is no address."""
        target = self.target or (target_of(before) if before is not None else "")
        if not target:
            raise RefusedError("target is required: the address to post to", field="target")
        username = self.username
        if username is None:
            username = "" if before is None else username_of(before)
        try:
            parts = urlsplit(target)
            if parts.username is not None or not username:
                return target
        except ValueError as error:
            raise RefusedError(f"target is no address: {error}", field="target") from error
        login = quote(username, safe="") + (f":{quote(self.password, safe='')}" if self.password else "")
        return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))


def target_of(webhook: Webhook) -> str:
    """Return the address without a user."""
    parts = urlsplit(webhook.url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def username_of(webhook: Webhook) -> str:
    """Return the user in the address, empty where there is none."""
    return unquote(urlsplit(webhook.url).username or "")


def read_webhook(document: Mapping[str, Any]) -> Wanted:
    """Read what a call wants; raises RefusedError."""
    if document.get("custom_headers"):
        raise RefusedError(
            "custom_headers are not offered: say a user and password, or a token", field="custom_headers"
        )
    kind = text(document, "auth_type")
    if kind not in {"", _NONE, _BASIC}:
        raise RefusedError(f"auth_type must be {_NONE} or {_BASIC}; {kind[:40]} is not offered", field="auth_type")
    credentials = part(document, "auth_credentials")
    username = text(credentials, "username") if kind == _BASIC else "" if kind == _NONE else None
    if kind == _BASIC and not username:
        raise RefusedError("auth_credentials must have username and password", field="auth_credentials")
    token = document.get("auth_token")
    return Wanted(
        name=None if document.get("name") is None else text(document, "name"),
        target=text(document, "target") or None,
        types=None if document.get("events") is None else read_types(document["events"]),
        is_active=flag(document, "active"),
        username=username,
        password=text(credentials, "password"),
        token=None if token is None else text(document, "auth_token"),
        domain=text(document, "domain") or None,
    )


def read_types(words: object) -> tuple[EventType, ...]:
    """Return the types of events that some words are for; raises RefusedError for a word that is none."""
    if not isinstance(words, list) or not all(isinstance(one, str) for one in words):
        raise RefusedError("events must be a list of texts", field="events")
    asked = set(words)
    for one in words:
        if class_of(one) is None and one not in UNUSED_WORDS:
            raise RefusedError(f"events must be of {', '.join(_EVENTS)}, not {one[:40]}", field="events")
    found = tuple(kind for kind in EventType if kind in SPEAKS_OF and words_of(kind) & asked)
    if not found:
        raise RefusedError(f"events is required: at least one of {', '.join(_EVENTS)}", field="events")
    return found


def shown(webhook: Webhook, health: Health | None, domain: str) -> dict[str, Any]:
    """Return a webhook."""
    told = set().union(*(words_of(kind) for kind in webhook.event_types))
    document: dict[str, Any] = {
        "id": str(webhook.id),
        "name": webhook.note or target_of(webhook),
        "target": target_of(webhook),
        "events": [word for word in _EVENTS if word in told],
        "active": webhook.paused_at is None,
        "auth_type": _BASIC if username_of(webhook) or webhook.has_password else _NONE,
        "custom_headers": {},
        "exception_subaccounts": [],
        "sending_domain": domain,
        "links": [
            {"href": f"/api/v1/webhooks/{webhook.id}", "rel": "urn.msys.webhooks.webhook", "method": ["GET", "PUT"]}
        ],
    }
    if username_of(webhook):
        # The password is shown to nobody again.
        document["auth_credentials"] = {"username": username_of(webhook)}
    if health is not None and health.failing_since is not None:
        document["last_failure"] = moment(health.failing_since)
    return document


def outcome(attempt: CallAttempt) -> tuple[bool, dict[str, Any]]:
    """Return whether a test reached its receiver, and what is told of it."""
    response: dict[str, Any] = {"status": attempt.status, "headers": {}, "body": attempt.reply}
    if attempt.result is CallResult.DELIVERED:
        return True, {"msg": "Test POST to endpoint succeeded", "response": response}
    return False, {"msg": "Test POST to endpoint failed", "response": response}


def documentation() -> dict[str, Any]:
    """Return what the words for events mean, by their class."""
    told: dict[str, Any] = {}
    for word, meaning in _EVENTS.items():
        kind = class_of(word)
        assert kind is not None, "each word of the table is told by some event"
        known = told.setdefault(
            kind,
            {"description": _DESCRIPTIONS[kind], "display_name": kind.replace("_", " ").capitalize(), "events": {}},
        )
        known["events"][word] = {
            "description": meaning,
            "display_name": word.replace("_", " ").capitalize(),
            "event": {"type": {"description": "Type of event", "sampleValue": word}},
        }
    return told


def samples(words: Iterable[str]) -> list[dict[str, Any]]:
    """Return a made-up event for each word, or for every word where none is given; raises RefusedError."""
    asked = list(words)
    kinds = read_types(asked) if asked else tuple(kind for kind in EventType if kind in SPEAKS_OF)
    return [{"msys": told} for kind in kinds for told in objects(sample(kind))]
