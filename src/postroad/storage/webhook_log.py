"""The log of webhook calls: one row for each attempt, kept as long as events are."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, delete, func, select

from postroad.model.event import EventType
from postroad.model.ids import lowest_at, partition_of
from postroad.model.options import CallbackFormat
from postroad.model.webhook import CallAttempt, CallResult
from postroad.storage import rows
from postroad.storage.dialect import insert_into
from postroad.storage.schema.data_plane import webhook_attempt_messages, webhook_attempts

_decode_ids = msgspec.json.Decoder(tuple[int, ...]).decode
_decode_texts = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_headers = msgspec.json.Decoder(dict[str, str]).decode

MOST_LOOKED_AT = 20_000
"""Attempts that one search goes through."""
_FEWEST_LOOKED_AT = 500
"""Of each domain, however many there are."""


class LogSelector(msgspec.Struct, frozen=True, kw_only=True):
    """Which attempts; what is not said selects all."""

    account_id: int | None = None
    domain_id: int | None = None
    receiver: int | None = None
    call_id: int | None = None
    event_type: EventType | None = None
    """Attempts that told of such an event."""
    results: tuple[CallResult, ...] = ()
    since: int | None = None
    until: int | None = None
    """Up to, but not at, this instant."""


class LogPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the log."""

    found: Sequence[CallAttempt]
    before: int | None
    """Where the next page begins; None where there is none."""
    is_cut: bool = False
    """The search stopped before the page was full, to spare the database."""


def append(connection: Connection, attempts: Sequence[CallAttempt]) -> None:
    """Write attempts; one that was written before, in a transaction whose end nobody heard of, is left as it is."""
    statement = insert_into(connection, webhook_attempts).on_conflict_do_nothing()
    connection.execute(statement, [_values(one) for one in attempts])
    if links := _links(attempts):
        connection.execute(insert_into(connection, webhook_attempt_messages).on_conflict_do_nothing(), links)


def _links(attempts: Sequence[CallAttempt]) -> list[dict[str, Any]]:
    return [
        {"message_id": message_id, "attempt_id": one.id, "partition": partition_of(message_id)}
        for one in attempts
        for message_id in one.message_ids
    ]


def of_message(connection: Connection, message_id: int, limit: int) -> list[CallAttempt]:
    """Return the newest attempts that told of a message, the newest first."""
    links, c = webhook_attempt_messages.c, webhook_attempts.c
    mine = select(links.attempt_id).where(links.partition == partition_of(message_id), links.message_id == message_id)
    ids = connection.execute(mine.order_by(links.attempt_id.desc()).limit(limit)).scalars().all()
    partitions = sorted({partition_of(one) for one in ids})
    query = select(webhook_attempts).where(c.id.in_(ids), c.partition.in_(partitions)).order_by(c.id.desc())
    return [_attempt(row) for row in connection.execute(query).mappings()]


