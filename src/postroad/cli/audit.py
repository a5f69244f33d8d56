"""``postroad audit``: who changed what, from where, when."""

from typing import Any

import click
import msgspec

from postroad.accounts.audit_log import AuditLog
from postroad.cli.invocation import Invocation, acting, with_database
from postroad.cli.output import answer, local_time, table, utc_time
from postroad.cli.parameters import INSTANT, NumberType, account_id_of
from postroad.model.audit import AuditEntry
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database


@click.group()
def audit() -> None:
    """The audit log: every administrative change, with who made it."""


@audit.command()
@click.option("--account", "account_name", help="What was done in one account.")
@click.option("--actor", help="What one actor did: an email address, an API key's prefix.")
@click.option("--action", help="One action such as smtp_user.added, or all of a noun: smtp_user.")
@click.option("--target", help="What was done to things whose name holds this.")
@click.option("--since", type=INSTANT, help="Since then: 2h, 3d, 2026-11-21.")
@click.option("--until", type=INSTANT, help="Before then.")
@click.option("--limit", type=NumberType(1, 10_000), default=50, show_default=True, help="How many entries.")
@with_database
async def search(
    invocation: Invocation,
    database: Database,
    *,
    account_name: str | None,
    actor: str | None,
    action: str | None,
    target: str | None,
    since: int | None,
    until: int | None,
    limit: int,
) -> None:
    """Search the audit log, the newest entries first."""
    selector = AuditSelector(
        account_id=await account_id_of(database, account_name),
        actor=actor,
        action=action,
        target_contains=target,
        since=since,
        until=until,
    )
    page = await AuditLog(database).search(acting(), selector, limit=limit)
    rows = [
        (local_time(one.at), one.actor_name, one.client_address or "-", one.action, one.target, changes_in_words(one))
        for one in page.entries
    ]
    headings = ("TIME", "WHO", "FROM", "ACTION", "TARGET", "CHANGE")
    answer(invocation, [_document(one) for one in page.entries], table(headings, rows))


def changes_in_words(entry: AuditEntry) -> str:
    """Return old and new values on one line: ``role: user → admin``."""
    before, after = entry.before or {}, entry.after or {}
    names = dict.fromkeys([*before, *after])
    return "; ".join(f"{name}: {_told(before, name)} → {_told(after, name)}" for name in names)


def _told(values: dict[str, Any], name: str) -> str:
    if name not in values:
        return "-"
    value = values[name]
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _document(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": utc_time(entry.at),
        "actor": {"kind": entry.actor_kind.value, "name": entry.actor_name, "address": entry.client_address},
        "action": entry.action,
        "target": entry.target,
        "before": entry.before,
        "after": entry.after,
    }
