"""``postroad address``: whether mail to an address is likely to arrive."""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
import msgspec

from postroad.accounts.accounts import Accounts
from postroad.cli.address_files import check_file, document_of, files, remove_file, results
from postroad.cli.invocation import Invocation, acting, refuse, with_database, with_settings
from postroad.cli.output import answer, facts, table
from postroad.cli.parameters import domain_id_of
from postroad.dns import resolver
from postroad.model.actor import Actor
from postroad.model.address_check import AddressCheck, AddressResult
from postroad.net.clock import now_ms
from postroad.node.console import address_checks
from postroad.storage.database import Database
from postroad.suppressions.address_checks import AddressChecks
from postroad.suppressions.address_lists import DISPOSABLE, ListFileError, bundled_names, disposable_domains

_AT_ONCE = 20


@click.group()
def address() -> None:
    """Addresses: whether mail to them is likely to arrive, before any is sent."""


@address.command()
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@click.option("--domain", "domain_name", help="Look at earlier mail of this sending domain only.")
@click.option("--account", "account_name", help="Look at earlier mail of this account only; without it at all mail.")
@with_database
async def check(
    invocation: Invocation,
    database: Database,
    *,
    addresses: tuple[str, ...],
    domain_name: str | None,
    account_name: str | None,
) -> None:
    """Check each ADDRESS: its form, the MX of its domain, what it looks like, and what became of earlier mail to it.

    No mailbox is asked. Ends with 1 where an address is undeliverable.
    """
    actor = acting()
    if account_name is not None:
        account = await Accounts(database, now_ms).find(actor, account_name)
        actor = msgspec.structs.replace(actor, account_id=account.id)
    domain_id = await domain_id_of(database, domain_name)
    async with _checks(invocation, database) as checks:
        found = await _all(checks, actor, addresses, domain_id)
    answer(invocation, [document_of(one) for one in found], _table(found))
    if any(one.result is AddressResult.UNDELIVERABLE for one in found):
        sys.exit(1)


@address.command()
@with_settings
def lists(invocation: Invocation) -> None:
    """Show what addresses are compared with, and whether address_check.disposable_domains can be used.

    Ends with 1 where that file cannot be used: nodes then keep the list they had.
    """
    names = bundled_names()
    own = invocation.settings.address_check.disposable_domains
    path = Path(own) if own else DISPOSABLE
    try:
        disposable, digest = disposable_domains(path), hashlib.sha256(path.read_bytes()).hexdigest()
    except (ListFileError, OSError) as error:
        refuse(f"address_check.disposable_domains: {error}")
    counts = {"role_names": len(names.roles), "mail_providers": len(names.providers)}
    document = {"disposable_domains": {"file": str(path), "domains": len(disposable), "sha256": digest}} | counts
    text = facts(
        [
            ("disposable domains", f"{len(disposable):,}, of {path}\nSHA-256 {digest}"),
            ("role names", f"{len(names.roles):,}"),
            ("mailbox providers", f"{len(names.providers):,}"),
        ]
    )
    answer(invocation, document, text)


@asynccontextmanager
async def _checks(invocation: Invocation, database: Database) -> AsyncIterator[AddressChecks]:
    try:
        lookup = resolver.from_settings(invocation.settings.dns, now_ms)
    except ValueError as error:
        refuse(f"dns.resolvers: {error}")
    checks = address_checks(invocation.settings, database, lookup)
    try:
        await checks.lists.refresh()
        yield checks
    finally:
        await checks.aclose()
        await lookup.aclose()


async def _all(
    checks: AddressChecks, actor: Actor, addresses: tuple[str, ...], domain_id: int | None
) -> list[AddressCheck]:
    places = asyncio.Semaphore(min(_AT_ONCE, checks.most_of_account))

    async def checked(text: str) -> AddressCheck:
        async with places:
            return await checks.check(actor, text, domain_id)

    return await asyncio.gather(*map(checked, addresses))


def _table(found: list[AddressCheck]) -> str:
    rows = [
        (
            one.address,
            one.result.value,
            str(one.confidence),
            ", ".join(reason.value for reason in one.reasons) or "-",
            one.suggestion or "-",
            one.detail,
        )
        for one in found
    ]
    return table(("ADDRESS", "RESULT", "CONFIDENCE", "REASONS", "DID YOU MEAN", "DETAIL"), rows)


address.add_command(check_file)
address.add_command(files)
address.add_command(results)
address.add_command(remove_file)
