"""``postroad stats``: how much of what happened when."""

import click
import msgspec

from postroad.cli.invocation import Invocation, acting, with_database
from postroad.cli.output import answer, duration, facts, local_time, table, utc_time
from postroad.cli.parameters import INSTANT, account_id_of, domain_id_of
from postroad.events.counters import totals
from postroad.events.overview import SHOWN, Overviews
from postroad.model.event import EventType
from postroad.net.clock import now_ms
from postroad.storage import deliveries
from postroad.storage.counters import Period
from postroad.storage.database import Database

_DAY_MS = 86_400_000


@click.group()
def stats() -> None:
    """Counters of events, and the size of the queue."""


@stats.command()
@click.option("--domain", "domain_name", help="Only one sending domain.")
@click.option("--since", type=INSTANT, help="From then on: 6h, 7d, 2026-11-21; a day where it is not said.")
@click.option(
    "--by", "period", type=click.Choice([one.value for one in Period]), default="hour", show_default=True, help="Rows."
)
@click.option("--tag", help="Only mail with one tag; case does not matter.")
@with_database
async def show(  # noqa: PLR0917 - one for each option
    invocation: Invocation,
    database: Database,
    domain_name: str | None,
    since: int | None,
    period: str,
    tag: str | None,
) -> None:
    """Show counters by hour or day, and how much stands in the queue now."""
    now = now_ms()
    domain_id = await domain_id_of(database, domain_name)
    since = now - _DAY_MS if since is None else since
    found = await totals(database, Period(period), since, now, domain_id, tag=tag)
    figures = await database.read(deliveries.queue_figures, now)
    types = [kind.value for kind in EventType if any(kind.value in one.by_type for one in found)]
    rows = [(local_time(one.begins_at), *(f"{one.by_type.get(kind, 0):,}" for kind in types)) for one in found]
    queue_rows = [(state, f"{number:,}", duration(int(age_s * 1000))) for state, number, age_s in figures]
    text = "\n\n".join(
        [
            table(("FROM", *(kind.upper() for kind in types)), rows),
            table(("QUEUE", "DELIVERIES", "OLDEST"), queue_rows),
        ]
    )
    document = {
        "periods": [{"begins_at": utc_time(one.begins_at), "by_type": one.by_type} for one in found],
        "queue": [{"state": state, "deliveries": number, "oldest_s": age_s} for state, number, age_s in figures],
    }
    answer(invocation, document, text)


@stats.command()
@click.option("--account", "account_name", help="Only one account.")
@click.option("--domain", "domain_name", help="Only one sending domain.")
@with_database
async def overview(
    invocation: Invocation, database: Database, account_name: str | None, domain_name: str | None
) -> None:
    """Show the last 24 hours, what waits, and what needs attention, as the console's first page does."""
    account_id = await account_id_of(database, account_name)
    actor = msgspec.structs.replace(acting(), account_id=account_id)
    shown = await Overviews(database, now_ms).of(actor, domain_id=await domain_id_of(database, domain_name))
    types = [kind.value for kind in SHOWN]
    rows = [(local_time(hour.begins_at), *(f"{hour.by_type.get(kind, 0):,}" for kind in types)) for hour in shown.hours]
    queue = shown.queue
    pairs = [
        (
            "scheduled",
            f"{'at least ' if queue.is_more else ''}{queue.scheduled:,}, {queue.deferred:,} of them deferred",
        ),
        ("held", f"{queue.held:,}"),
        ("oldest", "nothing waits" if queue.oldest_at is None else f"accepted {local_time(queue.oldest_at)}"),
    ]
    notes = "\n".join(f"{note.severity.value}: {note.sentence}" for note in shown.notes)
    steps = "\n".join(f"[{'x' if step.is_done else ' '}] {step.title}: {step.text}" for step in shown.steps)
    text = "\n\n".join(
        part for part in (table(("FROM", *(kind.upper() for kind in types)), rows), facts(pairs), notes, steps) if part
    )
    document = {
        "hours": [{"begins_at": utc_time(hour.begins_at), "by_type": hour.by_type} for hour in shown.hours],
        "totals": shown.totals,
        "queue": msgspec.structs.asdict(queue) | {"oldest_at": utc_time(queue.oldest_at)},
        "attention": [
            {"severity": note.severity.value, "sentence": note.sentence, "subject": note.subject}
            for note in shown.notes
        ],
        "first_steps": [{"title": step.title, "is_done": step.is_done} for step in shown.steps],
    }
    answer(invocation, document, text)
