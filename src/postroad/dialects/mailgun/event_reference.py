"""The part of ``docs/reference/mailgun-api.md`` on events, stored messages and what waits."""

from postroad.dialects.mailgun.event_query import FILTERS, MOST_PER_PAGE
from postroad.dialects.mailgun.filters import LONGEST

CALLS = {
    "GET /v3/{domain}/events": "events; see below",
    "GET /v3/{domain}/events/{page}": "a page that `paging` leads to",
    "GET /v3/domains/{domain}/messages/{key}": "a stored message in its parts; with `Accept: message/rfc2822` in one piece, as "
    "`body-mime`. `key` is `storage.key` of an event; it is there while the message waits, and "
    "as long after as the domain's `keep_content_days` says",
    "POST /v3/domains/{domain}/messages/{key}": "`to`: sends the message again, as it is, to other recipients",
    "GET /v3/domains/{domain}/sending_queues": "whether the domain is paused, and why",
    "DELETE /v3/{domain}/envelopes": "cancels all that waits of the domain",
}
_TIMES = {
    "begin, end": "seconds since 1970, or a date such as `Fri, 27 Nov 2026 10:30:00 +0000`; both inclusive; with `end` before `begin` the newest come first",
    "ascending": "`yes` or `no`; needed where there is `begin` and no `end`",
    "limit": f"1 to {MOST_PER_PAGE}, 100 if left out",
}
_LANGUAGE = {
    "a b, a AND b": "both",
    "a OR b": "one of them at least; `AND` binds closer",
    "NOT a": "not this",
    "( … )": "first what is inside",
    '"a b"': "the words as they stand",
    ">10, <20": "numbers, of `size`",
}


def event_lines() -> list[str]:
    """Return the lines."""
    return [
        "## Events, stored messages and queues",
        "",
        "These calls need an API key of the account.",
        "",
        *_table("Call", {f"`{name}`": meaning for name, meaning in CALLS.items()}),
        "",
        "### The search for events",
        "",
        "Without any of these the newest events come first, as far back as they are kept:",
        "",
        *_table("Parameter", {_each(name): meaning for name, meaning in _TIMES.items()}),
        "",
        f"Filters are {', '.join(f'`{one}`' for one in FILTERS)}, each of {LONGEST:,} characters at most. All that are given must",
        "agree, as must one that is given twice. `event`, `severity` and `tags` compare whole values, as does `recipient` with an",
        "address; the others look for a part. Case does not matter. `list` and `attachment` find nothing.",
        "",
        *_table("Written", {_each(name): meaning for name, meaning in _LANGUAGE.items()}),
        "",
        "`paging` has `first`, `last`, `next` and `previous`, always. A page without `items` is the end. With `ascending=yes` and no `end`",
        "its `next` can be asked again later: events appear there about two seconds after they happened. One page looks at",
        "20,000 events at most; where a filter finds nothing among so many, narrow the search by `begin` and `end`.",
    ]


def _each(names: str) -> str:
    return ", ".join(f"`{one}`" for one in names.split(", "))


def _table(what: str, rows: dict[str, str]) -> list[str]:
    return [f"| {what} | Meaning |", "| --- | --- |", *(f"| {name} | {meaning} |" for name, meaning in rows.items())]
