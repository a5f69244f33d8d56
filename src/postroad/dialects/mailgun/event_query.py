"""The search for events as Mailgun's clients write it: times, filters, and the tokens that lead from page to page."""

import email.utils
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from postroad.dialects.mailgun.events import SPEAKS_OF, event_data, severity_of, word_of
from postroad.dialects.mailgun.filters import Filter, read_filter
from postroad.model import base64url
from postroad.model.event import EventType
from postroad.model.ids import text_of
from postroad.model.refused import RefusedError
from postroad.model.webhook import Happening

MOST_PER_PAGE = 300
_USUAL_PER_PAGE = 100
LONGEST_TOKEN = 8_000
FILTERS = (
    "event", "list", "attachment", "from", "message-id", "subject", "to", "size", "recipient", "recipients", "tags",
    "severity",
)  # fmt: skip
_WHOLE = frozenset({"event", "severity", "tags"})
"""Filters whose terms are a whole value; those of the others are parts of one."""
_WITH_STORAGE = frozenset({"accepted", "delivered", "failed"})
_SWITCH = {"yes": True, "true": True, "no": False, "false": False}
_LATEST_S = 253_402_300_799

_Id = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
_Instant = Annotated[int, msgspec.Meta(ge=0, le=_LATEST_S * 1000 + 1)]


class EventQuery(msgspec.Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """What events are looked for, and which page of them; a token is nothing else."""

    is_ascending: bool
    since: _Instant | None
    until: _Instant | None
    """Up to, but not at, this instant."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_PER_PAGE)]
    wanted: dict[str, list[str]]
    """The filters as they were given."""
    cursor: _Id | None = None
    """The event that the page begins behind."""
    is_back: bool = False
    """It ends before that event instead; without one it is the last page."""

    def filters(self) -> dict[str, Filter]:
        """Return the filters; raises RefusedError."""
        return {name: read_filter(name, texts) for name, texts in self.wanted.items()}

    def token(self) -> str:
        """Return the text that leads to the page."""
        return base64url.encode(msgspec.json.encode(self))


def read_token(text: str) -> EventQuery:
    """Read what a link to a page holds; raises RefusedError."""
    try:
        if len(text) > LONGEST_TOKEN:
            raise ValueError("too long")
        query = msgspec.json.decode(base64url.decode(text), type=EventQuery)
        if not query.wanted.keys() <= set(FILTERS):
            raise ValueError("unknown filters")
    except (ValueError, msgspec.DecodeError) as error:
        raise RefusedError("page is none of this search: take it from paging, as it is", field="page") from error
    return query


def read_query(given: Mapping[str, Sequence[str]]) -> EventQuery:
    """Read a search; raises RefusedError."""
    for name in given:
        if name not in FILTERS and name not in {"begin", "end", "ascending", "limit"}:
            raise RefusedError(f"{name[:40]} is no filter; there are {', '.join(FILTERS)}", field=name)
    begin, end = _instant(given, "begin"), _instant(given, "end")
    ascending = _switch(given)
    query = EventQuery(
        is_ascending=_direction(begin, end, ascending),
        since=None,
        until=None,
        limit=_limit(given),
        wanted={name: list(given[name]) for name in FILTERS if any(one.strip() for one in given.get(name, ()))},
    )
    since, until = _span(query.is_ascending, begin, end)
    query = msgspec.structs.replace(query, since=since, until=None if until is None else until + 1)
    query.filters()
    return query


def _direction(begin: int | None, end: int | None, ascending: bool | None) -> bool:
    if begin is not None and end is not None:
        is_ascending = begin <= end
        if ascending not in {None, is_ascending}:
            raise RefusedError("ascending contradicts begin and end", field="ascending")
        return is_ascending
    if begin is not None and ascending is None:
        raise RefusedError("ascending is required where there is begin and no end", field="ascending")
    return bool(ascending)


def _span(is_ascending: bool, begin: int | None, end: int | None) -> tuple[int | None, int | None]:
    if begin is not None and end is not None:
        return min(begin, end), max(begin, end)
    if begin is not None:
        return (begin, None) if is_ascending else (None, begin)
    return None, end


def _instant(given: Mapping[str, Sequence[str]], name: str) -> int | None:
    text = given.get(name, [""])[-1].strip()
    if not text:
        return None
    try:
        seconds = float(text) if text.replace(".", "", 1).isdecimal() else _dated(text)
        if text.isascii() and 0 <= seconds <= _LATEST_S:
            return int(seconds * 1000)
    except (ValueError, OverflowError, TypeError, IndexError):
        pass
    raise RefusedError(
        f"{name} must be seconds since 1970, or a date such as Fri, 27 Nov 2026 10:30:00 +0000, not {text[:60]}",
        field=name,
    )


def _dated(text: str) -> float:
    return email.utils.parsedate_to_datetime(text).timestamp()


def _switch(given: Mapping[str, Sequence[str]]) -> bool | None:
    text = given.get("ascending", [""])[-1].strip().lower()
    if text and text not in _SWITCH:
        raise RefusedError(f"ascending must be yes or no, not {text[:40]}", field="ascending")
    return _SWITCH.get(text)


def _limit(given: Mapping[str, Sequence[str]]) -> int:
    text = given.get("limit", [""])[-1].strip() or str(_USUAL_PER_PAGE)
    if text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= MOST_PER_PAGE:
        return int(text)
    raise RefusedError(f"limit must be a number between 1 and {MOST_PER_PAGE}, not {text[:40]}", field="limit")


def types_of(filters: Mapping[str, Filter]) -> tuple[EventType, ...]:
    """Return the types of events that filters of word and severity let through."""

    def may_be(kind: EventType) -> bool:
        severity = severity_of(kind)
        values = {"event": [word_of(kind)], "severity": [] if severity is None else [severity]}
        return all(filters[name].takes(said, is_whole=True) for name, said in values.items() if name in filters)

    return tuple(kind for kind in EventType if kind in SPEAKS_OF and may_be(kind))


def told(happening: Happening, filters: Mapping[str, Filter], base: str) -> list[dict[str, Any]]:
    """Return an event where it is wanted, with the address of its message under that of the API."""
    data = event_data(happening)
    if not all(one.takes(_values(data, name), is_whole=name in _WHOLE) for name, one in filters.items()):
        return []
    if happening.message is not None and data["event"] in _WITH_STORAGE:
        key = text_of(happening.message.id)
        data["storage"] = {"url": f"{base}/v3/domains/{happening.domain}/messages/{key}", "key": key}
    return [data]


def _values(data: Mapping[str, Any], name: str) -> Sequence[str | int]:
    """Return what an event says for a filter; nothing where it says nothing."""
    message = data.get("message", {})
    headers = message.get("headers", {})
    match name:
        case "event" | "severity":
            return [data[name]] if name in data else []
        case "tags":
            return list(data["tags"])
        case "size":
            return [message["size"]] if "size" in message else []
        case "recipient":
            return [data["recipient"]] if "recipient" in data else []
        case "recipients":
            return list(message.get("recipients", ())) or ([data["recipient"]] if "recipient" in data else [])
        case "from" | "to" | "subject" | "message-id":
            return [headers[name]] if name in headers else []
    # Mailing lists there are none, and names of files are not kept.
    return []
