"""``postroad api-key``: what programs use the HTTP APIs with."""

from typing import Any

import click

from postroad.accounts.accounts import Accounts
from postroad.accounts.api_keys import ApiKeys
from postroad.cli.invocation import Invocation, acting, with_database
from postroad.cli.output import answer, confirm, local_time, table, utc_time
from postroad.cli.parameters import domain_id_of
from postroad.model.credential import ApiKey
from postroad.net.clock import now_ms
from postroad.policy.network_list import in_words
from postroad.storage import accounts as account_rows
from postroad.storage import domains as domain_rows
from postroad.storage.database import Database


@click.group("api-key")
def api_key() -> None:
    """API keys: each sends over HTTP for one sending domain, or manages one account."""


@api_key.command()
@click.option("--domain", "domain_name", help="The one sending domain that the key sends for.")
@click.option("--account", "account_name", help="The account that the key manages, where no domain is named.")
@click.option("--allow-ip", "networks", multiple=True, metavar="CIDR", help="Network to use it from; repeatable.")
@click.option("--note", default="", help="What the key is for.")
@with_database
async def add(
    invocation: Invocation,
    database: Database,
    *,
    domain_name: str | None,
    account_name: str | None,
    networks: tuple[str, ...],
    note: str,
) -> None:
    """Add an API key and print it, once: for a sending domain, or with --account one that manages an account."""
    if (domain_name is None) == (account_name is None):
        raise click.UsageError("Name either --domain or --account.")
    keys, listed = ApiKeys(database, now_ms), " ".join(networks)
    if domain_name is not None:
        added = await keys.add_for_domain(acting(), domain_name, note=note, networks=listed)
    else:
        account = await Accounts(database, now_ms).find(acting(), account_name)
        added = await keys.add_for_account(acting(), account.id, note=note, networks=listed)
    document = await _document(database, added.key) | {"key": str(added.text)}
    answer(invocation, document, f"Added API key {added.key.prefix}…\nKey: {added.text!s}  (it is not shown again)")


@api_key.command("list")
@click.option("--domain", "domain_name", help="Only the keys of this sending domain.")
@click.option("--account", "account_name", help="Only the keys of this account and its domains.")
@with_database
async def list_keys(
    invocation: Invocation, database: Database, domain_name: str | None, account_name: str | None
) -> None:
    """List API keys: of each what it begins with, never the key."""
    account = await Accounts(database, now_ms).find(acting(), account_name) if account_name is not None else None
    domain_id = await domain_id_of(database, domain_name)
    found = await ApiKeys(database, now_ms).all(
        acting(), account_id=None if account is None else account.id, domain_id=domain_id
    )
    documents = [await _document(database, key) for key in found]
    rows = [
        (
            key.prefix,
            one["domain"] or f"account {one['account']}",
            ", ".join(map(in_words, key.networks)) or "everywhere",
            local_time(key.last_used_at),
            key.note,
        )
        for key, one in zip(found, documents, strict=True)
    ]
    answer(invocation, documents, table(("KEY", "FOR", "ALLOWED FROM", "LAST USED", "NOTE"), rows))


@api_key.command("allow-ip")
@click.argument("key")
@click.argument("networks", nargs=-1, metavar="CIDR...")
@click.option("--only", "is_only", is_flag=True, help="Replace the list instead of adding to it; empty it with none.")
@with_database
async def allow_ip(
    invocation: Invocation, database: Database, key: str, networks: tuple[str, ...], *, is_only: bool
) -> None:
    """Let a key be used from addresses or ranges (IPv4, IPv6) and from nowhere else.

    KEY is what the key begins with, as `api-key list` shows it. With --only and no network it may be used from everywhere.
    """
    keys = ApiKeys(database, now_ms)
    found = await keys.find(acting(), key)
    change = keys.set_networks if is_only else keys.allow
    changed = await change(acting(), found.id, " ".join(networks))
    allowed = ", ".join(map(in_words, changed.networks)) or "everywhere"
    answer(invocation, await _document(database, changed), f"{changed.prefix}… may be used from {allowed}.")


@api_key.command()
@click.argument("key")
@click.option("--note", required=True, help="What the key is for.")
@with_database
async def edit(invocation: Invocation, database: Database, key: str, note: str) -> None:
    """Change a key's note; KEY is what the key begins with."""
    keys = ApiKeys(database, now_ms)
    changed = await keys.edit(acting(), (await keys.find(acting(), key)).id, note)
    answer(invocation, await _document(database, changed), f"The note of {changed.prefix}… has been changed.")


@api_key.command()
@click.argument("key")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@with_database
async def remove(invocation: Invocation, database: Database, key: str, *, is_confirmed: bool) -> None:
    """Remove a key: it is refused everywhere within five seconds. KEY is what the key begins with."""
    keys = ApiKeys(database, now_ms)
    found = await keys.find(acting(), key)
    confirm(f"Remove API key {found.prefix}… {found.note}?", is_confirmed=is_confirmed)
    await keys.remove(acting(), found.id)
    answer(invocation, {"prefix": found.prefix, "state": "removed"}, f"Removed API key {found.prefix}….")


async def _document(database: Database, key: ApiKey) -> dict[str, Any]:
    account = await database.read(account_rows.get, key.account_id)
    domain = None if key.domain_id is None else await database.read(domain_rows.get, key.domain_id)
    return {
        "prefix": key.prefix,
        "kind": "account" if key.domain_id is None else "domain",
        "account": None if account is None else account.name,
        "domain": None if domain is None else domain.name,
        "networks": list(key.networks),
        "note": key.note,
        "created_at": utc_time(key.created_at),
        "last_used_at": utc_time(key.last_used_at),
        "last_used_address": key.last_used_address,
        "last_refused_at": utc_time(key.last_refused_at),
        "last_refused_address": key.last_refused_address,
    }
