"""A message's options as programs and people are told of them."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from postroad.model.ids import text_of
from postroad.model.options import OnMissing, Options
from postroad.policy.webhook_url import without_password

_LONGEST_SHOWN = 2_000
"""Characters of variables in one fact; programs get all of them."""


def document_of(options: Options, instant: Callable[[int], str | None]) -> dict[str, Any]:
    """Return what was asked for by name, without what was not; variables keep their types."""
    document: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(options, frozen_template=None))
    if options.callback_url is not None:
        document["callback_url"] = without_password(options.callback_url)
    for name in ("deliver_at", "expires_at"):
        if name in document:
            document[name] = instant(document[name])
    if options.sent_with is not None:
        document["sent_with"] = text_of(options.sent_with)
    return document


def facts_of(options: Options, instant: Callable[[int], str]) -> Iterator[tuple[str, str]]:
    """Yield what was asked for in words, each with what it is called."""
    if options.tags:
        yield "tags", ", ".join(options.tags)
    if options.is_test:
        yield "test mode", "yes: nothing leaves"
    clicks = "clicks (in plain text too)" if options.tracks_text_clicks else "clicks"
    tracked = [what for what, is_on in ((clicks, options.tracks_clicks), ("opens", options.tracks_opens)) if is_on]
    if tracked:
        yield "tracks", " and ".join(tracked)
    if options.offers_unsubscribe:
        yield "offers", "to unsubscribe"
    if options.group is not None:
        yield "group", f"{options.group.name} ({options.group.id})"
    if options.tls is not None:
        yield "requires TLS", options.tls.value
    if options.template is not None:
        yield "template", ":".join(filter(None, (options.template.name, options.template.version)))
    if options.variables:
        yield "variables", _short(options.variables)
    if options.template_variables:
        yield "template variables", _short(options.template_variables)
    if options.on_missing is not OnMissing.EMPTY:
        yield "placeholders without a value", "stay as they are written"
    if options.escapes_html:
        yield "values in HTML", "escaped"
    if options.callback_url is not None:
        as_what = f" as {options.callback_format.value}" if options.callback_format is not None else ""
        yield "callback", f"{without_password(options.callback_url)}{as_what}"
    if options.deliver_at is not None:
        yield "deliver at", instant(options.deliver_at)
    if options.expires_at is not None:
        yield "expires", instant(options.expires_at)
    if options.idempotency_key is not None:
        yield "idempotency key", options.idempotency_key
    if options.ignores_unsubscribes:
        yield "goes to", "those who unsubscribed, too"
    if options.batch_id is not None:
        yield "batch", options.batch_id
    if options.sent_with is not None:
        yield "sent with", text_of(options.sent_with)


def _short(variables: dict[str, Any]) -> str:
    text = msgspec.json.encode(variables).decode()
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}… ({len(text):,} characters)"
