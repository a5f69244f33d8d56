"""``postroad address check-file``: whole lists of addresses, which the nodes check in the background."""

import secrets
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from postroad.accounts.accounts import Accounts
from postroad.cli.invocation import Invocation, acting, refuse, with_database
from postroad.cli.output import answer, confirm, local_time, table, utc_time
from postroad.model.address_check import AddressCheck
from postroad.model.list_check import ListCheck
from postroad.net.clock import now_ms
from postroad.policy.list_check_csv import MOST_OCTETS, written
from postroad.storage.database import Database
from postroad.suppressions.list_checks import ListChecks

_ACCOUNT = click.option("--account", "account_name", required=True, help="The account whose list it is.")
_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.command("check-file")
@click.argument("file", type=_FILE)
@_ACCOUNT
@click.option("--name", default="", help="What the list is called by; without it a name is made up.")
@with_database
async def check_file(invocation: Invocation, database: Database, *, file: Path, account_name: str, name: str) -> None:
    """Have the addresses of a CSV file checked by the running nodes; - reads standard input.

    The first line may name columns, of which one is email, email_address, address or recipient.
    """
    account = await Accounts(database, now_ms).find(acting(), account_name)
    shown = file.name if str(file) != "-" else "standard input"
    name = name or f"command-{secrets.token_hex(6)}"
    one = await ListChecks(database, now_ms).begin(acting(), account.id, name, _read(file), shown)
    answer(
        invocation,
        _document(one),
        f"{one.name}: {one.total:,} addresses wait; postroad address files says how far it is.",
    )


@click.command()
@_ACCOUNT
@with_database
async def files(invocation: Invocation, database: Database, *, account_name: str) -> None:
    """List the files of an account that are or were checked, and what they came to."""
    account = await Accounts(database, now_ms).find(acting(), account_name)
    found = await ListChecks(database, now_ms).of_account(acting(), account.id)
    rows = [
        (
            one.name,
            one.file_name,
            _state(one),
            f"{one.counts.checked:,} of {one.total:,}",
            f"{one.counts.deliverable:,}",
            f"{one.counts.risky:,}",
            f"{one.counts.undeliverable:,}",
            f"{one.counts.unknown:,}",
            local_time(one.created_at),
        )
        for one in found
    ]
    headings = (
        "NAME", "FILE", "STATE", "CHECKED", "DELIVERABLE", "RISKY", "UNDELIVERABLE", "UNKNOWN", "SINCE",
    )  # fmt: skip
    answer(invocation, [_document(one) for one in found], table(headings, rows))


@click.command()
@click.argument("name")
@_ACCOUNT
@with_database
async def results(invocation: Invocation, database: Database, *, name: str, account_name: str) -> None:
    """Write what the checks of the list NAME came to so far, as CSV or as one document a line.

    Ends with 1 where it is not finished.
    """
    account = await Accounts(database, now_ms).find(acting(), account_name)
    lists = ListChecks(database, now_ms)
    one = await lists.named(acting(), account.id, name)
    if not invocation.is_json:
        click.echo(written([], is_first=True), nl=False)
    async for checks in lists.results(one):
        if invocation.is_json:
            for check in checks:
                click.echo(msgspec.json.encode(document_of(check)).decode())
        else:
            click.echo(written(checks, is_first=False), nl=False)
    if one.finished_at is None or one.failure:
        refuse(f"{one.counts.checked:,} of {one.total:,} addresses are checked: {one.failure or 'the others wait'}.")


@click.command("remove-file")
@click.argument("name")
@_ACCOUNT
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@with_database
async def remove_file(
    invocation: Invocation, database: Database, *, name: str, account_name: str, is_confirmed: bool
) -> None:
    """Remove the list NAME with what its checks came to; one that is being checked ends."""
    account = await Accounts(database, now_ms).find(acting(), account_name)
    lists = ListChecks(database, now_ms)
    one = await lists.named(acting(), account.id, name)
    confirm(f"Remove list {one.name} of {account.name} with its results?", is_confirmed=is_confirmed)
    await lists.remove(acting(), one)
    answer(invocation, {"name": one.name, "state": "removed"}, f"Removed list {one.name}.")


def _state(one: ListCheck) -> str:
    return "failed" if one.failure else "done" if one.finished_at is not None else "checking"


def _document(one: ListCheck) -> dict[str, Any]:
    counts = one.counts
    return {
        "name": one.name,
        "file": one.file_name,
        "state": _state(one),
        "addresses": one.total,
        "checked": counts.checked,
        "deliverable": counts.deliverable,
        "risky": counts.risky,
        "disposable": counts.disposable,
        "undeliverable": counts.undeliverable,
        "unknown": counts.unknown,
        "created_at": utc_time(one.created_at),
        "finished_at": None if one.finished_at is None else utc_time(one.finished_at),
    }


def document_of(one: AddressCheck) -> dict[str, Any]:
    """Return a check as a document."""
    return {
        "address": one.address,
        "result": one.result.value,
        "confidence": one.confidence,
        "reasons": [reason.value for reason in one.reasons],
        "did_you_mean": one.suggestion,
        "is_role": one.is_role,
        "is_disposable": one.is_disposable,
        "is_free": one.is_free,
        "has_bounced": one.has_bounced,
        "is_failing": one.is_failing,
        "was_delivered": one.was_delivered,
        "detail": one.detail or None,
    }


def _read(file: Path) -> bytes:
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(MOST_OCTETS + 1)
        with file.open("rb") as opened:
            return opened.read(MOST_OCTETS + 1)
    except OSError as error:
        refuse(f"{file}: {error.strerror}.")
