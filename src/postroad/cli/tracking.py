"""``postroad tracking``: where tracked links lead, and what signs them."""

import os
from typing import Any

import click

from postroad.cli.invocation import Invocation, acting, open_vault, refuse, with_database
from postroad.cli.output import answer, local_time, table, utc_time
from postroad.feedback.takedown import Takedown
from postroad.model.audit import entry_of
from postroad.model.tracking import BlockedDestination
from postroad.net.clock import now_ms
from postroad.storage import tracking_keys
from postroad.storage.database import Database
from postroad.storage.errors import Conflict


@click.group()
def tracking() -> None:
    """Tracked links: destinations that are taken down, and the keys of their tokens."""


@tracking.command()
@click.argument("destination")
@click.option("--reason", default="", help="Why, for whoever looks later.")
@with_database
async def block(invocation: Invocation, database: Database, destination: str, reason: str) -> None:
    """Take a destination down: a host with all below it, or the beginning of a URL.

    Tracked links that lead there answer 410 from now on, in mail that was delivered long ago too.
    """
    blocked = await Takedown(database, now_ms).block(acting(), destination, reason)
    answer(invocation, _document(blocked), f"Tracked links lead to {blocked.pattern} no longer.")


@tracking.command()
@click.argument("destination")
@with_database
async def unblock(invocation: Invocation, database: Database, destination: str) -> None:
    """Let tracked links lead to a destination again."""
    pattern = await Takedown(database, now_ms).unblock(acting(), destination)
    answer(invocation, {"destination": pattern, "state": "unblocked"}, f"Tracked links lead to {pattern} again.")


@tracking.command("list")
@with_database
async def list_blocked(invocation: Invocation, database: Database) -> None:
    """List the destinations that were taken down."""
    found = await Takedown(database, now_ms).all(acting())
    rows = [(one.pattern, local_time(one.created_at), one.created_by, one.reason) for one in found]
    answer(invocation, [_document(one) for one in found], table(("DESTINATION", "SINCE", "BY", "REASON"), rows))


@tracking.command("rotate-key")
@with_database
async def rotate_key(invocation: Invocation, database: Database) -> None:
    """Make a new key for the tokens of tracked links; it signs in a minute, and the links of earlier ones go on."""
    entry = entry_of(acting(), "tracking_key.added", "", at=now_ms(), account_id=None)
    try:
        key = await database.write(
            tracking_keys.add_recorded, await open_vault(invocation, database), os.urandom(tracking_keys.OCTETS), entry
        )
    except Conflict as error:
        refuse(f"No key was made: {error}.")
    answer(invocation, {"key": key.number, "made_at": utc_time(key.made_at)}, f"Made key {key.number}.")


def _document(blocked: BlockedDestination) -> dict[str, Any]:
    return {
        "destination": blocked.pattern,
        "reason": blocked.reason,
        "created_at": utc_time(blocked.created_at),
        "created_by": blocked.created_by,
    }
