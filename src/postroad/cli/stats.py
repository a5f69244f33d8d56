"""``postroad stats``: how much of what happened when."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import click
import msgspec

from postroad.cli.invocation import Invocation, acting, with_database
from postroad.cli.output import answer, duration, facts, local_time, table, utc_time
from postroad.cli.parameters import INSTANT, NumberType, account_id_of, domain_id_of
from postroad.events import statistics_table
from postroad.events.counters import Totals, totals
from postroad.events.overview import SHOWN, Overviews
from postroad.events.rates import Rate, percents, rates_in
from postroad.events.statistics import (
    MOST_KEYS,
    MOST_KEYS_EXPORTED,
    KeyTotals,
    kinds_in,
    totals_by,
    totals_over_time,
)
from postroad.events.time_spans import Span, between
from postroad.net.clock import now_ms
from postroad.storage import deliveries, domains
from postroad.storage.counters import Dimension, Period
from postroad.storage.database import Database

_DAY_MS = 86_400_000
_DIMENSIONS = {"tag": Dimension.TAG, "destination": Dimension.DESTINATION, "bounce-class": Dimension.BOUNCE_CLASS}
_NAMES = {Dimension.TAG: "tags", Dimension.DESTINATION: "destinations", Dimension.BOUNCE_CLASS: "bounce_classes"}
"""What the lists are called in JSON."""


@click.group()
def stats() -> None:
    """Counters of events, and the size of the queue."""


@stats.command()
@click.option("--account", "account_name", help="Only one account.")
@click.option("--domain", "domain_name", help="Only one sending domain.")
@click.option("--since", type=INSTANT, help="From then on: 6h, 7d, 2026-11-21; a day where it is not said.")
@click.option("--until", type=INSTANT, help="Up to then; now where it is not said.")
@click.option(
    "--by",
    type=click.Choice([*(one.value for one in Period), *_DIMENSIONS]),
    default="hour",
    show_default=True,
    help="Rows.",
)
@click.option("--tag", help="Only mail with one tag, by hour or day; case does not matter.")
@click.option(
    "--limit",
    type=NumberType(1, MOST_KEYS_EXPORTED),
    default=MOST_KEYS,
    show_default=True,
    help="How many tags or destinations at most.",
)
@click.option("--csv", "is_csv", is_flag=True, help="As CSV, with a column for every type of event.")
@with_database
async def show(
    invocation: Invocation,
    database: Database,
    *,
    account_name: str | None,
    domain_name: str | None,
    since: int | None,
    until: int | None,
    by: str,
    tag: str | None,
    limit: int,
    is_csv: bool,
) -> None:
    """Show what happened by hour or day of UTC, or by tag, destination or bounce class.

    By hour and day, how much stands in the queue now is shown too. Hours count as a whole.
    """
    now = now_ms()
    span = between(now - _DAY_MS if since is None else since, now if until is None else until)
    domain_ids = await _domain_ids(database, account_name, domain_name)
    dimension = _DIMENSIONS.get(by)
    if dimension is None:
        found = await _over_time(database, Period(by), span, domain_ids, tag)
        if is_csv:
            click.echo(statistics_table.over_time((one.begins_at, one.by_type) for one in found), nl=False)
            return
        _answer_periods(invocation, found, await database.read(deliveries.queue_figures, now))
        return
    if tag is not None:
        raise click.UsageError(f"--tag shows one tag by hour or day: it does not go with --by {by}.")
    by_key = await totals_by(database, dimension, span, domain_ids, limit)
    if is_csv:
        click.echo(statistics_table.by_key(by, by_key), nl=False)
        return
    _answer_keys(invocation, dimension, by_key)


async def _over_time(
    database: Database, period: Period, span: Span, domain_ids: list[int] | None, tag: str | None
) -> list[Totals]:
    if tag is None:
        return await totals_over_time(database, period, span, domain_ids)
    return await totals(database, period, span.since, span.until - 1, domain_ids, tag=tag.strip())


async def _domain_ids(database: Database, account_name: str | None, domain_name: str | None) -> list[int] | None:
    """Return the domains that are meant; None for all of the installation."""
    account_id, domain_id = await account_id_of(database, account_name), await domain_id_of(database, domain_name)
    if account_id is None:
        return None if domain_id is None else [domain_id]
    mine = [one.id for one in await database.read(domains.list_all, account_id)]
    return mine if domain_id is None else [one for one in mine if one == domain_id]


def _answer_periods(invocation: Invocation, found: Sequence[Totals], figures: Sequence[tuple[str, int, float]]) -> None:
    types = kinds_in(one.by_type for one in found)
    sums = _sums(found)
    shown = rates_in(sums)
    rows = [
        (
            local_time(one.begins_at),
            *(f"{one.by_type.get(kind, 0):,}" for kind in types),
            *(_percent(rate, one.by_type) for rate in shown),
        )
        for one in found
    ]
    queue_rows = [(state, f"{number:,}", duration(int(age_s * 1000))) for state, number, age_s in figures]
    text = "\n\n".join(
        [
            table(("FROM", *(kind.upper() for kind in types), *(_heading(rate) for rate in shown)), rows),
            "\n".join(_told(rate, sums) for rate in shown),
            table(("QUEUE", "DELIVERIES", "OLDEST"), queue_rows),
        ]
    )
    document = {
        "periods": [
            {"begins_at": utc_time(one.begins_at), "by_type": one.by_type, "rates_percent": percents(one.by_type)}
            for one in found
        ],
        "rates_percent": percents(sums),
        "queue": [{"state": state, "deliveries": number, "oldest_s": age_s} for state, number, age_s in figures],
    }
    answer(invocation, document, text)


def _sums(found: Iterable[Totals | KeyTotals]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for one in found:
        sums.update(one.by_type)
    return sums


def _heading(rate: Rate) -> str:
    return f"{rate.name.upper()} %"


def _percent(rate: Rate, counts: Mapping[str, int]) -> str:
    percent = rate.percent(counts)
    return "-" if percent is None else f"{percent:.2f}"


def _told(rate: Rate, counts: Mapping[str, int]) -> str:
    """Say what a rate of the whole span is of."""
    part, whole = counts.get(rate.part, 0), rate.whole_of(counts)
    return f"{rate.name.capitalize()} rate {_percent(rate, counts)} %: {part:,} of {whole:,} {rate.of}"


def _answer_keys(invocation: Invocation, dimension: Dimension, found: Sequence[KeyTotals]) -> None:
    types, many = kinds_in(one.by_type for one in found), _NAMES[dimension]
    further = f"(further {many})"
    # Of mail that was refused for a reason, all was.
    shown = () if dimension is Dimension.BOUNCE_CLASS else rates_in(_sums(found))
    rows = [
        (
            one.key or further,
            *(f"{one.by_type.get(kind, 0):,}" for kind in types),
            *(_percent(rate, one.by_type) for rate in shown),
        )
        for one in found
    ]
    name = dimension.value.replace("-", "_")
    document = {
        many: [
            {name: one.key, "by_type": one.by_type} | ({"rates_percent": percents(one.by_type)} if shown else {})
            for one in found
        ]
    }
    headings = (
        dimension.value.replace("-", " ").upper(),
        *(kind.upper() for kind in types),
        *(_heading(rate) for rate in shown),
    )
    answer(invocation, document, table(headings, rows))


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
    rates = "\n".join(_told(rate, shown.totals) for rate in rates_in(shown.totals) if rate.whole_of(shown.totals))
    notes = "\n".join(f"{note.severity.value}: {note.sentence}" for note in shown.notes)
    steps = "\n".join(f"[{'x' if step.is_done else ' '}] {step.title}: {step.text}" for step in shown.steps)
    text = "\n\n".join(
        part
        for part in (table(("FROM", *(kind.upper() for kind in types)), rows), rates, facts(pairs), notes, steps)
        if part
    )
    document = {
        "hours": [{"begins_at": utc_time(hour.begins_at), "by_type": hour.by_type} for hour in shown.hours],
        "totals": shown.totals,
        "rates_percent": percents(shown.totals),
        "queue": msgspec.structs.asdict(queue) | {"oldest_at": utc_time(queue.oldest_at)},
        "attention": [
            {"severity": note.severity.value, "sentence": note.sentence, "subject": note.subject}
            for note in shown.notes
        ],
        "first_steps": [{"title": step.title, "is_done": step.is_done} for step in shown.steps],
    }
    answer(invocation, document, text)
