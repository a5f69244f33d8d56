"""``postroad events``: what happened, searched or followed."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import click
import msgspec

from postroad.cli.invocation import Invocation, with_database
from postroad.cli.output import answer, local_time, utc_time
from postroad.cli.parameters import ID, INSTANT, account_id_of, domain_id_of
from postroad.events.tail import tail as follow
from postroad.model.event import Event, EventType
from postroad.model.ids import text_of
from postroad.model.outcome import Phase
from postroad.net.clock import now_ms
from postroad.storage import events as event_rows
from postroad.storage import messages as message_rows
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
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many at most.")
@click.option("--after", type=ID, default=0, help="Only those beyond this event, for the next page.")
@with_database
async def search(
    invocation: Invocation, database: Database, *, until: int | None, limit: int, after: int, **chosen: Any
) -> None:
    """Find events, oldest first."""
    selector = msgspec.structs.replace(await _selector(database, **chosen), until=until)
    found = await database.read(event_rows.search, selector, limit, after)
    variables = await _variables(database, found)
    text = "\n".join(f"{text_of(one.id)}  {local_time(one.at)}  {event_sentence(one)}" for one in found)
    answer(invocation, [event_document(one, variables.get(one.message_id)) for one in found], text)


@events.command()
@_selecting
@with_database
async def tail(invocation: Invocation, database: Database, **chosen: Any) -> None:
    """Follow events as they happen, one line each; Ctrl-C ends it."""
    selector = await _selector(database, **chosen)
    with contextlib.suppress(KeyboardInterrupt):
        async for event in follow(database, selector, now_ms):
            if invocation.is_json:
                variables = await _variables(database, [event])
                click.echo(msgspec.json.encode(event_document(event, variables.get(event.message_id))).decode())
            else:
                click.echo(f"{local_time(event.at)}  {event_sentence(event)}")


async def _selector(
    database: Database,
    *,
    account_name: str | None,
    domain_name: str | None,
    message_id: int | None,
    types: tuple[str, ...],
    since: int | None,
) -> EventSelector:
    return EventSelector(
        account_id=await account_id_of(database, account_name),
        domain_id=await domain_id_of(database, domain_name),
        message_id=message_id,
        types=tuple(EventType(kind) for kind in types),
        since=since,
    )


async def _variables(database: Database, found: Sequence[Event]) -> dict[int | None, dict[str, Any]]:
    """Return the variables of the messages that events are about, while those are kept."""
    named = {one.message_id for one in found if one.message_id is not None}
    about = await database.read(message_rows.get_many, named)
    return {message_id: message.options.variables for message_id, message in about.items()}


def event_sentence(event: Event) -> str:
    """Return an event in one line: what, for whom, and the words that explain it."""
    data = event.data
    words = _attempt_words(data) if "attempt" in data and "reply" in data else _other_words(data)
    parts = [event.recipient or "", *(" ".join(word.split()) for word in words)]
    return "  ".join([f"{event.type.value:<10}", *filter(None, parts)]).rstrip()


def _attempt_words(data: dict[str, Any]) -> Iterator[str]:
    yield f"attempt {data['attempt']}"
    if data.get("host"):
        address = "" if data.get("host_address") in (None, data["host"]) else f" [{data['host_address']}]"
        yield f"{data['host']}{address}{_protection(data)}"
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
        yield f"from {data['client_address']}" + (f" over {data['tls_version']}" if data.get("tls_version") else "")
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


def _response_words(data: dict[str, Any]) -> Iterator[str]:
    yield str(data.get("url", ""))
    program = " on ".join(str(data[name]) for name in ("program", "system") if data.get(name))
    yield f"with {program}" if program else ""
    yield f"by a machine: {', '.join(data['evidence'])}" if data["verdict"] == "machine" else "by a human"
    yield f"through {data['proxy']}" if data.get("proxy") else ""


def event_document(event: Event, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an event as programs read it, with the variables that its message was sent with."""
    document = {
        "id": text_of(event.id),
        "type": event.type.value,
        "at": utc_time(event.at),
        "message_id": None if event.message_id is None else text_of(event.message_id),
        "delivery_id": None if event.delivery_id is None else text_of(event.delivery_id),
        "recipient": event.recipient,
        "data": event.data,
    }
    return document | {"variables": variables} if variables else document
