"""``postroad signing-key``: what webhook calls are signed with."""

from typing import Any

import click

from postroad.accounts.accounts import Accounts
from postroad.accounts.signing_keys import LONGEST_OVERLAP_HOURS, WebhookSigning
from postroad.cli.invocation import Invocation, acting, open_vault, with_database
from postroad.cli.output import answer, confirm, facts, local_time, utc_time
from postroad.cli.parameters import NumberType
from postroad.dialects.sendgrid.signature import public_key
from postroad.model.account import Account
from postroad.model.credential import SigningKeys
from postroad.net.clock import now_ms
from postroad.storage.database import Database
from postroad.storage.secrets import Vault
from postroad.webhooks.facts import WebhookFacts


@click.group("signing-key")
def signing_key() -> None:
    """Signing keys: by an account's one, receivers of its webhook calls know that they are genuine."""


@signing_key.command()
@click.option("--account", "account_name", help="Whose key; without it the default account's.")
@with_database
async def show(invocation: Invocation, database: Database, account_name: str | None) -> None:
    """Print an account's signing key, the previous one while that still counts, and the public key of SendGrid's format."""
    account = await Accounts(database, now_ms).find(acting(), account_name)
    vault = await open_vault(invocation, database)
    keys = await WebhookSigning(database, vault, now_ms).keys_of(acting(), account.id)
    _answer(invocation, account, keys, await _public_key(database, vault, account))


@signing_key.command()
@click.option("--account", "account_name", help="Whose key; without it the default account's.")
@click.option(
    "--overlap-hours",
    type=NumberType(0, LONGEST_OVERLAP_HOURS),
    default=0,
    show_default=True,
    help="Hours the present key counts beside the new one.",
)
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@with_database
async def update(
    invocation: Invocation, database: Database, account_name: str | None, *, overlap_hours: int, is_confirmed: bool
) -> None:
    """Give an account a new signing key; receivers that verify by the old one fail from then on, or after the overlap."""
    account = await Accounts(database, now_ms).find(acting(), account_name)
    confirm(f"Update the signing key of {account.name}?", is_confirmed=is_confirmed)
    vault = await open_vault(invocation, database)
    signing = WebhookSigning(database, vault, now_ms)
    updated = await signing.update(acting(), account.id, overlap_hours=overlap_hours)
    _answer(invocation, account, updated, await _public_key(database, vault, account))


async def _public_key(database: Database, vault: Vault, account: Account) -> str:
    return public_key(await WebhookFacts(database, vault, now_ms).event_key(account.id))


def _answer(invocation: Invocation, account: Account, keys: SigningKeys, event_public_key: str) -> None:
    document: dict[str, Any] = {
        "account": account.name,
        "key": str(keys.key),
        "previous_key": None if keys.previous_key is None else str(keys.previous_key),
        "previous_until": utc_time(keys.previous_until),
        "changed_at": utc_time(keys.changed_at),
        "sendgrid_public_key": event_public_key,
    }
    pairs = [("account", account.name), ("key", str(keys.key)), ("since", local_time(keys.changed_at))]
    if keys.previous_key is not None:
        pairs.append(("previous key", f"{keys.previous_key!s} until {local_time(keys.previous_until)}"))
    pairs.append(("public key for SendGrid's format", event_public_key))
    answer(invocation, document, facts(pairs))
