"""``postroad webhook``: where events are posted, and what became of the calls."""

import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import click

from postroad.cli.command_ids import command_ids
from postroad.cli.invocation import Invocation, acting, open_vault, refuse, with_database
from postroad.cli.output import answer, confirm, counted, facts, local_time, table, utc_time
from postroad.cli.parameters import ID, INSTANT, ROW_ID, NumberType
from postroad.dialects import formats
from postroad.dns import resolver
from postroad.dns.cache import Cache
from postroad.model.event import EventType
from postroad.model.ids import text_of
from postroad.model.options import CallbackFormat
from postroad.model.webhook import CallAttempt, CallResult, Health, Webhook
from postroad.net.clock import now_ms
from postroad.storage import domains as domain_rows
from postroad.storage import webhook_calls, webhook_log
from postroad.storage.database import Database
from postroad.storage.webhook_log import LogSelector
from postroad.webhooks.client import client_for
from postroad.webhooks.facts import WebhookFacts
from postroad.webhooks.post import HttpPoster
from postroad.webhooks.replay import Replay
from postroad.webhooks.trial import Trial
from postroad.webhooks.webhooks import WebhookChange, Webhooks

_COUNTED_UP_TO = 10_000


@click.group()
def webhook() -> None:
    """Webhooks: where the events of sending domains are posted."""


@webhook.command()
@click.argument("domain_name", metavar="DOMAIN")
@click.argument("url")
@click.option(
    "--format",
    "chosen",
    type=click.Choice([one.value for one in CallbackFormat]),
    default=CallbackFormat.STANDARD.value,
    show_default=True,
    help="How events are told.",
)
@click.option(
    "--event",
    "types",
    multiple=True,
    type=click.Choice([kind.value for kind in EventType]),
    help="Only events of this type; repeatable.",
)
@click.option("--token-stdin", is_flag=True, help="Read a token to authenticate with from the standard input.")
@click.option("--note", default="", help="What it is for.")
@with_database
async def add(
    invocation: Invocation,
    database: Database,
    *,
    domain_name: str,
    url: str,
    chosen: str,
    types: tuple[str, ...],
    token_stdin: bool,
    note: str,
) -> None:
    """Have the events of a sending domain posted to a URL: all that the format has words for, or those named.

    User and password in the URL go along with every call; the password is kept sealed and never shown again.
    """
    domain = await database.read(domain_rows.seen, acting(), domain_name)
    added = await (await _service(invocation, database)).add(
        acting(),
        domain,
        url,
        format=CallbackFormat(chosen),
        event_types=[EventType(kind) for kind in types],
        token=sys.stdin.readline().strip() if token_stdin else "",
        note=note,
    )
    text = f"Added webhook {added.id}: {_types(added)} events of {domain.name} are posted to {added.url}."
    answer(invocation, await _document(database, added), text)


