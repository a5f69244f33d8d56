"""``postroad account``: the customers of the installation."""

from typing import Any

import click

from postroad.accounts.accounts import Accounts
from postroad.cli.invocation import Invocation, acting, with_database
from postroad.cli.output import answer, local_time, table, utc_time
from postroad.model.account import Account
from postroad.net.clock import now_ms
from postroad.storage.database import Database


@click.group()
def account() -> None:
    """Accounts: whose domains, credentials and mail belong together."""


@account.command()
@click.argument("name")
@with_database
async def add(invocation: Invocation, database: Database, name: str) -> None:
    """Add an account."""
    added = await Accounts(database, now_ms).add(acting(), name)
    answer(invocation, _document(added), f"Added account {added.name}.")


@account.command("list")
@with_database
async def list_accounts(invocation: Invocation, database: Database) -> None:
    """List every account."""
    accounts = await Accounts(database, now_ms).all(acting())
    rows = [(one.name, _state(one), local_time(one.created_at)) for one in accounts]
    answer(invocation, [_document(one) for one in accounts], table(("ACCOUNT", "STATE", "SINCE"), rows))


@account.command()
@click.argument("name")
@with_database
async def show(invocation: Invocation, database: Database, name: str) -> None:
    """Show one account."""
    found = await Accounts(database, now_ms).find(acting(), name)
    rows = [(found.name, _state(found), local_time(found.created_at))]
    answer(invocation, _document(found), table(("ACCOUNT", "STATE", "SINCE"), rows))


@account.command()
@click.argument("name")
@click.option("--resume", is_flag=True, help="Let a suspended account go on.")
@with_database
async def suspend(invocation: Invocation, database: Database, name: str, *, resume: bool) -> None:
    """Refuse an account's log-ins and next messages, within five seconds."""
    accounts = Accounts(database, now_ms)
    changed = await (accounts.resume(acting(), name) if resume else accounts.suspend(acting(), name))
    answer(invocation, _document(changed), f"Account {changed.name} is {_state(changed)}.")


def _state(account: Account) -> str:
    return "active" if account.suspended_at is None else "suspended"


def _document(account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "state": _state(account),
        "created_at": utc_time(account.created_at),
        "suspended_at": utc_time(account.suspended_at),
    }
