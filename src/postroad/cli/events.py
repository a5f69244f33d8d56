"""``postroad events``: what happened, searched or followed."""

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from typing import IO, Any

import click
import msgspec

from postroad.cli.invocation import Invocation, acting, with_database
from postroad.cli.output import answer, counted, echo, local_time
from postroad.cli.parameters import ID, INSTANT, RECIPIENT, NumberType, account_id_of, domain_id_of
from postroad.events.documents import event_document, variables_of
from postroad.events.events import Events
from postroad.events.export import Format
from postroad.events.tail import tail as follow
from postroad.model.channel import CHANNELS
from postroad.model.event import Event, EventType
from postroad.model.ids import text_of
from postroad.model.outcome import Phase
from postroad.net.clock import now_ms
from postroad.storage.database import Database
from postroad.storage.events import EventSelector

_IN_TRANSACTION = {one.value for one in (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.CONTENT, Phase.FINAL_DOT)}


@click.group()
def events() -> None:
    """Events: what happened to messages and deliveries."""


def _selecting(command: Any) -> Any:
    options = [
        click.option("--account", "account_name", help="Those of one account."),
        click.option("--domain", "domain_name", help="Those of one sending domain."),
        click.option("--message", "message_id", type=ID, help="Those of one message."),
        click.option(
            "--recipient", type=RECIPIENT, help="Those about one address, or one recipient domain: @example.net."
        ),
        click.option("--tag", help="Those of messages with one tag, whole; case does not matter."),
        click.option(
            "--channel",
            type=click.Choice(list(CHANNELS)),
            help="Those of messages that came in one way, or that Postroad wrote: delivery reports, notices.",
        ),
        click.option(
            "--type",
            "types",
            multiple=True,
            type=click.Choice([kind.value for kind in EventType]),
            help="Those of one type; repeatable.",
        ),
        click.option("--since", type=INSTANT, help="Those since: 2h, 3d, 2026-11-21."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@events.command()
@_selecting
@click.option("--until", type=INSTANT, help="Those until then.")
@click.option("--limit", type=NumberType(1, 10_000), default=100, show_default=True, help="How many at most.")
@click.option("--newest-first", "is_newest_first", is_flag=True, help="Newest first; else oldest first.")
@click.option("--after", type=ID, help="Only those beyond this event, for the next page.")
@with_database
async def search(
    invocation: Invocation,
    database: Database,
    *,
    until: int | None,
    limit: int,
    is_newest_first: bool,
    after: int | None,
    **chosen: Any,
) -> None:
    """Find events, oldest first."""
    selector = msgspec.structs.replace(await _selector(database, **chosen), until=until)
    service, found, cursor = Events(database, now_ms), list[Event](), after
    while len(found) < limit:
        # However long a search takes, each of its snapshots is short.
        page = await service.search(
            acting(), selector, limit - len(found), cursor=cursor, is_newest_first=is_newest_first
        )
        found += page.found
        cursor = page.cursor
        if cursor is None:
            break
    variables = await variables_of(database, found)
    lines = [f"{text_of(one.id)}  {local_time(one.at)}  {event_sentence(one)}" for one in found]
    if cursor is not None:
        lines.append(f"There is more: go on with --after {text_of(cursor)}.")
    answer(invocation, [event_document(one, variables.get(one.message_id)) for one in found], "\n".join(lines))


@events.command()
@_selecting
@click.option("--until", type=INSTANT, help="Those until then.")
@click.option(
    "--format",
    "form",
    type=click.Choice([one.value for one in Format]),
    default=Format.CSV.value,
    show_default=True,
    help="A table, or a JSON document on each line.",
)
@click.option(
    "--output", type=click.File("w", encoding="utf-8", lazy=False), default="-", help="File; - is the output."
)
@with_database
async def export(
    _invocation: Invocation, database: Database, *, until: int | None, form: str, output: IO[str], **chosen: Any
) -> None:
    """Write events into a file, oldest first; how far it has come is shown on a terminal."""
    selector = msgspec.structs.replace(await _selector(database, **chosen), until=until)
    service = Events(database, now_ms)
    begun = await service.begin_export(acting(), selector, Format(form))
    total, length = 0, max(begun.until - begun.since, 1)
    with click.progressbar(length=length, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        async for part in service.parts(begun):
            output.write(part.text)
            total += part.events
            bar.label = f"{total:,} events"
            bar.update(max(part.reached - begun.since - bar.pos, 0))
        # No part moves it where the span is empty: it ends before the first event, say.
        bar.update(length - bar.pos)
    output.flush()
    click.echo(f"{counted(total, 'event')} written.", err=True)


@events.command()
@_selecting
@with_database
async def tail(invocation: Invocation, database: Database, **chosen: Any) -> None:
    """Follow events as they happen, one line each; Ctrl-C ends it."""
    selector = await _selector(database, **chosen)
    # Ctrl-C cancels what runs.
    with contextlib.suppress(asyncio.CancelledError):
        async for event in follow(database, selector, now_ms):
            variables = await variables_of(database, [event]) if invocation.is_json else {}
            echo_event(invocation, event, variables.get(event.message_id))


async def _selector(
    database: Database,
    *,
    account_name: str | None,
    domain_name: str | None,
    message_id: int | None,
    types: tuple[str, ...],
    since: int | None,
    **told: Any,
) -> EventSelector:
    return EventSelector(
        account_id=await account_id_of(database, account_name),
        domain_id=await domain_id_of(database, domain_name),
        message_id=message_id,
        types=tuple(EventType(kind) for kind in types),
        since=since,
        **told,
    )


def echo_event(invocation: Invocation, event: Event, variables: dict[str, Any] | None) -> None:
    """Print one event of those that are followed: a document on a line of its own, or a sentence."""
    if invocation.is_json:
        click.echo(msgspec.json.encode(event_document(event, variables)).decode())
    else:
        echo(f"{local_time(event.at)}  {event_sentence(event)}")


def event_sentence(event: Event) -> str:
    """Return an event in one line: what, for whom, and the words that explain it."""
    data = event.data
    if data.get("is_late"):
        words = _late_words(data)
    else:
        words = _attempt_words(data) if "attempt" in data and "reply" in data else _other_words(data)
    parts = [event.recipient or "", *(" ".join(word.split()) for word in words)]
    return "  ".join([f"{event.type.value:<10}", *filter(None, parts)]).rstrip()


def _attempt_words(data: dict[str, Any]) -> Iterator[str]:
    yield f"attempt {data['attempt']}"
    if data.get("host"):
        address = "" if data.get("host_address") in (None, data["host"]) else f" [{data['host_address']}]"
        ours = f" from {data['source_address']}" if data.get("source_address") else ""
        yield f"{data['host']}{address}{_protection(data)}{ours}"
    yield str(data["reply"])
    if data.get("bounce_class"):
        yield str(data["bounce_class"])
    if data.get("due_at"):
        yield f"again {local_time(data['due_at'])}"
    if data.get("maybe_delivered"):
        yield "may have been delivered"
    if data.get("missing_variables"):
        yield f"no value for {', '.join(data['missing_variables'])}"
    yield from data.get("notes", ())


def _late_words(data: dict[str, Any]) -> Iterator[str]:
    yield "after delivery"
    yield f"by word of {data['host']}" if data.get("host") else ""
    yield str(data["reply"])
    yield str(data["bounce_class"])
    yield f"returned by {data['client_address']}" if data.get("client_address") else ""


def _protection(data: dict[str, Any]) -> str:
    if data.get("tls"):
        return f" over {data['tls']['version']}"
    # An attempt that ended before its transaction gave nothing away.
    return " in the clear" if data.get("phase") in _IN_TRANSACTION else ""


def _other_words(data: dict[str, Any]) -> Iterator[str]:
    by = data.get("username") or data.get("by")
    if by:
        yield f"by {by}"
    if data.get("client_address"):
        yield f"from {data['client_address']}{_place(data)}" + (
            f" over {data['tls_version']}" if data.get("tls_version") else ""
        )
    if data.get("verdict"):
        yield from _response_words(data)
    if data.get("way"):
        yield f"by {data['way']}" + (f" from {', '.join(data['scope'])}" if data.get("scope") else "")
    if data.get("feedback_type"):
        yield f"as {data['feedback_type']}" + (f", reported by {data['reporter']}" if data.get("reporter") else "")
    if data.get("rule"):
        yield f"rule {data['rule']}"
    yield " ".join(str(data[name]) for name in ("enhanced_status", "text", "reason") if data.get(name))
    yield ", ".join(data.get("edits", ()))


def _place(data: dict[str, Any]) -> str:
    place = ", ".join(str(data[name]) for name in ("city", "country") if data.get(name))
    return f" ({place})" if place else ""


def _response_words(data: dict[str, Any]) -> Iterator[str]:
    yield str(data.get("url", ""))
    program = " on ".join(str(data[name]) for name in ("program", "system") if data.get(name))
    yield f"with {program}" if program else ""
    yield (
        f"by a {data['verdict']}: {', '.join(data['evidence'])}" if data.get("evidence") else f"by a {data['verdict']}"
    )
    yield f"through {data['proxy']}" if data["verdict"] == "machine" and data.get("proxy") else ""