@webhook.command("list")
@click.option("--domain", "domain_name", help="Only those of this sending domain.")
@with_database
async def list_webhooks(invocation: Invocation, database: Database, domain_name: str | None) -> None:
    """List webhooks, and how their receivers are doing."""
    domain = None if domain_name is None else await database.read(domain_rows.seen, acting(), domain_name)
    service = await _service(invocation, database)
    found = await service.all(acting(), domain)
    health = await service.health_of(found)
    documents = [await _document(database, one, health.get(one.id)) for one in found]
    rows = [
        (str(one.id), shown["domain"] or "-", one.url, one.format.value, _types(one), _state(one, health.get(one.id)))
        for one, shown in zip(found, documents, strict=True)
    ]
    answer(invocation, documents, table(("ID", "DOMAIN", "URL", "FORMAT", "EVENTS", "STATE"), rows))


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=ROW_ID)
@with_database
async def show(invocation: Invocation, database: Database, webhook_id: int) -> None:
    """Show a webhook, how its receiver is doing, and what waits for it."""
    service = await _service(invocation, database)
    found = await service.find(acting(), webhook_id)
    health = (await service.health_of([found])).get(found.id)
    waiting = await database.read(webhook_calls.count_of, found.id, _COUNTED_UP_TO)
    document = await _document(database, found, health) | {"waiting": waiting}
    pairs = [
        ("webhook", str(found.id)),
        ("domain", document["domain"] or ""),
        ("URL", found.url),
        ("authenticates", ", ".join(what for what, has in _secrets(found) if has)),
        ("format", found.format.value),
        ("events", _types(found)),
        ("state", _state(found, health)),
        ("last failure", "" if health is None else health.last_error),
        ("waiting", counted(waiting, "call") + (" or more" if waiting == _COUNTED_UP_TO else "")),
        ("added", f"{local_time(found.created_at)} by {found.created_by}"),
        ("note", found.note),
    ]
    answer(invocation, document, facts(pairs))


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=ROW_ID)
@click.option("--url", help="Where to post from now on.")
@click.option(
    "--format", "chosen", type=click.Choice([one.value for one in CallbackFormat]), help="How events are told."
)
@click.option(
    "--event",
    "types",
    multiple=True,
    type=click.Choice([kind.value for kind in EventType]),
    help="Only events of this type; repeatable.",
)
@click.option("--all-events", is_flag=True, help="Events of all types that the format has words for.")
@click.option("--token-stdin", is_flag=True, help="Read another token from the standard input.")
@click.option("--no-token", is_flag=True, help="Send no token any more.")
@click.option("--note", help="What it is for.")
@with_database
async def edit(
    invocation: Invocation,
    database: Database,
    *,
    webhook_id: int,
    url: str | None,
    chosen: str | None,
    types: tuple[str, ...],
    all_events: bool,
    token_stdin: bool,
    no_token: bool,
    note: str | None,
) -> None:
    """Change a webhook; what is not named stays. Calls that wait go to the new address, in the new format.

    The sealed password and token stay while they go to the same server as the same user; name them again for another one.
    """
    service = await _service(invocation, database)
    found = await service.find(acting(), webhook_id)
    told_as = found.format if chosen is None else CallbackFormat(chosen)
    kept = [kind for kind in found.event_types if formats.of(told_as).speaks_of(kind)]
    wanted = [EventType(kind) for kind in types] or ([] if all_events else kept)
    token = sys.stdin.readline().strip() if token_stdin else None
    changed = await service.edit(
        acting(),
        found,
        WebhookChange(
            url=found.url if url is None else url,
            format=told_as,
            event_types=wanted,
            note=found.note if note is None else note,
            token="" if no_token else token,
        ),
    )
    text = f"Saved webhook {changed.id}: {_types(changed)} events are posted to {changed.url}."
    answer(invocation, await _document(database, changed), text)


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=ROW_ID)
@with_database
async def test(invocation: Invocation, database: Database, webhook_id: int) -> None:
    """Post a sample of every type of event that a webhook takes, and print each answer.

    The samples go the way that real events go, and are marked as of test mode.
    """
    found = await (await _service(invocation, database)).find(acting(), webhook_id)
    async with _trial(invocation, database) as trial:
        attempts = await trial.run(acting(), found)
    answer(invocation, [_attempt_document(one) for one in attempts], _attempts(attempts))
    failed = sum(one.result is not CallResult.DELIVERED for one in attempts)
    if failed:
        refuse(f"{failed} of {counted(len(attempts), 'call')} failed")


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=ROW_ID)
@with_database
async def pause(invocation: Invocation, database: Database, webhook_id: int) -> None:
    """Let the calls of a webhook wait, each for up to 72 hours."""
    paused = await (await _service(invocation, database)).pause(acting(), webhook_id)
    answer(invocation, await _document(database, paused), f"Calls to {paused.url} wait until it is resumed.")


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=ROW_ID)
@with_database
async def resume(invocation: Invocation, database: Database, webhook_id: int) -> None:
    """Let the calls of a webhook go on, also where Postroad itself had paused it."""
    resumed = await (await _service(invocation, database)).resume(acting(), webhook_id)
    answer(invocation, await _document(database, resumed), f"Calls to {resumed.url} go on.")


