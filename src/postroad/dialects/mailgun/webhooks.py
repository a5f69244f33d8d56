"""Webhooks as Mailgun's API tells them: addresses by the kind of event, where here an address has kinds of events."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from postroad.dialects.mailgun.parameters import Parameters
from postroad.model.event import EventType
from postroad.model.options import CallbackFormat
from postroad.model.refused import MissingError, RefusedError
from postroad.model.webhook import MAX_PER_TYPE, Arrangement, Webhook
from postroad.policy import webhook_url

IDS: Mapping[str, tuple[EventType, ...]] = {
    "accepted": (EventType.ACCEPTED,),
    "delivered": (EventType.DELIVERED,),
    "opened": (EventType.OPENED,),
    "clicked": (EventType.CLICKED,),
    "unsubscribed": (EventType.UNSUBSCRIBED,),
    "complained": (EventType.COMPLAINED,),
    "permanent_fail": (EventType.BOUNCED, EventType.SUPPRESSED),
    "temporary_fail": (EventType.DEFERRED,),
}
"""Mailgun's ids of webhooks, with the types of events that they tell of."""
_ALIASES = {"unsubscribe": "unsubscribed"}
"""mailgun.js calls it so."""
_FORMATS = tuple(one.value for one in CallbackFormat)
_ALL = frozenset(kind for kinds in IDS.values() for kind in kinds)

Speaks = Callable[[CallbackFormat, EventType], bool]
"""Whether a format has a word for a type of event."""


def read_id(text: str) -> str:
    """Return an id of Mailgun's; raises RefusedError."""
    known = _ALIASES.get(text.lower(), text.lower())
    if known not in IDS:
        raise RefusedError(f"there is no webhook id {text[:60]}: ids are {', '.join(IDS)}", field="id")
    return known


def read_ids(parameters: Parameters) -> list[str]:
    """Return the ids that ``event_types`` names; raises RefusedError."""
    found = [read_id(one) for given in parameters.texts("event_types") for one in given.split(",") if one.strip()]
    if not found:
        raise RefusedError("event_types parameter is missing", field="event_types")
    return list(dict.fromkeys(found))


def read_urls(parameters: Parameters) -> list[str]:
    """Return the addresses that a call names; raises RefusedError."""
    found = list({webhook_url.without_password(one): one for one in parameters.texts("url")}.values())
    if not found:
        raise RefusedError("url parameter is missing", field="url")
    if len(found) > MAX_PER_TYPE:
        raise RefusedError(f"url may be given {MAX_PER_TYPE} times at most, not {len(found)}", field="url")
    return found


def read_format(parameters: Parameters) -> CallbackFormat | None:
    """Return the format that a call names, if any; raises RefusedError."""
    named = parameters.one_of("format", _FORMATS)
    return CallbackFormat(named) if named else None


def document_of(found: Sequence[Webhook], identifier: str) -> dict[str, Any]:
    """Return where the events of an id are posted, and as what."""
    told = _taking(found, identifier)
    return {"urls": [one.url for one in told], "formats": [one.format.value for one in told]}


def documents_of(found: Sequence[Webhook]) -> dict[str, Any]:
    """Return the ids that anything is posted for."""
    return {name: document_of(found, name) for name in IDS if _taking(found, name)}


def added(
    found: Sequence[Webhook], ids: Sequence[str], urls: Sequence[str], chosen: CallbackFormat | None, speaks: Speaks
) -> list[Arrangement]:
    """Return what has the events of some ids posted to addresses as well; raises RefusedError where all of it is so already."""
    placed = []
    for url in urls:
        before = _at(found, url, chosen)
        kinds = _kinds(ids, _format(before, chosen), speaks)
        if before is None or not kinds <= set(before.event_types):
            placed.append(_joined(before, url, chosen, kinds))
    if not placed:
        raise RefusedError(f"Webhook already exists: {webhook_url.without_password(urls[0])}", field="url")
    return placed


