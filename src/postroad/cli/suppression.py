"""``postroad suppression``: whom sending domains do not mail, and why."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click
import msgspec

from postroad.accounts.accounts import Accounts
from postroad.cli.invocation import Invocation, acting, refuse, with_database
from postroad.cli.output import answer, confirm, counted, local_time, table, utc_time
from postroad.cli.parameters import NumberType, domain_id_of
from postroad.model.ids import text_of
from postroad.model.suppression import ImportProgress, Suppression, SuppressionKind
from postroad.net.clock import now_ms
from postroad.policy.suppression_csv import MOST_OCTETS, written
from postroad.storage import domains
from postroad.storage.database import Database
from postroad.storage.suppressions import place_of
from postroad.suppressions.imports import Imports
from postroad.suppressions.suppressions import Search, Suppressions, place_from, place_text

_DOMAIN = click.option("--domain", "domain_name", required=True, help="The sending domain whose list it is.")
_KINDS = click.Choice([kind.value for kind in SuppressionKind])
_TAG = click.option("--tag", default="", help="The one tag that an unsubscribe is about; without it all mail.")
_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
_FAULTS_SHOWN = 20


@click.group()
def suppression() -> None:
    """Suppressions: addresses that get no mail of a sending domain, and addresses that a bounce never stops."""


@suppression.command()
@click.argument("address")
@_DOMAIN
@click.option(
    "--kind", type=_KINDS, default="block", show_default=True, help="Why; allow is the list that lifts bounces."
)
@_TAG
@click.option("--reason", default="", help="A note for whoever looks at it later.")
@with_database
async def add(
    invocation: Invocation, database: Database, *, address: str, domain_name: str, kind: str, tag: str, reason: str
) -> None:
    """Put ADDRESS on a list; @example.net stands for a whole destination, to block or to allow."""
    lists = Suppressions(database, now_ms)
    entry = await lists.add(acting(), domain_name, address, SuppressionKind(kind), tag=tag, reason=reason)
    text = f"{entry.address} is on the {_list_of(entry)} of {domain_name}."
    answer(invocation, _document(entry, {entry.domain_id: domain_name}), text)


@suppression.command()
@click.argument("address")
@_DOMAIN
@click.option("--kind", type=_KINDS, help="From this list only; without it from all.")
@_TAG
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@with_database
async def remove(
    invocation: Invocation,
    database: Database,
    *,
    address: str,
    domain_name: str,
    kind: str | None,
    tag: str,
    is_confirmed: bool,
) -> None:
    """Take ADDRESS off the lists: the next message to it leaves."""
    lists = Suppressions(database, now_ms)
    found = await lists.about(acting(), domain_name, address)
    wanted = [
        one
        for one in found
        if one.address == _exactly(address, found)
        and kind in {None, one.kind.value}
        and (not tag or one.tag == tag.casefold())
    ]
    if not wanted:
        refuse(f"{address} is on no such list of {domain_name}")
    named = ", ".join(_list_of(one) for one in wanted)
    confirm(f"Take {wanted[0].address} off the {named} of {domain_name}?", is_confirmed=is_confirmed)
    removed = [await lists.remove(acting(), place_of(one)) for one in wanted]
    names = {one.domain_id: domain_name for one in removed}
    answer(invocation, [_document(one, names) for one in removed], f"Took {wanted[0].address} off the {named}.")


@suppression.command()
@click.argument("address")
@_DOMAIN
@with_database
async def show(invocation: Invocation, database: Database, address: str, domain_name: str) -> None:
    """Show all that the lists of a domain say of ADDRESS."""
    found = await Suppressions(database, now_ms).about(acting(), domain_name, address)
    names = {one.domain_id: domain_name for one in found}
    text = _table(found, names) if found else f"{address} is on no list of {domain_name}."
    answer(invocation, [_document(one, names) for one in found], text)


@suppression.command("list")
@click.option("--domain", "domain_name", help="Only the lists of this sending domain.")
@click.option("--account", "account_name", help="Only the lists of this account's domains.")
@click.option("--kind", type=_KINDS, help="Only this list.")
@click.option("--address", default="", help="Only addresses that begin so.")
@click.option("--limit", type=NumberType(1, 10_000), default=100, show_default=True, help="How many at most.")
@click.option("--after", help="Only those behind this place, which the page before named as next.")
@with_database
async def list_suppressions(
    invocation: Invocation,
    database: Database,
    *,
    domain_name: str | None,
    account_name: str | None,
    kind: str | None,
    address: str,
    limit: int,
    after: str | None,
) -> None:
    """List suppressions by domain and address."""
    actor = acting()
    if account_name is not None:
        account = await Accounts(database, now_ms).find(actor, account_name)
        actor = msgspec.structs.replace(actor, account_id=account.id)
    search = await _search(database, domain_name, kind, address)
    page = await Suppressions(database, now_ms).search(actor, search, limit, place_from(after) if after else None)
    names = await _names(database)
    following = "" if page.after is None else place_text(page.after)
    text = _table(page.entries, names) + (f"\n\nThere are more: --after {following}" if following else "")
    document = {"suppressions": [_document(one, names) for one in page.entries], "next": following or None}
    answer(invocation, document, text)


@suppression.command("import")
@click.argument("file", type=_FILE)
@_DOMAIN
@click.option("--kind", type=_KINDS, default="block", show_default=True, help="Of lines that name none.")
@with_database
async def import_list(invocation: Invocation, database: Database, *, file: Path, domain_name: str, kind: str) -> None:
    """Put the addresses of a CSV file on the lists; - reads standard input. What is there already is passed over.

    The first line may name columns: address, kind, tag, reason, created_at, in any order; the exports of Mailgun are
    understood. Ends with 1 where lines were not understood; the others are on the lists then.
    """
    domain = await Suppressions(database, now_ms).domain(acting(), domain_name)
    octets = _read(file)
    shown = Path(file).name if str(file) != "-" else "standard input"
    with click.progressbar(length=octets.count(b"\n") + 1, label="Lines", file=sys.stderr) as bar:

        def told(progress: ImportProgress) -> None:
            bar.update(progress.done - bar.pos)

        progress = await Imports(database, now_ms).take(
            acting(), domain, SuppressionKind(kind), octets, shown, told=told
        )
    answer(invocation, msgspec.to_builtins(progress), _told_of(progress))
    if progress.failure:
        refuse(f"It ended at line {progress.done:,}: {progress.failure}")
    if progress.bad:
        refuse(f"{counted(progress.bad, 'line was', 'lines were')} not understood")


@suppression.command()
@_DOMAIN
@click.option("--kind", type=_KINDS, help="Only this list.")
@click.option(
    "--format", "shape", type=click.Choice(["csv", "ndjson"]), default="csv", show_default=True, help="Of lines."
)
@with_database
async def export(invocation: Invocation, database: Database, *, domain_name: str, kind: str | None, shape: str) -> None:
    """Write the lists of a domain to standard output, as CSV or as one JSON document a line."""
    found = Suppressions(database, now_ms).export(acting(), await _search(database, domain_name, kind, ""))
    if shape == "ndjson" or invocation.is_json:
        await _write_documents(found, domain_name)
        return
    is_first = True
    async for entries in found:
        click.echo(written(entries, is_first=is_first), nl=False)
        is_first = False
    if is_first:
        click.echo(written([], is_first=True), nl=False)


async def _write_documents(found: AsyncIterator[list[Suppression]], domain_name: str) -> None:
    async for entries in found:
        for one in entries:
            click.echo(msgspec.json.encode(_document(one, {one.domain_id: domain_name})).decode())


def _told_of(progress: ImportProgress) -> str:
    lines = [
        (
            f"{counted(progress.done, 'line')} read: {progress.added:,} added, {progress.known:,} there already, "
            f"{progress.bad:,} not understood."
        )
    ]
    lines += [f"line {fault.line}: {fault.text}" for fault in progress.faults[:_FAULTS_SHOWN]]
    if progress.bad > _FAULTS_SHOWN:
        lines.append(f"and {progress.bad - _FAULTS_SHOWN:,} more")
    return "\n".join(lines)


def _read(file: Path) -> bytes:
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(MOST_OCTETS + 1)
        with file.open("rb") as opened:
            return opened.read(MOST_OCTETS + 1)
    except OSError as error:
        refuse(f"{file}: {error.strerror}.")


def _exactly(address: str, found: list[Suppression]) -> str:
    """Return which of the addresses found is meant: not the entry for its whole destination, unless that was named."""
    is_whole = address.strip().startswith("@") or "@" not in address
    return next((one.address for one in found if one.address.startswith("@") == is_whole), "")


async def _search(database: Database, domain_name: str | None, kind: str | None, typed: str) -> Search:
    return Search(
        domain_id=await domain_id_of(database, domain_name),
        typed=typed,
        kind=None if kind is None else SuppressionKind(kind),
    )


async def _names(database: Database) -> dict[int, str]:
    return {one.id: one.name for one in await database.read(domains.list_all, None)}


def _list_of(entry: Suppression) -> str:
    return f"{entry.kind.value} list" + (f" for {entry.tag}" if entry.tag else "")


def _table(entries: list[Suppression], names: dict[int, str]) -> str:
    rows = [
        (
            one.address,
            one.kind.value,
            one.tag or "-",
            names.get(one.domain_id, ""),
            local_time(one.created_at),
            one.created_by or one.way.value,
            one.reason,
        )
        for one in entries
    ]
    return table(("ADDRESS", "KIND", "TAG", "DOMAIN", "SINCE", "BY", "REASON"), rows)


def _document(entry: Suppression, names: dict[int, str]) -> dict[str, Any]:
    return {
        "address": entry.address,
        "kind": entry.kind.value,
        "tag": entry.tag or None,
        "domain": names.get(entry.domain_id),
        "way": entry.way.value,
        "reason": entry.reason,
        "created_at": utc_time(entry.created_at),
        "created_by": entry.created_by or None,
        "message_id": None if entry.message_id is None else text_of(entry.message_id),
    }