@webhook.command()
@click.argument("webhook_id", metavar="ID", type=ROW_ID)
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@with_database
async def remove(invocation: Invocation, database: Database, webhook_id: int, *, is_confirmed: bool) -> None:
    """Remove a webhook; calls that wait for it are not made any more."""
    service = await _service(invocation, database)
    found = await service.find(acting(), webhook_id)
    confirm(f"Remove webhook {found.id} to {found.url}?", is_confirmed=is_confirmed)
    await service.remove(acting(), found.id)
    answer(invocation, {"id": found.id, "state": "removed"}, f"Removed webhook {found.id} to {found.url}.")


@webhook.command()
@click.argument("webhook_id", metavar="[ID]", type=ROW_ID, required=False)
@click.option("--domain", "domain_name", help="Only calls about this sending domain.")
@click.option("--call", "call_id", type=ID, help="Only the attempts at one call.")
@click.option(
    "--result", "results", multiple=True, type=click.Choice([one.value for one in CallResult]), help="Repeatable."
)
@click.option("--since", type=INSTANT, help="From then on: 2h, 2026-11-21.")
@click.option("--until", type=INSTANT, help="Up to then.")
@click.option("--limit", type=NumberType(1, 10_000), default=50, show_default=True, help="Attempts at most.")
@with_database
async def log(
    invocation: Invocation,
    database: Database,
    *,
    webhook_id: int | None,
    domain_name: str | None,
    call_id: int | None,
    results: tuple[str, ...],
    since: int | None,
    until: int | None,
    limit: int,
) -> None:
    """Show the attempts at calls, the newest first: of one webhook, or of all with those to callbacks of messages."""
    domain = None if domain_name is None else await database.read(domain_rows.seen, acting(), domain_name)
    selector = LogSelector(
        domain_id=None if domain is None else domain.id,
        receiver=webhook_id,
        call_id=call_id,
        results=tuple(CallResult(one) for one in results),
        since=since,
        until=until,
    )
    found = await database.read(webhook_log.search, selector, limit)
    answer(invocation, [_attempt_document(one) for one in found], _attempts(found))


@webhook.command()
@click.argument("call_id", metavar="[CALL]", type=ID, required=False)
@click.option("--webhook", "webhook_id", type=ROW_ID, help="Only calls of this webhook.")
@click.option("--domain", "domain_name", help="Only calls about this sending domain.")
@click.option("--since", type=INSTANT, help="Calls that ended from then on: 2h, 2026-11-21.")
@click.option("--until", type=INSTANT, help="Calls that ended up to then; without it until now.")
@click.option("--failed", "only_failed", is_flag=True, help="Only those that were refused or given up.")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@with_database
async def replay(
    invocation: Invocation,
    database: Database,
    *,
    call_id: int | None,
    webhook_id: int | None,
    domain_name: str | None,
    since: int | None,
    until: int | None,
    only_failed: bool,
    is_confirmed: bool,
) -> None:
    """Make calls of the log again: one that `webhook log` shows, or with --since all that ended in a span of time.

    They get new ids and 72 hours of their own; what still waits is tried anyway and left out. At most 100,000 at a time.
    """
    if (call_id is None) == (since is None):
        raise click.UsageError("Name either one CALL, or a span of time with --since.")
    async with command_ids(database) as ids:
        replaying = Replay(database, now_ms, ids.next)
        if call_id is not None:
            replayed = await replaying.call(acting(), call_id)
        else:
            domain = None if domain_name is None else await database.read(domain_rows.seen, acting(), domain_name)
            if webhook_id is None and domain is None:
                confirm("Make the calls of all webhooks again?", is_confirmed=is_confirmed)
            domain_id = None if domain is None else domain.id
            selector = LogSelector(receiver=webhook_id, domain_id=domain_id, since=since, until=until or now_ms())
            target = domain_name or (f"webhook {webhook_id}" if webhook_id is not None else "all")
            replayed = await replaying.span(acting(), selector, target, only_failed=only_failed)
    more = "; there are more, name a later --since for them" if replayed.is_more else ""
    text = f"{counted(replayed.calls, 'call')} will be made again{more}."
    answer(invocation, {"calls": replayed.calls, "is_more": replayed.is_more}, text)