def replaced(
    found: Sequence[Webhook], identifier: str, urls: Sequence[str], chosen: CallbackFormat | None, speaks: Speaks
) -> list[Arrangement]:
    """Return what has the events of an id posted to these addresses and no others."""
    holding = _taking(found, identifier)
    placed = []
    kept = set()
    for url in urls:
        before = _at(holding, url, chosen) or _at(found, url, chosen)
        kept.add(None if before is None else before.id)
        placed.append(_joined(before, url, chosen, _kinds([identifier], _format(before, chosen), speaks)))
    return [_without(one, IDS[identifier]) for one in holding if one.id not in kept] + placed


def removed(found: Sequence[Webhook], identifier: str) -> list[Arrangement]:
    """Return what has the events of an id posted nowhere; raises MissingError where they are not posted."""
    holding = _taking(found, identifier)
    if not holding:
        raise MissingError("Webhook not found")
    return [_without(one, IDS[identifier]) for one in holding]


def set_to(
    found: Sequence[Webhook], ids: Sequence[str], url: str, chosen: CallbackFormat | None, speaks: Speaks
) -> list[Arrangement]:
    """Return what has the events of these ids, and no others, posted to an address; raises MissingError."""
    before = _at(found, url, chosen) or _at(found, url, None)
    if before is None:
        raise MissingError("Webhook not found")
    becomes = chosen or before.format
    others = frozenset(kind for kind in before.event_types if kind not in _ALL and speaks(becomes, kind))
    kinds = others | _kinds(ids, becomes, speaks)
    return [Arrangement(before=before, url=url, format=becomes, event_types=kinds)]


def gone(found: Sequence[Webhook], urls: Sequence[str]) -> list[Arrangement]:
    """Return what has nothing posted to some addresses; raises MissingError for one that nothing is posted to."""
    shown = [webhook_url.without_password(one) for one in urls]
    if any(all(one.url != url for one in found) for url in shown):
        raise MissingError("Webhook not found")
    return [_without(one, one.event_types) for one in found if one.url in shown]


def at_address(found: Sequence[Webhook], identifier: str, url: str) -> Webhook:
    """Return the webhook that posts events of an id to an address; raises MissingError."""
    webhook = _at(_taking(found, identifier), url, None)
    if webhook is None:
        raise MissingError(f"No {identifier} events are posted to this address: add it first, then test it.")
    return webhook


def _taking(found: Sequence[Webhook], identifier: str) -> list[Webhook]:
    return [one for one in found if set(IDS[identifier]) & set(one.event_types)]


def _at(found: Sequence[Webhook], url: str, chosen: CallbackFormat | None) -> Webhook | None:
    shown = webhook_url.without_password(url)
    there = [one for one in found if one.url == shown and chosen in {None, one.format}]
    # Where an address has several formats, Mailgun's is meant.
    return min(there, key=lambda one: one.format is not CallbackFormat.MAILGUN, default=None)


def _format(before: Webhook | None, chosen: CallbackFormat | None) -> CallbackFormat:
    return chosen or (CallbackFormat.MAILGUN if before is None else before.format)


def _kinds(ids: Sequence[str], chosen: CallbackFormat, speaks: Speaks) -> frozenset[EventType]:
    """Return the types of events of some ids; of those of one id, the ones that the format has words for."""
    kinds: set[EventType] = set()
    for name in ids:
        spoken = {kind for kind in IDS[name] if speaks(chosen, kind)}
        if not spoken:
            raise RefusedError(f"the format {chosen.value} has no word for {name} events", field="format")
        kinds |= spoken
    return frozenset(kinds)


def _joined(
    before: Webhook | None, url: str, chosen: CallbackFormat | None, kinds: frozenset[EventType]
) -> Arrangement:
    already = frozenset() if before is None else frozenset(before.event_types)
    return Arrangement(before=before, url=url, format=_format(before, chosen), event_types=already | kinds)


def _without(webhook: Webhook, kinds: Sequence[EventType]) -> Arrangement:
    left = frozenset(webhook.event_types) - frozenset(kinds)
    return Arrangement(before=webhook, url=webhook.url, format=webhook.format, event_types=left)
