"""``postroad stats``: how much of what happened when."""

import click

from postroad.cli.invocation import Invocation, with_database
from postroad.cli.output import answer, duration, local_time, table, utc_time
from postroad.cli.parameters import INSTANT, domain_id_of
from postroad.events.counters import totals
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
@with_database
async def show(
    invocation: Invocation, database: Database, domain_name: str | None, since: int | None, period: str
) -> None:
    """Show counters by hour or day, and how much stands in the queue now."""
    now = now_ms()
    domain_id = await domain_id_of(database, domain_name)
    found = await totals(database, Period(period), now - _DAY_MS if since is None else since, now, domain_id)
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