async def _service(invocation: Invocation, database: Database) -> Webhooks:
    allowed = invocation.settings.webhooks.allow_private_addresses
    return Webhooks(database, await open_vault(invocation, database), now_ms, allow_private_addresses=allowed)


@contextlib.asynccontextmanager
async def _trial(invocation: Invocation, database: Database) -> AsyncIterator[Trial]:
    lookup = resolver.from_settings(invocation.settings.dns, now_ms)
    client = client_for(invocation.settings.webhooks, Cache(lookup, now_ms, invocation.settings.dns))
    webhook_facts = WebhookFacts(database, await open_vault(invocation, database), now_ms)
    try:
        async with command_ids(database) as ids:
            yield Trial(database, webhook_facts, HttpPoster(client), now_ms, ids.next)
    finally:
        await client.aclose()
        await lookup.aclose()


def _types(one: Webhook) -> str:
    return ", ".join(kind.value for kind in one.event_types)


def _secrets(one: Webhook) -> Sequence[tuple[str, bool]]:
    return ("with a password", one.has_password), ("with a token", one.has_token)


def _state(one: Webhook, health: Health | None) -> str:
    if one.paused_at is not None:
        return f"paused since {local_time(one.paused_at)}"
    if health is not None and health.paused_at is not None:
        return f"takes no calls; paused since {local_time(health.paused_at)}, tried now and then"
    if health is not None and health.failures:
        return f"failing since {local_time(health.failing_since)}"
    return "on"


async def _document(database: Database, one: Webhook, health: Health | None = None) -> dict[str, Any]:
    domain = await database.read(domain_rows.get, one.domain_id)
    broken = health is not None and health.paused_at is not None
    return {
        "id": one.id,
        "domain": None if domain is None else domain.name,
        "url": one.url,
        "format": one.format.value,
        "event_types": [kind.value for kind in one.event_types],
        "note": one.note,
        "has_password": one.has_password,
        "has_token": one.has_token,
        "state": "paused" if one.paused_at is not None else "broken" if broken else "on",
        "paused_at": utc_time(one.paused_at or (None if health is None else health.paused_at)),
        "failures": 0 if health is None else health.failures,
        "last_error": "" if health is None else health.last_error,
        "created_at": utc_time(one.created_at),
        "created_by": one.created_by,
    }


def _attempts(found: Sequence[CallAttempt]) -> str:
    return "\n".join(_line(one) for one in found)


def _line(one: CallAttempt) -> str:
    what = ", ".join(one.event_types) or counted(len(one.event_ids), "event")
    if len(one.event_ids) > 1:
        what = f"{counted(len(one.event_ids), 'event')} ({what})"
    came = str(one.status) if one.status is not None else ""
    words = [
        local_time(one.at),
        text_of(one.call_id),
        f"{one.result.value:<9}",
        what,
        f"to {one.url} as {one.format.value}",
        f"attempt {one.attempt}" if one.attempt > 1 else "",
        f"{one.error or came}, {one.duration_ms} ms",
        " ".join(one.reply.split())[:200] if one.error else "",
    ]
    return "  ".join(filter(None, words))


def _attempt_document(one: CallAttempt) -> dict[str, Any]:
    return {
        "call": text_of(one.call_id),
        "at": utc_time(one.at),
        "webhook": one.receiver if one.receiver > 0 else None,
        "url": one.url,
        "format": one.format.value,
        "events": [text_of(event_id) for event_id in one.event_ids],
        "event_types": list(one.event_types),
        "attempt": one.attempt,
        "result": one.result.value,
        "status": one.status,
        "error": one.error,
        "duration_ms": one.duration_ms,
        "request_headers": dict(one.request_headers),
        "reply": one.reply,
        "is_test": one.is_test,
    }
