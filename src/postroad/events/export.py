"""Events as a file: a table for spreadsheets, or a JSON document on each line (decision 0017).

Written page by page, each from a snapshot of its own, so that an export of any size holds neither memory nor the database's
log. What had happened when it began is in it; nothing that happens meanwhile.
"""

import csv
import enum
import io
from collections.abc import AsyncGenerator, Iterable, Mapping

import msgspec

from postroad.events.documents import Variables, event_document, utc_text, variables_of
from postroad.events.statistics_table import inert
from postroad.events.tail import watermark
from postroad.model.actor import Actor
from postroad.model.audit import entry_of
from postroad.model.event import Event
from postroad.model.ids import made_at, text_of
from postroad.net.clock import Clock
from postroad.storage import audit, domains, event_search
from postroad.storage.database import Database
from postroad.storage.events import EventSelector

_PAGE = 1_000
_FROM_DATA = ("attempt", "host", "reply", "bounce_class", "url", "verdict", "client_address")
"""Facts that have a column of their own; all of them are in the last one."""
_COLUMNS = ("at", "type", "recipient", "domain", "tags", *_FROM_DATA, "message_id", "delivery_id", "id", "data")


class Format(enum.Enum):
    """What a file is made of."""

    CSV = "csv"
    NDJSON = "ndjson"

    @property
    def media_type(self) -> str:
        """What HTTP calls it."""
        return "text/csv; charset=utf-8" if self is Format.CSV else "application/x-ndjson"


class Part(msgspec.Struct, frozen=True):
    """Some lines of a file, and how far it has come."""

    text: str
    events: int
    """How many are in these lines."""
    reached: int
    """Up to this instant all has been looked at, in milliseconds since 1970."""


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """An export that may begin; its span is what progress is measured by."""

    selector: EventSelector
    form: Format
    since: int
    until: int
    below: int
    """No event with an id from here on."""
    names: Mapping[int, str]
    """Of sending domains."""


async def begin(database: Database, actor: Actor, selector: EventSelector, form: Format, clock: Clock) -> Export:
    """Write into the audit log who exports what, and return what ``parts`` needs; ``selector`` is the actor's own."""
    now = clock()
    below = await watermark(database, clock)
    names = {one.id: one.name for one in await database.read(domains.list_all, selector.account_id)}
    oldest = await database.read(event_search.oldest_id)
    first = now if oldest is None else made_at(oldest)
    chosen = _chosen(selector, names)
    entry = entry_of(
        actor,
        "events.exported",
        chosen.get("domain", "all sending domains"),
        at=now,
        account_id=selector.account_id,
        after=chosen | {"format": form.value},
    )
    await database.write(audit.record, entry)
    return Export(
        selector=selector,
        form=form,
        since=max(first, selector.since or 0),
        until=min(now, selector.until or now),
        below=below,
        names=names,
    )


async def parts(database: Database, export: Export) -> AsyncGenerator[Part, None]:
    """Give the file's parts, oldest events first."""
    if export.form is Format.CSV:
        yield Part(_csv([_COLUMNS]), 0, export.since)
    cursor: int | None = None
    while True:
        page = await database.read(event_search.search, export.selector, _PAGE, cursor=cursor, below=export.below)
        variables = await variables_of(database, page.found) if export.form is Format.NDJSON else {}
        reached = export.until if page.cursor is None else min(made_at(page.cursor), export.until)
        yield Part(_text(export, page.found, variables), len(page.found), reached)
        if page.cursor is None:
            return
        cursor = page.cursor


def _chosen(selector: EventSelector, names: Mapping[int, str]) -> dict[str, str]:
    """Return what a selection says, in words for the audit log."""
    instants = {"since": selector.since, "until": selector.until}
    facts = {
        "domain": None if selector.domain_id is None else names.get(selector.domain_id),
        "message": None if selector.message_id is None else text_of(selector.message_id),
        "types": ", ".join(kind.value for kind in selector.types),
        "recipient": selector.recipient,
        "tag": selector.tag,
        "channel": selector.channel,
        **{name: None if at is None else utc_text(at) for name, at in instants.items()},
    }
    return {name: value for name, value in facts.items() if value}


def _text(export: Export, found: Iterable[Event], variables: Variables) -> str:
    if export.form is Format.CSV:
        return _csv(_row(one, export.names) for one in found)
    return "".join(
        msgspec.json.encode(
            event_document(one, variables.get(one.message_id)) | {"domain": export.names.get(one.domain_id)}
        ).decode()
        + "\n"
        for one in found
    )


def _row(event: Event, names: Mapping[int, str]) -> Iterable[str]:
    data = event.data
    yield utc_text(event.at)
    yield event.type.value
    yield inert(event.recipient or "")
    yield names.get(event.domain_id, "")
    yield inert(", ".join(data.get("tags", ())))
    for name in _FROM_DATA:
        yield inert(" ".join(str(data.get(name, "")).split()))
    yield "" if event.message_id is None else text_of(event.message_id)
    yield "" if event.delivery_id is None else text_of(event.delivery_id)
    yield text_of(event.id)
    yield msgspec.json.encode(data).decode()


def _csv(rows: Iterable[Iterable[str]]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()
