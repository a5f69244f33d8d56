"""The search for events as SparkPost's clients write it, and events as its answer tells them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from postroad.dialects.sparkpost.events import SPEAKS_OF, objects, words_of
from postroad.dialects.sparkpost.values import instant, moment, number, words
from postroad.model.event import EventType
from postroad.model.refused import RefusedError
from postroad.model.webhook import Happening

MOST_PER_PAGE = 10_000
_USUAL_PER_PAGE = 1_000
_DAY_MS = 86_400_000
_FIELDS = {
    "recipients": "rcpt_to",
    "recipient_domains": "recipient_domain",
    "campaigns": "campaign_id",
    "transmissions": "transmission_id",
    "messages": "message_id",
    "templates": "template_id",
    "from_addresses": "friendly_from",
    "sending_domains": "sending_domain",
    "bounce_classes": "bounce_class",
    "event_ids": "event_id",
}
"""Filters that compare the whole of a value, by the name of the value; without case."""
_PARTS = {"subjects": "subject", "reasons": "reason"}
"""Filters that look for a part of a value."""
FILTERS = (*_FIELDS, *_PARTS)
_CURSOR_DIGITS = 19


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What events are looked for."""

    types: tuple[EventType, ...]
    """Those that hold the words that are wanted."""
    words: tuple[str, ...]
    """Empty for all."""
    wanted: Mapping[str, tuple[str, ...]]
    """By the filter's name, in lower case."""
    since: int
    until: int | None
    per_page: int
    cursor: int | None
    seen: int
    """What the pages before told."""

    def tell(self, happening: Happening) -> list[dict[str, Any]]:
        """Return what is told of an event: nothing where it is not wanted."""
        return [one for one in map(_told, objects(happening)) if self._takes(one)]

    def _takes(self, told: Mapping[str, Any]) -> bool:
        if self.words and told["type"] not in self.words:
            return False
        for name, values in self.wanted.items():
            if name in _FIELDS:
                if str(told.get(_FIELDS[name], "")).lower() not in values:
                    return False
            elif not any(one in str(told.get(_PARTS[name], "")).lower() for one in values):
                return False
        return True

    def only(self, name: str) -> str | None:
        """Return the one value of a filter, where it is one."""
        values = self.wanted.get(name, ())
        return values[0] if len(values) == 1 else None


def _told(wrapped: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = next(iter(wrapped.values()))
    return told | {"timestamp": moment(int(told["timestamp"]) * 1000)}


def read_query(query: Mapping[str, str], now: int) -> EventQuery:
    """Read a search, of the last day where it says no time; raises RefusedError."""
    asked = words(query, "events")
    types = [kind for kind in EventType if kind in SPEAKS_OF and (not asked or words_of(kind) & set(asked))]
    known = set().union(*(words_of(kind) for kind in SPEAKS_OF))
    for one in asked:
        if one not in known and one not in UNUSED_WORDS:
            raise RefusedError(f"events must be of {', '.join(sorted(known))}, not {one[:40]}", field="events")
    cursor, seen = _cursor(query.get("cursor", "initial"))
    return EventQuery(
        types=tuple(types),
        words=asked,
        wanted={name: tuple(one.lower() for one in values) for name in FILTERS if (values := words(query, name))},
        since=instant(query["from"], "from") if query.get("from") else now - _DAY_MS,
        until=instant(query["to"], "to") if query.get("to") else None,
        per_page=number(query.get("per_page") or str(_USUAL_PER_PAGE), "per_page", most=MOST_PER_PAGE),
        cursor=cursor,
        seen=seen,
    )


UNUSED_WORDS = frozenset(
    {
        "ab_test_completed", "ab_test_cancelled", "amp_click", "amp_initial_open", "amp_open", "error", "initial_open",
        "relay_delivery", "relay_injection", "relay_message", "relay_permfail", "relay_rejection", "relay_tempfail",
        "sms_status", "success",
    }
)  # fmt: skip
"""Words of SparkPost's for what does not happen here: clients may ask for them."""


def _cursor(text: str) -> tuple[int | None, int]:
    if text in {"", "initial"}:
        return None, 0
    id_, _, seen = text.partition("-")
    is_sound = all(one.isascii() and one.isdecimal() and len(one) <= _CURSOR_DIGITS for one in (id_, seen))
    if is_sound and int(id_) < 1 << 63:
        return int(id_), int(seen)
    raise RefusedError("cursor must be initial, or that of the link to the next page", field="cursor")


def cursor_text(cursor: int, seen: int) -> str:
    """Return where the next page goes on, and how many events the pages before it told."""
    return f"{cursor}-{seen}"