def search(connection: Connection, selector: LogSelector, limit: int, before: int | None = None) -> list[CallAttempt]:
    """Return the newest attempts first; of those older than the id ``before`` where it is given."""
    query = _selected(selector).order_by(webhook_attempts.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(webhook_attempts.c.id < before)
    return [_attempt(row) for row in connection.execute(query).mappings()]


def look_over(
    connection: Connection, domain_ids: Sequence[int], selector: LogSelector, limit: int, before: int | None = None
) -> LogPage:
    """Return what ``look`` does, of several domains: each has an index of its own to be gone along."""
    most = max(_FEWEST_LOOKED_AT, MOST_LOOKED_AT // max(1, len(domain_ids)))
    narrowed = [msgspec.structs.replace(selector, domain_id=one) for one in domain_ids]
    pages = [look(connection, one, limit, before, most=most) for one in narrowed]
    # Of other domains, what is older than the point at which one search stopped is for the next page.
    cut_at = max((page.before for page in pages if page.is_cut and page.before is not None), default=None)
    found = [one for page in pages for one in page.found if cut_at is None or one.id >= cut_at]
    found.sort(key=lambda one: one.id, reverse=True)
    if len(found) < limit:
        return LogPage(found=found, before=cut_at, is_cut=cut_at is not None)
    is_more = len(found) > limit or any(page.before is not None for page in pages)
    return LogPage(found=found[:limit], before=found[limit - 1].id if is_more else None)


def look(
    connection: Connection,
    selector: LogSelector,
    limit: int,
    before: int | None = None,
    *,
    most: int | None = None,
) -> LogPage:
    """Return the newest attempts first, from a look at so many that what is rare does not take long to be searched for.

    The selector names a domain or a receiver: the log has indexes of these.
    """
    most = MOST_LOOKED_AT if most is None else most
    c = webhook_attempts.c
    wide = msgspec.structs.replace(selector, results=(), event_type=None)
    if wide == selector:
        found = search(connection, selector, limit + 1, before)
        return LogPage(found=found[:limit], before=found[limit - 1].id if len(found) > limit else None)
    looked_at = _narrowed(select(c.id), wide).order_by(c.id.desc()).limit(most)
    if before is not None:
        looked_at = looked_at.where(c.id < before)
    bounds = looked_at.subquery()
    lowest, count = connection.execute(select(func.min(bounds.c.id), func.count()).select_from(bounds)).one()
    if lowest is None:
        return LogPage(found=(), before=None)
    query = _selected(selector).where(c.id >= lowest).order_by(c.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(c.id < before)
    found = [_attempt(row) for row in connection.execute(query).mappings()]
    if len(found) > limit:
        return LogPage(found=found[:limit], before=found[limit - 1].id)
    is_cut = count == most
    return LogPage(found=found, before=lowest if is_cut else None, is_cut=is_cut)


def page(connection: Connection, selector: LogSelector, limit: int, after: int = 0) -> list[CallAttempt]:
    """Return attempts oldest first, beyond the id ``after``."""
    query = _selected(selector).where(webhook_attempts.c.id > after).order_by(webhook_attempts.c.id).limit(limit)
    return [_attempt(row) for row in connection.execute(query).mappings()]


def count_of_events(connection: Connection, selector: LogSelector, most: int) -> int:
    """Return how many events the attempts told of that were no tests, from a look at ``most`` attempts."""
    c = webhook_attempts.c
    # Their ids are a list in JSON: one more than there are commas.
    events = func.length(c.event_ids) - func.length(func.replace(c.event_ids, ",", "")) + 1
    some = _narrowed(select(events.label("events")), selector).where(c.is_test.is_(False)).limit(most).subquery()
    return int(connection.execute(select(func.coalesce(func.sum(some.c.events), 0))).scalar_one())


def delete_before(connection: Connection, instant: int, limit: int) -> int:
    """Remove at most ``limit`` attempts made before ``instant``; returns how many."""
    c = webhook_attempts.c
    oldest = select(c.id).where(c.id < lowest_at(instant)).order_by(c.id).limit(limit)
    return connection.execute(delete(webhook_attempts).where(c.id.in_(oldest))).rowcount


def _selected(selector: LogSelector) -> Any:
    return _narrowed(select(webhook_attempts), selector)


def _narrowed(query: Any, selector: LogSelector) -> Any:
    c = webhook_attempts.c
    for name in ("account_id", "domain_id", "receiver", "call_id"):
        wanted = getattr(selector, name)
        if wanted is not None:
            query = query.where(c[name] == wanted)
    if selector.event_type is not None:
        query = query.where(c.event_types.contains(f'"{selector.event_type.value}"', autoescape=True))
    if selector.results:
        query = query.where(c.result.in_([one.value for one in selector.results]))
    if selector.since is not None:
        query = query.where(c.id >= lowest_at(selector.since), c.at >= selector.since)
    if selector.until is not None:
        query = query.where(c.at < selector.until)
    return query


def _values(attempt: CallAttempt) -> dict[str, Any]:
    values = msgspec.structs.asdict(attempt)
    del values["message_ids"]
    return values | {
        "partition": partition_of(attempt.id),
        "format": attempt.format.value,
        "event_ids": _to_json(attempt.event_ids),
        "event_types": _to_json(attempt.event_types),
        "result": attempt.result.value,
        "error": rows.storable(attempt.error),
        "request_headers": _to_json(attempt.request_headers),
        "reply": rows.storable(attempt.reply),
    }


def _attempt(row: RowMapping) -> CallAttempt:
    facts = dict(row)
    del facts["partition"]
    decoded = {
        "format": CallbackFormat(facts["format"]),
        "event_ids": _decode_ids(facts["event_ids"]),
        "event_types": _decode_texts(facts["event_types"]),
        "result": CallResult(facts["result"]),
        "request_headers": _decode_headers(facts["request_headers"]),
    }
    return CallAttempt(**facts | decoded)


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()
