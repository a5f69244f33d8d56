"""``postroad lockout``: what failed log-ins have locked."""

from typing import Any

import click

from postroad.accounts.logins.lockouts import Lockouts
from postroad.cli.invocation import Invocation, acting, with_database
from postroad.cli.output import answer, counted, local_time, table, utc_time
from postroad.net.clock import now_ms
from postroad.storage.database import Database
from postroad.storage.lockouts import Lockout


@click.group()
def lockout() -> None:
    """Lock-outs: addresses, networks and user names that failed to log in too often."""


@lockout.command("list")
@click.option("--counting", is_flag=True, help="Also those that failed and are not locked, or not any more.")
@with_database
async def list_lockouts(invocation: Invocation, database: Database, *, counting: bool) -> None:
    """List what is locked now."""
    service = Lockouts(database, now_ms)
    found = await service.all(acting(), counting=counting)
    rows = [
        (
            one.scope,
            one.subject,
            local_time(one.locked_until) if service.is_locked(one) else "-",
            str(one.failures),
            str(one.times_locked),
            local_time(one.last_failed_at),
            one.last_address,
            one.last_username,
        )
        for one in found
    ]
    headings = ("SCOPE", "WHAT", "LOCKED UNTIL", "FAILURES", "LOCKS", "LAST FAILED", "FROM", "NAME TRIED")
    text = table(headings, rows) if rows else "Nothing is locked."
    answer(invocation, [_document(one, is_locked=service.is_locked(one)) for one in found], text)


@lockout.command()
@click.argument("subject")
@with_database
async def release(invocation: Invocation, database: Database, subject: str) -> None:
    """Forget the failures of an address, a network or a user name, within five seconds everywhere."""
    service = Lockouts(database, now_ms)
    released = await service.release(acting(), subject)
    document = [_document(one, is_locked=False) for one in released]
    text = f"Released {released[0].subject}: {counted(sum(one.failures for one in released), 'failure')} forgotten."
    answer(invocation, document, text)


def _document(one: Lockout, *, is_locked: bool) -> dict[str, Any]:
    return {
        "scope": one.scope,
        "subject": one.subject,
        "is_locked": is_locked,
        "locked_until": utc_time(one.locked_until),
        "failures": one.failures,
        "times_locked": one.times_locked,
        "last_failed_at": utc_time(one.last_failed_at),
        "last_address": one.last_address,
        "last_username": one.last_username,
    }
